from __future__ import annotations

import errno
import logging
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Draw
from visionlora.data.files.walk import unreadable
from visionlora.data.layout.folders import scan, scan_images, scan_known, scan_labelled
from visionlora.errors import VisionLoraError


def names(images: tuple, root: Path) -> list[tuple[str, str]]:  # type: ignore[type-arg]
    return [(image.path.relative_to(root).as_posix(), image.label) for image in images]


def test_a_folder_of_images_takes_its_class_name_from_the_configuration(draw: Draw, tmp_path: Path) -> None:
    for i in range(4):
        draw(f"{i}.jpg")
    folder = scan(tmp_path, class_name="goldfish")
    assert folder.classes == ("goldfish",)
    assert (len(folder.train), len(folder.val)) == (3, 1)
    assert {image.label for image in folder.train} == {"goldfish"}


def test_class_folders_name_the_classes_in_sorted_order(draw: Draw, tmp_path: Path) -> None:
    for name in ("newt/1.png", "newt/2.png", "axolotl/1.png", "axolotl/deeper/and deeper/2.PNG"):
        draw(name)
    folder = scan(tmp_path, val_fraction=0)
    assert folder.classes == ("axolotl", "newt")
    assert names(folder.train, tmp_path) == [
        ("axolotl/1.png", "axolotl"),
        ("axolotl/deeper/and deeper/2.PNG", "axolotl"),
        ("newt/1.png", "newt"),
        ("newt/2.png", "newt"),
    ]


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_split_folders_are_taken_as_they_are(draw: Draw, tmp_path: Path, val: str) -> None:
    for name in ("train/a/1.png", "train/b/1.png", f"{val}/a/2.png", "test/b/3.png"):
        draw(name)
    folder = scan(tmp_path)
    assert names(folder.train, tmp_path) == [("train/a/1.png", "a"), ("train/b/1.png", "b")]
    assert names(folder.val, tmp_path) == [(f"{val}/a/2.png", "a")]
    assert names(folder.test, tmp_path) == [("test/b/3.png", "b")]


def test_split_folders_may_hold_images_of_the_one_class(draw: Draw, tmp_path: Path) -> None:
    draw("train/1.png")
    draw("val/2.png")
    folder = scan(tmp_path, class_name="goldfish")
    assert names(folder.val, tmp_path) == [("val/2.png", "goldfish")]


def test_without_val_it_is_split_off_train_and_test_stays(draw: Draw, tmp_path: Path) -> None:
    for i in range(8):
        draw(f"train/a/{i}.png")
    draw("test/a/9.png")
    folder = scan(tmp_path)
    assert (len(folder.train), len(folder.val), len(folder.test)) == (6, 2, 1)


def test_the_same_seed_gives_the_same_split(draw: Draw, tmp_path: Path) -> None:
    for i in range(8):
        draw(f"a/{i}.png")
    assert scan(tmp_path, seed=3) == scan(tmp_path, seed=3)


