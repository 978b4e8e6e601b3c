# ruff: noqa: E501 - a case a line reads better
"""A part of a data set that is given as data.root, labels that are none or are one class twice, lists that spaces part."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.corpus.case import EACH, HALF, ONE, TWO, Case, below, both, files, many, table, tables

case = tables("given")


def parts() -> Iterator[Case]:
    """A folder within a data set, and paths as people type them."""
    splits = many(*below("pets/train"), *below("pets/val"), *below("pets/test"))
    yield Case("train of a data set", splits, root="pets/train", counts=TWO, split="made", notes=("val and test lie beside it and are not used; data.root=",))  # fmt: skip
    yield Case("Training beside Validation", many(*below("p/Training"), *below("p/Validation")), root="p/Training", counts=TWO, notes=("Validation lies beside it and is not used",))  # fmt: skip
    yield Case("val of a data set", splits, root="pets/val", counts=TWO, silent=True)  # fmt: skip
    yield Case("a class called train among classes", many("x/bus/{}.png", "x/train/steam/{}.png", "x/train/diesel/{}.png"), root="x/train", counts={"diesel": ONE, "steam": ONE}, silent=True)  # fmt: skip
    yield Case("train beside an empty val", both(many(*below("p/train")), files("p/val/")), root="p/train", counts=TWO, silent=True)  # fmt: skip
    yield Case("a class of a data set", many(*below("pets")), root="pets/cat", error="for example data.class_name='cat'")  # fmt: skip
    yield Case("the images of a table above them", both(many("pets/images/{}.jpg"), table("pets/labels.csv", "file,label\n0.jpg,cat\n1.jpg,dog\n")), root="pets/images", error="labels.csv, if that lists their labels")  # fmt: skip
    yield Case("an empty train beside val", both(many(*below("val")), files("train/")), error="train")
    yield Case("train of empty class folders", both(many(*below("val")), files("train/cat/", "train/dog/")), error="train")  # fmt: skip
    yield Case("a path with a variable", many("pets/a.png"), root="$PICTURES/pets", error="$PICTURES is not replaced: write the path out")  # fmt: skip
    yield Case("a path in quotes", many(*below("pets")), root="'pets'", error="did you mean")
    yield Case("a path with a space at its end", many(*below("pets")), root="pets ", error="did you mean")
    yield Case(
        "two folders with a comma", many(*below("a"), *below("b")), root="a,b", error="there is no folder"
    )
    yield Case("a folder with a comma", many(*below("a,b")), root="a,b", counts=TWO, silent=True)
    yield Case("a shortcut as data.root", files("pets.lnk"), root="pets.lnk", error="shortcuts of Windows")


def labels() -> Iterator[Case]:
    """Labels that are none, and one class in two words."""
    for word in (
        "unlabeled",
        "unlabelled",
        "TODO",
        "tbd",
        "(null)",
        "NULL",
        "no label",
        "nolabel",
        "undefined",
    ):
        yield case(f"labels {word}", f"path,label\ni/a.png,cat\ni/b.png,{word}\n", notes=(f"{word!r} is taken for the class of 1 image",))  # fmt: skip
    yield case("labels 0, 1 and -1", "path,label\ni/a.png,0\ni/b.png,1\ni/c.png,-1\n", "i/a.png", "i/b.png", "i/c.png", notes=("'-1' is taken for the class of 1 image",))  # fmt: skip
    yield case("labels 1 and -1", "path,label\ni/a.png,1\ni/b.png,-1\n", counts={"1": (1, 0, 0), "-1": (1, 0, 0)}, silent=True)  # fmt: skip
    for one, other in (
        ("cat", "cats"),
        ("fox", "foxes"),
        ("1", "01"),
        ("RedFox", "red fox"),
        ("cat", "cat."),
    ):
        yield case(f"labels {one} and {other}", f"path,label\ni/a.png,{one}\ni/b.png,{other}\n", notes=("taken for two classes:",))  # fmt: skip
    yield Case("class folders of splits, cat and cats", many("cat/train/{}.png", "cat/val/{}.png", "cats/train/{}.png", "cats/val/{}.png"), notes=("taken for two classes: cat and cats",))  # fmt: skip
    yield case("labels Cat and cat", "path,label\ni/a.png,Cat\ni/b.png,cat\n", problems=("are one class in two spellings",))  # fmt: skip


def spaced() -> Iterator[Case]:
    """Lists whose columns spaces part."""
    yield case("three columns of spaces", "file     label  split\ni/a.png  cat    train\ni/b.png  cat    test\n", file="t.txt", counts={"cat": (1, 0, 1)})  # fmt: skip
    yield case("three columns of spaces in a CSV", "file label split\ni/a.png cat train\ni/b.png cat val\n", counts={"cat": HALF})  # fmt: skip
    yield case("three columns of spaces and no names", "i/a.png 0 train\ni/b.png 0 val\n", file="t.txt", counts={"0": HALF})  # fmt: skip
    yield case("spaces before the lines", "  i/a.png cat\n  i/b.png dog\n", file="t.txt")
    yield case("tabs and spaces", "i/a.png \t cat\ni/b.png\tdog\n", file="t.txt")
    yield case("commas and spaces", "i/a.png, cat\ni/b.png , dog\n", file="t.txt")
    yield case("spaces in names and labels", "i/a b.png great dane\ni/c d.png pug\n", "i/a b.png", "i/c d.png", file="t.txt", counts={"great dane": (1, 0, 0), "pug": (1, 0, 0)})  # fmt: skip
    yield case("a number and a name behind each path", "i/a.png 0 cat\ni/b.png 1 dog\n", file="t.txt", counts=EACH)  # fmt: skip
    yield case("arrows", "i/a.png -> cat\ni/b.png -> dog\n", file="t.txt", counts=EACH)
    yield case("colons", "i/a.png: cat\ni/b.png: dog\n", file="t.txt", counts=EACH)
    yield case("signs of equality", "i/a.png=cat\ni/b.png=dog\n", file="t.txt", counts=EACH)
    yield case("SHA256SUMS", "0a1b2c  i/a.png\n3d4e5f  i/b.png\n", file="SHA256SUMS", error="SHA256SUMS")
    yield case("du's list", "4.0K\ti/a.png\n8.0K\ti/b.png\n", file="t.txt", counts={"4.0K": (1, 0, 0), "8.0K": (1, 0, 0)})  # fmt: skip


def given() -> Iterator[Case]:
    """All of them."""
    for kind in (parts, labels, spaced):
        yield from kind()
