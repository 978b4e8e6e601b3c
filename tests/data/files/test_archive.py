"""Archives of strangers stay within bounds: of disk, of memory, of the folder they are unpacked into."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from tests.data.corpus.case import zipped
from visionlora.data.files import archive
from visionlora.data.files.archive import unpacked
from visionlora.errors import MachineFault, VisionLoraError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def image() -> bytes:
    with io.BytesIO() as file:
        Image.new("RGB", (8, 8)).save(file, "PNG")
        return file.getvalue()


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as opened:
            for member, content in members:
                member.size = len(content)
                opened.addfile(member, io.BytesIO(content))
        return file.getvalue()


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_tar_files_are_unpacked_whatever_compresses_them(tmp_path: Path, image: bytes, suffix: str) -> None:
    path = tmp_path / f"pets{suffix}"
    mode = {".tar": "w"}.get(suffix, f"w:{suffix.removeprefix('.tar.')}")
    with tarfile.open(path, mode) as opened:
        for name in ("cat/a.png", "dog/b.png"):
            member = tarfile.TarInfo(name)
            member.size = len(image)
            opened.addfile(member, io.BytesIO(image))
    folder, _ = unpacked(path)
    assert (folder / "cat" / "a.png").read_bytes() == (folder / "dog" / "b.png").read_bytes() == image


def test_a_header_that_claims_a_long_name_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type = tarfile.GNUTYPE_LONGNAME
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(tar_of((name, b"x" * 6_000_000))))
    with pytest.raises(VisionLoraError, match="a header of 6"):
        unpacked(path)


def test_what_is_skipped_counts_too(tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_RATIO", 1)
    monkeypatch.setattr(archive, "LEAST_LIMIT", 1000)
    path = tmp_path / "bomb.tar.gz"
    skipped = tarfile.TarInfo("zeros.bin"), bytes(2_000_000)
    path.write_bytes(gzip.compress(tar_of(skipped, (tarfile.TarInfo("a.png"), image))))
    with pytest.raises(VisionLoraError, match="unpacks to more than"):
        unpacked(path)


def test_an_archive_of_too_many_files_is_refused(
    tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    path = tmp_path / "many.tar"
    path.write_bytes(tar_of(*[(tarfile.TarInfo(f"{number}.bin"), b"") for number in range(4)]))
    with pytest.raises(VisionLoraError, match="more than 3 files"):
        unpacked(path)


def test_an_xz_file_that_asks_for_much_memory_is_refused(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "pets.tar.xz"
    small = [{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]
    plain = lzma.compress(tar_of((tarfile.TarInfo("a.png"), image)), filters=small)
    # The size of the dictionary is one byte of the block header, whose checksum has to fit.
    header = bytearray(plain[12:24])
    assert header[4] == 0
    header[4] = 38
    header[8:12] = zlib.crc32(header[:8]).to_bytes(4, "little")
    path.write_bytes(plain[:12] + bytes(header) + plain[24:])
    with pytest.raises(VisionLoraError, match="Memory usage limit"):
        unpacked(path)


def test_a_zip_file_compressed_with_lzma_is_refused(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("a.png", image)
    with pytest.raises(VisionLoraError, match="neither deflated nor stored"):
        unpacked(path)


@pytest.mark.parametrize("name", ["../a.png", "/tmp/a.png", "C:/a.png", "x/../../a.png"])
def test_a_path_that_leads_outside_is_refused_and_nothing_is_left(
    tmp_path: Path, cache: Path, image: bytes, name: str
) -> None:
    path = tmp_path / "pets.tar"
    path.write_bytes(tar_of((tarfile.TarInfo("ok.png"), image), (tarfile.TarInfo(name), image)))
    with pytest.raises(VisionLoraError, match="leads outside"):
        unpacked(path)
    assert list((cache / "unpacked").iterdir()) == []
    assert not (tmp_path / "a.png").exists()


def test_links_are_left_out(tmp_path: Path, image: bytes) -> None:
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = tmp_path / "pets.tar"
    path.write_bytes(tar_of((link, b""), (tarfile.TarInfo("a.png"), image)))
    folder, _ = unpacked(path)
    assert [file.name for file in folder.iterdir()] == ["a.png"]


def test_without_a_cache_an_archive_is_unpacked_once_and_nothing_is_left(
    tmp_path: Path, image: bytes
) -> None:
    path, temporary = tmp_path / "pets.tar", tmp_path / "temporary"
    path.write_bytes(tar_of((tarfile.TarInfo("cat/a.png"), image)))
    temporary.mkdir()
    code = (
        "import sys; from pathlib import Path; from visionlora.data.files.archive import unpacked\n"
        "(first, note), (second, _) = (unpacked(Path(sys.argv[1])) for _ in range(2))\n"
        "assert first == second and list(first.rglob('*.png')), first\n"
        "print(first, note, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True,
        env={**os.environ, "VISIONLORA_CACHE": "", "TMPDIR": str(temporary)},
    )  # fmt: skip
    folder, note = done.stdout.splitlines()
    assert Path(folder).is_relative_to(temporary)
    assert note.endswith("until this command ends (VISIONLORA_CACHE is empty)")
    assert not list(temporary.iterdir())


def test_an_archive_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped("x.zip", "cat/0.png")(tmp_path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(
        VisionLoraError, match=r"cannot read .*x\.zip: Permission denied; check its permissions"
    ):
        unpacked(tmp_path / "x.zip")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_under_the_cache_is_not_said_to_be_a_damaged_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, number: int
) -> None:
    zipped("pets.zip", "cat/a.png", "dog/b.png")(tmp_path)

    def full(*options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(archive, "_write", full)
    with pytest.raises(MachineFault, match="where it is unpacked; free some space, or set VISIONLORA_CACHE"):
        unpacked(tmp_path / "pets.zip")
    assert not list(cache.rglob("*.png")) + list(cache.rglob(".unpacking-*"))