def test_litter_is_passed_over_and_other_files_are_counted_once(
    draw: Draw, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw("a/1.png")
    draw(".ipynb_checkpoints/1.png")
    draw("a/.thumbnails/1.png")
    draw("a/.hidden.png")
    for name in ("a/Thumbs.db", ".DS_Store", "a/notes.txt", "a/2.raw", "a/3.raw"):
        (tmp_path / name).touch()
    with caplog.at_level(logging.WARNING):
        folder = scan(tmp_path, val_fraction=0)
    assert names(folder.train, tmp_path) == [("a/1.png", "a")]
    assert [path.name for path in folder.skipped] == ["2.raw", "3.raw", "notes.txt"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: left out 3 files that are not images (2 .raw, 1 .txt)"
    ]


def test_links_are_followed_but_not_round_in_circles(draw: Draw, tmp_path: Path) -> None:
    draw("elsewhere/1.png")
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "link").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "above").symlink_to(root)
    (root / "a" / "2.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    found = [image.path.name for image in scan(root, val_fraction=0).train]
    assert found == ["2.png", "1.png"]


def message(root: Path, **options: str) -> str:
    with pytest.raises(VisionLoraError) as caught:
        scan(root, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_named_with_the_one_that_was_meant(draw: Draw, tmp_path: Path) -> None:
    draw("goldfish/a/1.png")
    assert message(tmp_path / "goldfsih") == (
        f"data.root: there is no folder {tmp_path / 'goldfsih'}; did you mean {tmp_path / 'goldfish'}?"
    )
    assert "give a folder laid out as" in message(tmp_path / "quite" / "wrong")


def test_an_empty_folder_is_refused_with_the_layouts_that_work(tmp_path: Path) -> None:
    assert "holds no images; it should be FOLDER/<class>/*" in message(tmp_path)


def test_a_folder_of_other_files_says_which(tmp_path: Path) -> None:
    (tmp_path / "1.cr2").touch()
    assert "holds no images (1 .cr2)" in message(tmp_path)


def test_an_empty_class_folder_is_named(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png")
    (tmp_path / "b" / "deeper").mkdir(parents=True)
    assert f"class folder {tmp_path / 'b'} holds no images; put some in, or remove it" in message(tmp_path)


def test_images_without_a_class_name_suggest_the_folders_own(draw: Draw, tmp_path: Path) -> None:
    draw("goldfish/1.png")
    assert "data.class_name='goldfish'" in message(tmp_path / "goldfish")


def test_a_class_name_beside_class_folders_is_refused(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png")
    assert "data.class_name=newt does not apply; leave it out" in message(tmp_path, class_name="newt")


@pytest.mark.parametrize(
    ("files", "stray"),
    [
        (("a/1.png", "2.png"), "2.png lies beside the folder a"),
        (("train/a/1.png", "b/2.png"), "b lies beside train"),
        (("train/a/1.png", "2.png"), "2.png lies beside train"),
        (("train/a/1.png", "train/2.png"), "2.png lies beside the folder a"),
    ],
)
def test_mixed_layouts_are_refused(draw: Draw, tmp_path: Path, files: tuple[str, ...], stray: str) -> None:
    for name in files:
        draw(name)
    assert f"mixes layouts: {stray}" in message(tmp_path)


def test_contrast_images_beside_the_splits_are_nobodys_class(draw: Draw, tmp_path: Path) -> None:
    for name in ("train/newt/1.png", "val/newt/2.png", "contrast/anchor/3.png", "contrast/val/4.png"):
        draw(name)
    folder = scan(tmp_path)
    assert folder.classes == ("newt",)
    assert len(folder.train) == len(folder.val) == 1


@pytest.mark.parametrize(("one", "other"), [("Goldfish", "goldfish"), ("gold fish", "gold_fish")])
def test_a_class_in_two_spellings_is_refused(draw: Draw, tmp_path: Path, one: str, other: str) -> None:
    draw(f"train/{one}/1.png")
    draw(f"val/{other}/1.png")
    assert f"{one!r} and {other!r} are one class in two spellings" in message(tmp_path)


def test_a_class_of_val_that_train_lacks_is_refused_with_the_one_that_was_meant(
    draw: Draw, tmp_path: Path
) -> None:
    draw("train/goldfish/1.png")
    draw("val/goldfishes/1.png")
    assert "class 'goldfishes' is in val but not in train; is it 'goldfish'?" in message(tmp_path)


def test_val_without_train_and_two_vals_are_refused(draw: Draw, tmp_path: Path) -> None:
    draw("val/a/1.png")
    assert "has val but no train; add" in message(tmp_path)
    draw("train/a/1.png")
    draw("valid/a/1.png")
    assert "are both val; merge them, or keep one" in message(tmp_path)


def test_a_file_that_is_no_table_is_refused(draw: Draw) -> None:
    assert "is an image; give its folder" in message(draw("1.png"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png")
    (tmp_path / "a").chmod(0)
    try:
        assert f"cannot read {tmp_path / 'a'}" in message(tmp_path)
    finally:
        (tmp_path / "a").chmod(0o755)


def test_unlabelled_images_are_found_at_any_depth_once(draw: Draw, tmp_path: Path) -> None:
    draw("x/1.png")
    draw("x/y/z/2.png")
    found = scan_images([tmp_path / "x", tmp_path / "x" / "y"])
    assert names(found, tmp_path) == [("x/1.png", None), ("x/y/z/2.png", None)]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_folder_may_be_given_alone(draw: Draw, tmp_path: Path, kind: type) -> None:
    draw("x/1.png")
    assert names(scan_images(kind(tmp_path / "x")), tmp_path) == [("x/1.png", None)]


def test_a_folder_without_images_among_several_is_named(draw: Draw, tmp_path: Path) -> None:
    draw("x/1.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VisionLoraError, match="empty holds no images; images end in"):
        scan_images([tmp_path / "x", tmp_path / "empty"])
    with pytest.raises(VisionLoraError, match="there is no folder"):
        scan_images([tmp_path / "nowhere"])


def test_labelled_images_are_found_without_a_split(draw: Draw, tmp_path: Path) -> None:
    draw("n01443537/0.png")
    draw("tench/0.png")
    assert names(scan_labelled(tmp_path), tmp_path) == [
        ("n01443537/0.png", "n01443537"),
        ("tench/0.png", "tench"),
    ]


def test_known_images_are_labelled_by_class_folders_and_need_none(draw: Draw, tmp_path: Path) -> None:
    for name in ("labelled/newt/1.png", "labelled/axolotl/1.png", "loose/2.png", "loose/1.png"):
        draw(name)
    labelled, loose = scan_known(tmp_path / "labelled"), scan_known(tmp_path / "loose")
    assert names(labelled, tmp_path / "labelled") == [("axolotl/1.png", "axolotl"), ("newt/1.png", "newt")]
    assert names(loose, tmp_path / "loose") == [("1.png", None), ("2.png", None)]
    draw("labelled/stray.png")
    with pytest.raises(VisionLoraError, match="mixes layouts"):
        scan_known(tmp_path / "labelled")
    with pytest.raises(VisionLoraError, match="no folder"):
        scan_known(tmp_path / "nowhere")


@pytest.mark.parametrize("root", ["https://example.org/x.zip", "hf://datasets/beans", "s3://bucket/x"])
def test_an_address_is_not_taken_for_a_folder(root: str) -> None:
    with pytest.raises(VisionLoraError, match="is an address, which is not downloaded; download it"):
        scan(root)


def refuse_to_all(monkeypatch: pytest.MonkeyPatch, closed: Path) -> None:
    """Nobody may look into a folder, or read a file, though root may."""

    def guarded(name: str) -> None:
        real = getattr(os, name)

        def guard(path: object = ".", *rest: object, **options: object) -> object:
            if isinstance(path, str | Path) and Path(path).is_relative_to(closed):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *rest, **options)

        monkeypatch.setattr(os, name, guard)

    for name in ("scandir", "listdir", "stat"):
        guarded(name)


@pytest.mark.parametrize("name", ["cow", "recycled", "models", "outputs", "runs"])
def test_a_folder_that_nobody_may_look_into_is_named(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for one in ("cat/1.png", "dog/1.png", f"{name}/1.png"):
        draw(one)
    closed = tmp_path / name
    refuse_to_all(monkeypatch, closed)
    with pytest.raises(VisionLoraError, match=f"cannot read .*{name}: Permission denied; check its perm"):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EPERM, "check its permissions"),
        (errno.ENOENT, "it has just been removed; run the command again"),
        (errno.ENOTCONN, "copy it to another disk, and name the copy"),
    ],
)
def test_what_helps_depends_on_why_a_folder_cannot_be_read(tmp_path: Path, code: int, advice: str) -> None:
    error = OSError(code, os.strerror(code), str(tmp_path))
    assert str(unreadable(tmp_path, error)) == f"cannot read {tmp_path}: {os.strerror(code)}; {advice}"


@pytest.mark.parametrize("before", ["file://", "file:", "file://localhost", "FILE://"])
def test_an_address_of_a_file_is_its_path(draw: Draw, tmp_path: Path, before: str) -> None:
    draw("my pets/cat/a.png")
    draw("my pets/dog/b.png")
    address = f"{before}{tmp_path}/my%20pets"
    assert scan(address).classes == ("cat", "dog")


@pytest.mark.parametrize("form", ["[{a},{b}]", "{a}, {b}", "['{a}', '{b}']"])
def test_several_folders_are_refused_with_what_to_do(draw: Draw, tmp_path: Path, form: str) -> None:
    for place, path in enumerate(("a/cat/1.png", "a/dog/2.png", "b/cat/3.png", "b/dog/4.png")):
        draw(path, colour=(60 * place, 0, 0))
    said = message(form.format(a=tmp_path / "a", b=tmp_path / "b"))  # type: ignore[arg-type]
    assert said.startswith("data.root is one folder, and ")
    command = said.partition("become one: ")[2].partition(", then")[0]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    found = scan(tmp_path / "all")
    assert (found.classes, len(found.train) + len(found.val)) == (("cat", "dog"), 4)


def test_a_home_of_nobody_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VisionLoraError, match=r"there is no folder ~nobody-here/pets in "):
        scan("~nobody-here/pets")


@pytest.mark.parametrize("path", ["C:\\Users\\me\\pets", "D:/pets", "\\\\nas\\pets"])
def test_a_path_of_windows_says_so(path: str) -> None:
    with pytest.raises(VisionLoraError, match="is a path of Windows; give the folder as this system"):
        scan(path)


@pytest.mark.parametrize("address", ["https://x.y/pets.zip", "s3://bucket/pets", "hf://datasets/a/b"])
def test_an_address_is_refused_as_it_is_written(address: str) -> None:
    with pytest.raises(VisionLoraError, match=f"^{address} is an address, which is not downloaded"):
        scan(address)


def test_folders_that_lie_too_deep_for_the_system_are_said_in_one_short_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    here = Path.cwd()
    try:
        os.chdir(tmp_path / "a")
        for _ in range(22):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
    finally:
        os.chdir(here)
    said = message(tmp_path)
    assert "its folders lie too deep; move them up" in said
    assert len(said) < 300
