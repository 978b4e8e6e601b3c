# ruff: noqa: E501 - a case a line reads better
"""Archives, names, and numbers of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    GIVEN,
    TWO,
    Case,
    Make,
    both,
    bytes_name,
    files,
    image_bytes,
    many,
    table,
    tarred,
    zipped,
)


def archives() -> Iterator[Case]:
    members = tuple(f"pets/{name}/{number}.png" for name in ("cat", "dog") for number in range(4))
    said = ("is unpacked in", "pets is the only folder")
    yield Case("a zip file", zipped("pets.zip", *members), root="pets.zip", counts=TWO, notes=said)
    yield Case("a ZIP file in capitals", zipped("PETS.ZIP", *members), root="PETS.ZIP", counts=TWO)
    yield Case(
        "a zip file made on Windows", zipped("pets.zip", *(name.replace("/", "\\") for name in members)),
        root="pets.zip", counts=TWO,
    )  # fmt: skip
    yield Case(
        "a zip file made on a Mac", zipped("pets.zip", *members, "__MACOSX/pets/cat/._0.png", "pets/.DS_Store"),
        root="pets.zip", counts=TWO,
    )  # fmt: skip
    for suffix in ("tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"):
        yield Case(
            f"a {suffix} file",
            tarred(f"pets.{suffix}", *members),
            root=f"pets.{suffix}",
            counts=TWO,
            notes=said,
        )
    yield Case(
        "a tar file with ./", tarred("p.tar", *(f"./{name}" for name in members)), root="p.tar", counts=TWO
    )
    for name, member in {"above": "../evil.png", "absolute": "/tmp/evil.png", "deep": "a/../../evil.png",
                         "a drive": "C:/evil.png", "backslashes": "..\\evil.png"}.items():  # fmt: skip
        yield Case(f"a zip file that leads outside ({name})", zipped("x.zip", *members, member), root="x.zip",
                   error="leads outside of it")  # fmt: skip
    yield Case("a tar file that leads outside", tarred("x.tar", *members, "../evil.png"), root="x.tar",
               error="leads outside of it")  # fmt: skip
    yield Case(
        "a tar file with links out of it", tarred("x.tar", *members, links={"pets/cat/x.png": "/etc/passwd", "pets/cow": "/"}),
        root="x.tar", counts=TWO,
    )  # fmt: skip
    yield Case("a zip bomb", zipped("x.zip", **{"a/x.png": bytes(2**21)}), root="x.zip", error="more than",
               options={"limit": True})  # fmt: skip
    yield Case("a zip file of text", zipped("x.zip", "a.md"), root="x.zip", error="holds no images")
    yield Case("a file that is no zip file", table("x.zip", "text"), root="x.zip", error="cannot unpack")
    yield Case("a truncated zip file", both(zipped("x.zip", *members), _truncated("x.zip")), root="x.zip",
               error="cannot unpack")  # fmt: skip
    yield Case("a truncated tar file", both(tarred("x.tar.gz", *members), _truncated("x.tar.gz")), root="x.tar.gz",
               error="cannot unpack")  # fmt: skip
    yield Case(
        "a zip file of splits", zipped("d.zip", *(f"{split}/{name}/{number}.jpg" for split in ("train", "valid")
                                                 for name in ("cat", "dog") for number in range(4))),
        root="d.zip", counts=GIVEN, split="given",
    )  # fmt: skip
    yield Case(
        "a zip file of a table", zipped("d.zip", "a.png", "b.png", **{"metadata.csv": b"file_name,label\na.png,cat\nb.png,cat\n"}),
        root="d.zip", counts={"cat": (1, 1, 0)},
    )  # fmt: skip


def _truncated(name: str) -> Make:
    def make(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return make


def names() -> Iterator[Case]:
    for name in (
        "Käfer", "金魚", "דג זהב", "[b]", "[red]x", "$5_$10", "cost $x_{$", "=HYPERLINK(1)", "-1", "<b>x", "a&b", "😀",
        "two\nlines", "\x1b[31mred", "a'b\"c", "100%", "C#", "a=b", "~", "pics (1)", "{x}", "con", "1", "None", "null",
        "\u202egpj", "cafe\u0301",
    ):  # fmt: skip
        yield Case(
            f"a class called {name!r}", many(f"{name}/{{}}.png", "dog/{}.png"),
            counts={name: (3, 1, 0), "dog": (3, 1, 0)}, silent=True,
        )  # fmt: skip
    yield Case(
        "a class in Latin-1", both(many("dog/{}.png"), *(bytes_name_in(b"K\xe4fer", number) for number in range(4))),
        counts={"K\udce4fer": (3, 1, 0), "dog": (3, 1, 0)},
    )  # fmt: skip
    yield Case("a file in Latin-1", both(many("cat/{}.png", count=3), bytes_name("cat", b"K\xe4fer.png")),
               counts={"cat": (3, 1, 0)})  # fmt: skip
    for one, other in (("Cat", "cat"), ("gold fish", "gold_fish"), ("gold-fish", "Gold Fish"),
                       ("cat", "cat "), ("ﬁsh", "fish")):  # fmt: skip
        yield Case(f"classes {one!r} and {other!r}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"),
                   problems=("are one class in two spellings",))  # fmt: skip
    yield Case(
        "a class that is spelled otherwise in val", many("train/cat/{}.png", "val/Cat/{}.png"),
        problems=("are one class in two spellings",),
    )  # fmt: skip


def bytes_name_in(folder: bytes, number: int) -> Make:
    """Writes an image into a folder whose name is not UTF-8."""

    def make(root: Path) -> None:
        parent = Path(os.fsdecode(os.fsencode(root) + b"/" + folder))
        parent.mkdir(exist_ok=True)
        (parent / f"{number}.png").write_bytes(image_bytes())

    return make


def numbers() -> Iterator[Case]:
    yield Case("one image of one class", files("cat/0.png"), counts={"cat": (1, 0, 0)}, split="none")
    yield Case("one image of each class", files("cat/0.png", "dog/0.png"),
               counts={"cat": (1, 0, 0), "dog": (1, 0, 0)}, split="none")  # fmt: skip
    yield Case(
        "two images of one class", files("cat/0.png", "cat/1.png"), counts={"cat": (1, 1, 0)}, split="made"
    )
    yield Case("one image and two", files("cat/0.png", "dog/0.png", "dog/1.png"),
               counts={"cat": (1, 0, 0), "dog": (1, 1, 0)}, split="made")  # fmt: skip
    yield Case(
        "one image, its class given", files("0.png"), options={"class_name": "cat"}, counts={"cat": (1, 0, 0)}
    )
    yield Case("no images for val", many(*CLASSES), options={"val_fraction": 0},
               counts={"cat": (4, 0, 0), "dog": (4, 0, 0)}, split="none")  # fmt: skip
    yield Case("half of the images for val", many(*CLASSES), options={"val_fraction": 0.5},
               counts={"cat": (2, 2, 0), "dog": (2, 2, 0)})  # fmt: skip
    yield Case(
        "an impossible fraction", many(*CLASSES), options={"val_fraction": 1.0}, error="data.val_fraction"
    )
    yield Case("one image in train, one in val", files("train/cat/0.png", "val/cat/1.png"),
               counts={"cat": (1, 1, 0)}, split="given")  # fmt: skip
    yield Case("forty classes", many(*(f"class{number}/{{}}.png" for number in range(40))),
               counts={f"class{number}": (3, 1, 0) for number in range(40)})  # fmt: skip
