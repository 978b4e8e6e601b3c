# ruff: noqa: E501 - a case a line reads better
"""Folders, tables and archives as people have them, written at test time, with what the user should be told.

``python -m tests.data.corpus FOLDER`` writes all of them to look at.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        name: what it is.
        make: writes it into an empty folder.
        root: what ``data.root`` is, below that folder.
        options: of :func:`visionlora.data.folders.survey`.
        counts: class -> images in (train, val, test); None where the folder is refused.
        split: where val comes from.
        notes: words of the notes, each in one of them.
        problems: words of the problems, each in one of them.
        error: words of the one line that refuses it.
        silent: no note at all.
    """

    name: str
    make: Make
    root: str = "."
    options: dict[str, object] = field(default_factory=dict)
    counts: dict[str, tuple[int, int, int]] | None = None
    split: str | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    error: str | None = None
    silent: bool = False


_serial = 0


def image_bytes(suffix: str = "png", size: tuple[int, int] = (24, 16)) -> bytes:
    """An image that no other one equals."""
    global _serial
    _serial += 1
    buffer = io.BytesIO()
    colour = (_serial * 37 % 256, _serial * 91 % 256, _serial % 256)
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF"}.get(suffix.lower(), suffix.upper())
    picture = Image.new("RGB", size, colour)
    picture.paste("white", (0, 0, 1 + _serial % 20, 5))
    picture.save(buffer, kind)
    return buffer.getvalue()


def files(*names: str) -> Make:
    """Writes files: images where the suffix says so, folders where the name ends in /, else a line of text."""

    def make(folder: Path) -> None:
        for name in names:
            _write(folder / name, name)

    return make


def _write(path: Path, name: str) -> None:
    if name.endswith("/"):
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = name.rpartition(".")[2].lower()
    if suffix in ("png", "jpg", "jpeg", "gif", "bmp", "webp", "tif"):
        path.write_bytes(image_bytes(suffix))
    else:
        path.write_text("text\n")


def many(*patterns: str, count: int = 4) -> Make:
    """Writes ``count`` images for each pattern, ``{}`` replaced by a number."""
    return files(*(pattern.replace("{}", str(number)) for pattern in patterns for number in range(count)))


def table(name: str, text: str | bytes, *images: str) -> Make:
    """Writes a table and images."""

    def make(folder: Path) -> None:
        files(*images)(folder)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def both(*makes: Make) -> Make:
    """Writes all of them."""

    def make(folder: Path) -> None:
        for one in makes:
            one(folder)

    return make


def zipped(name: str, *members: str, **raw: bytes) -> Make:
    """Writes a zip file of images and texts."""

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                suffix = member.rpartition(".")[2].lower()
                archive.writestr(member, image_bytes(suffix) if suffix in ("png", "jpg") else b"text")
            for member, content in raw.items():
                archive.writestr(member, content)

    return make


def tarred(name: str, *members: str, links: dict[str, str] | None = None) -> Make:
    """Writes a tar file of images, and symbolic links."""

    def make(folder: Path) -> None:
        mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(name.rpartition(".")[2], "w")
        with tarfile.open(folder / name, mode) as archive:  # type: ignore[call-overload]
            for member in members:
                content = image_bytes()
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            for member, target in (links or {}).items():
                info = tarfile.TarInfo(member)
                info.type, info.linkname = tarfile.SYMTYPE, target
                archive.addfile(info)

    return make


def link(name: str, target: str) -> Make:
    """Writes a symbolic link."""

    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)

    return make


def bytes_name(parent: str, name: bytes) -> Make:
    """Writes an image whose file name is not UTF-8."""

    def make(folder: Path) -> None:
        (folder / parent).mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(os.fsencode(folder / parent) + b"/" + name)).write_bytes(image_bytes())

    return make


TWO = {"cat": (3, 1, 0), "dog": (3, 1, 0)}
GIVEN = {"cat": (4, 4, 0), "dog": (4, 4, 0)}
TESTED = {"cat": (3, 1, 4), "dog": (3, 1, 4)}
CLASSES = ("cat/{}.png", "dog/{}.png")


def below(folder: str) -> tuple[str, ...]:
    """Class folders below ``folder``."""
    return tuple(f"{folder}/{name}" for name in CLASSES)


def cases() -> Iterator[Case]:
    """All inputs."""
    yield from layouts()
    yield from split_spellings()
    yield from classes_called_like_splits()
    yield from wrappers()
    yield from litter()
    yield from links()
    yield from tables()
    yield from archives()
    yield from names()
    yield from numbers()


def layouts() -> Iterator[Case]:
    yield Case("class folders", many(*CLASSES), counts=TWO, split="made", silent=True)
    yield Case(
        "train and val", many(*below("train"), *below("val")), counts=GIVEN, split="given", silent=True
    )
    yield Case(
        "train and test", many(*below("train"), *below("test")), counts=TESTED, split="made", silent=True
    )
    yield Case("train alone", many(*below("train")), counts=TWO, split="made")
    yield Case(
        "train, val and test", many(*below("train"), *below("val"), *below("test")),
        counts={"cat": (4, 4, 4), "dog": (4, 4, 4)}, split="given",
    )  # fmt: skip
    yield Case(
        "one class with its name given",
        many("{}.png"),
        options={"class_name": "cat"},
        counts={"cat": (3, 1, 0)},
    )
    yield Case(
        "splits of one class", many("train/{}.png", "val/{}.png"), options={"class_name": "cat"},
        counts={"cat": (4, 4, 0)}, split="given",
    )  # fmt: skip
    yield Case("images without a name", many("{}.png"), error="data.class_name=")
    yield Case(
        "splits of images without a name", many("train/{}.png", "val/{}.png"), error="data.class_name="
    )
    yield Case("images deep below classes", many("cat/a/b/{}.png", "dog/{}.png"), counts=TWO)
    yield Case("images beside class folders", both(many(*CLASSES), files("x.png")), error="x.png lies beside")
    yield Case("a class folder beside train", both(many(*below("train")), many("cow/{}.png")),
               error="cow lies beside train")  # fmt: skip
    yield Case(
        "Kaggle's unlabelled test", both(many(*below("train")), many("test/{}.png")), counts=TWO,
        notes=("test holds images without labels: left out",),
    )  # fmt: skip
    yield Case(
        "an unlabelled test in one folder", both(many(*below("train")), many("test/unknown/{}.png")),
        counts=TWO, notes=("test holds images without labels",),
    )  # fmt: skip
    yield Case(
        "an unlabelled test folder of images", both(many(*below("train")), many("test/images/{}.png")),
        counts=TWO, notes=("test holds images without labels",),
    )  # fmt: skip
    yield Case(
        "an unlabelled val", both(many(*below("train")), many("val/{}.png")), counts=TWO, split="made",
        notes=("val holds images without labels: left out; validation images are taken from train",),
    )  # fmt: skip
    yield Case(
        "an empty val", both(many(*below("train")), files("val/")), counts=TWO, split="made",
        notes=("val holds no images: left out; validation images are taken from train",),
    )  # fmt: skip
    yield Case(
        "a val of empty class folders", both(many(*below("train")), files("val/cat/", "val/dog/")), counts=TWO,
        notes=("val holds no images",),
    )  # fmt: skip
    yield Case(
        "an empty test", both(many(*below("train"), *below("val")), files("test/")), counts=GIVEN,
        notes=("test holds no images: left out",),
    )  # fmt: skip
    yield Case(
        "a val that lacks a class", both(many(*below("train")), many("val/cat/{}.png")),
        counts={"cat": (4, 4, 0), "dog": (4, 0, 0)},
    )  # fmt: skip
    yield Case(
        "a val with an empty class folder", both(many(*below("train"), "val/cat/{}.png"), files("val/dog/")),
        counts={"cat": (4, 4, 0), "dog": (4, 0, 0)},
    )  # fmt: skip
    yield Case(
        "a val with another class", many(*below("train"), "val/cow/{}.png"), problems=("'cow' is in val",)
    )
    yield Case(
        "a val with a misspelt class", many(*below("train"), "val/cats/{}.png"), problems=("is it 'cat'?",)
    )
    yield Case(
        "an empty class folder", both(many(*CLASSES), files("cow/")), problems=("cow holds no images",)
    )
    yield Case(
        "two empty class folders", both(many(*CLASSES), files("cow/", "hen/x.txt")),
        problems=("cow holds no images", "hen holds no images (1 .txt)"),
    )  # fmt: skip
    yield Case("an empty folder", files(), error="holds no images; it should be")
    yield Case("text files alone", files("a.txt", "b.txt"), error="(2 .txt)")
    yield Case("no such folder", files("pictures/a.png"), root="picture", error="did you mean")
    yield Case("val without train", many(*below("val")), error="has val but no train")
    yield Case("val and test without train", many(*below("val"), *below("test")), error="but no train")
    yield Case("two vals", many(*below("train"), *below("val"), *below("valid")), error="are both val")
    yield Case(
        "two vals, one of them empty", both(many(*below("train"), *below("val")), files("validation/")),
        counts=GIVEN, notes=("validation holds no images",),
    )  # fmt: skip
    yield Case(
        "classes that hold the splits", many("cat/train/{}.png", "cat/val/{}.png", "dog/train/{}.png", "dog/val/{}.png"),
        counts=GIVEN, split="given",
    )  # fmt: skip
    yield Case(
        "classes that hold train and test", many("cat/Train/{}.png", "cat/Test/{}.png", "dog/Train/{}.png"),
        counts={"cat": (3, 1, 4), "dog": (3, 1, 0)},
    )  # fmt: skip
    yield Case("contrast beside the splits", many(*below("train"), "contrast/anchor/{}.png"), counts=TWO)
    yield Case(
        "unlabelled images beside the splits", many(*below("train"), "unlabeled/{}.png"), counts=TWO,
        notes=("unlabeled is none of the splits: left out",),
    )  # fmt: skip
    yield Case(
        "Intel's layout", many(*below("seg_train/seg_train"), *below("seg_test/seg_test"), "seg_pred/seg_pred/{}.png"),
        counts=TESTED, notes=("seg_pred is none of the splits",),
    )  # fmt: skip
    yield Case(
        "an annotation folder beside", both(many(*below("train")), files("annotations/a.xml")), counts=TWO
    )
    yield Case(
        "a class name beside class folders",
        many(*CLASSES),
        options={"class_name": "cow"},
        error="does not apply",
    )
    yield Case(
        "HEIC photos beside others", both(many(*CLASSES), files("cat/a.cr2", "cat/b.cr2")), counts=TWO,
        notes=("left out 2 files", "camera raw files; save them as JPEG"),
    )  # fmt: skip
    yield Case("an archive in a folder", files("data.zip", "b.zip"), error="give the archive itself")
    yield Case("images without suffix", _without_suffix, counts=TWO)
    yield Case("suffixes in capitals", many("cat/{}.PNG", "dog/{}.JPG"), counts=TWO)


def _without_suffix(folder: Path) -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(2):
            (folder / name / f"{number}").write_bytes(image_bytes())
            (folder / name / f"{number}.jpg?width=640").write_bytes(image_bytes("jpg"))


def split_spellings() -> Iterator[Case]:
    for train, val in (
        ("Train", "Val"), ("TRAIN", "VALID"), ("training", "validation"), ("training_set", "validation_set"),
        ("train-set", "val-set"), ("Train Set", "Valid Set"), ("train_data", "dev_data"), ("trainset", "valset"),
        ("train2017", "val2017"), ("images_train", "images_val"), ("train_images", "dev"), ("pets_train", "pets_val"),
        ("birds-train", "birds-valid"), ("Training", "Evaluation"), ("my train", "my val"), ("train", "devset"),
    ):  # fmt: skip
        yield Case(f"splits {train} and {val}", many(*below(train), *below(val)), counts=GIVEN, split="given")
    for train, test in (
        ("training_set", "test_set"), ("train", "Testing"), ("TRAIN", "TEST"), ("train", "test1"),
        ("data_train", "data_test"), ("seg_train", "seg_test"), ("Training Data", "Test Data"), ("train", "holdout"),
    ):  # fmt: skip
        yield Case(f"splits {train} and {test}", many(*below(train), *below(test)), counts=TESTED)


def classes_called_like_splits() -> Iterator[Case]:
    def classes(*names: str) -> dict[str, tuple[int, int, int]]:
        return dict.fromkeys(names, (3, 1, 0))

    for found in (
        ("bus", "car", "train"), ("bus", "test"), ("car", "val"), ("bus", "car", "test", "train", "val"),
        ("bullet_train", "bus"), ("test_tube", "train_station"), ("Train", "bicycle"), ("bullet train", "steam train"),
        ("exam", "test"), ("dev", "prod"), ("valid", "wrong"),
    ):  # fmt: skip
        yield Case(
            f"classes {', '.join(found)}",
            many(*(f"{name}/{{}}.png" for name in found)),
            counts=classes(*found),
        )
    for found in (("bus", "car", "train"), ("bus", "test")):
        yield Case(
            f"classes {', '.join(found)} in train and val",
            many(*(f"{split}/{name}/{{}}.png" for split in ("train", "val") for name in found)),
            counts=dict.fromkeys(found, (4, 4, 0)),
        )
    yield Case(
        "classes with folders in them, one called train",
        many("bus/city/{}.png", "car/red/{}.png", "train/steam/{}.png"), counts=classes("bus", "car", "train"),
    )  # fmt: skip


def wrappers() -> Iterator[Case]:
    yield Case("a wrapper", many(*below("dataset")), counts=TWO, notes=("dataset is the only folder",))
    yield Case(
        "a wrapper around splits", many(*below("dataset/train"), *below("dataset/val")), counts=GIVEN,
        notes=("dataset is the only folder",),
    )  # fmt: skip
    yield Case("two wrappers", many(*below("archive/PetImages")), counts=TWO, notes=("archive/PetImages",))
    yield Case("three wrappers", many(*below("a/b/c")), counts=TWO, notes=("a/b/c",))
    yield Case(
        "a wrapper with a readme beside it",
        both(many(*below("pets")), files("README.md", "license.txt")),
        counts=TWO,
    )
    yield Case(
        "a wrapper beside macOS's litter",
        both(many(*below("pets")), files("__MACOSX/pets/cat/._0.png")),
        counts=TWO,
    )
    yield Case(
        "a wrapper beside folders without images", both(many(*below("images")), files("docs/a.md", "labels/a.xml")),
        counts=TWO,
    )  # fmt: skip
    yield Case(
        "wrappers within the splits", many(*below("train/train"), *below("val/val")), counts=GIVEN,
        notes=("train is the only folder in train",),
    )  # fmt: skip
    yield Case(
        "wrappers within Kaggle's splits", many(*below("training_set/training_set"), *below("test_set/test_set")),
        counts=TESTED,
    )  # fmt: skip
    yield Case("one class folder", many("goldfish/{}.png"), counts={"goldfish": (3, 1, 0)}, silent=True)
    yield Case("one class folder in a wrapper", many("data/goldfish/{}.png"), counts={"goldfish": (3, 1, 0)})
    yield Case("a folder called images", many("images/{}.png"), error="data.class_name=")
    yield Case(
        "a folder called images, its class given", many("images/{}.png"), options={"class_name": "cat"},
        counts={"cat": (3, 1, 0)}, notes=("images is the only folder",),
    )  # fmt: skip
    yield Case(
        "splits of one class folder", many("train/goldfish/{}.png", "val/goldfish/{}.png"),
        counts={"goldfish": (4, 4, 0)}, silent=True,
    )  # fmt: skip
    yield Case(
        "splits of one class folder with folders in it",
        many("train/goldfish/a/{}.png", "train/goldfish/b/{}.png", "val/goldfish/a/{}.png"),
        counts={"goldfish": (8, 4, 0)},
    )  # fmt: skip
    yield Case("ImageNet's wrappers", both(many(*below("ILSVRC/Data/CLS-LOC/train"), *below("ILSVRC/Data/CLS-LOC/val")),
               files("ILSVRC/Annotations/a.xml")), counts=GIVEN)  # fmt: skip


def litter() -> Iterator[Case]:
    for name in (
        "@eaDir", "#recycle", ".ipynb_checkpoints", "__MACOSX", "$RECYCLE.BIN", "System Volume Information",
        "lost+found", ".thumbnails", "@Recycle", ".Trash-1000", "#snapshot", ".@__thumb", "__pycache__", ".git",
    ):  # fmt: skip
        yield Case(
            f"{name} among the classes", both(many(*CLASSES), files(f"{name}/a.png")), counts=TWO, silent=True
        )
        yield Case(
            f"{name} in a class and a split", both(many(*below("train")), files(f"train/cat/{name}/a.png", f"{name}/b.png")),
            counts=TWO, silent=True,
        )  # fmt: skip
    yield Case(
        "files of file managers", both(many(*CLASSES), files("Thumbs.db", "cat/Thumbs.db", "cat/desktop.ini", "cat/._0.png",
                                                             ".DS_Store", "cat/.hidden.png")),
        counts=TWO, silent=True,
    )  # fmt: skip
    yield Case("our own empty outputs", both(many(*CLASSES), files("outputs/")), counts=TWO, silent=True)
    yield Case(
        "our own outputs", both(many(*CLASSES), files("outputs/folder/pocket/2026-01-01_10-00-00/preview.png")),
        counts=TWO, silent=True,
    )  # fmt: skip
    yield Case(
        "a run that has just begun", both(many(*CLASSES), files("outputs/folder/pocket/2026-01-01_10-00-00/")),
        counts=TWO, silent=True,
    )  # fmt: skip
    yield Case(
        "a run folder by another name", both(many(*CLASSES), files("run7/config.yaml", "run7/adapter/preview.png")),
        counts=TWO, silent=True,
    )  # fmt: skip
    yield Case(
        "a sweep", both(many(*CLASSES), files("multirun/2026-01-01/10-00-00/0/adapter/preview.png")), counts=TWO,
    )  # fmt: skip
    yield Case(
        "a class called outputs", many("outputs/{}.png", "inputs/{}.png"),
        counts={"inputs": (3, 1, 0), "outputs": (3, 1, 0)},
    )  # fmt: skip


def links() -> Iterator[Case]:
    yield Case("a link to itself", both(many(*CLASSES), link("cat/self", "self")), counts=TWO)
    yield Case(
        "a class folder that is a link to itself", both(many(*CLASSES), link("cow", "cow")), counts=TWO
    )
    yield Case(
        "two links in a circle", both(many(*CLASSES), link("cat/a", "b"), link("cat/b", "a")), counts=TWO
    )
    yield Case("a link to the folder above", both(many(*CLASSES), link("cat/up", "..")), counts=TWO)
    yield Case("a class that is a link", both(many("cat/{}.png", "elsewhere/dog/{}.png"), link("dog", "elsewhere/dog")),
               root=".", counts={"cat": (3, 1, 0), "dog": (3, 1, 0), "elsewhere": (3, 1, 0)})  # fmt: skip
    yield Case(
        "a root that is a link to itself", link("root", "root"), root="root", error="is a link to root"
    )
    yield Case("a root that is a broken link", link("root", "gone"), root="root", error="is a link to gone")
    yield Case("a root that is a link", both(many(*below("x")), link("root", "x")), root="root", counts=TWO)
    yield Case("a broken link without suffix", both(many(*CLASSES), link("cat/a", "gone")), counts=TWO)


def tables() -> Iterator[Case]:
    images = tuple(f"i/{name}.png" for name in "abcd")
    good = {"cat": (1, 1, 0), "dog": (1, 1, 0)}
    for header in (
        "path,label", "image,species", "filename,class", "file_name,category", "Image Path,Class Name", "img,breed",
        "filepath,labels", "image_id,diagnosis", "FILE,TARGET", "image-name,variety", "photo,name", "name,class",
        "foto,art", "id,breed",
    ):  # fmt: skip
        for separator, said in ((",", "commas"), (";", "semicolons"), ("\t", "tabs")):
            if separator != "," and header not in ("image,species", "foto,art"):
                continue
            rows = "".join(
                f"{name},{label}\n" for name, label in zip(images, ("cat", "cat", "dog", "dog"), strict=True)
            )
            text = f"{header}\n{rows}".replace(",", separator)
            yield Case(
                f"a table of {header} with {said}", table("t.csv", text, *images), root="t.csv", counts=good
            )
    body = "i/a.png,cat\ni/b.png,cat\ni/c.png,dog\ni/d.png,dog\n"
    for name, text in {
        "a BOM": b"\xef\xbb\xbfpath,label\n" + body.encode(),
        "UTF-16": ("path,label\n" + body).encode("utf-16"),
        "Windows line ends": ("path,label\n" + body).replace("\n", "\r\n").encode(),
        "old Mac line ends": ("path,label\n" + body).replace("\n", "\r").encode(),
        "quotes": ('"path","label"\n' + body).encode(),
        "spaces": ("path , label\n" + body.replace(",", " , ")).encode(),
        "an index column": b",path,label\n" + b"".join(b"%d,%s\n" % (i, row) for i, row in enumerate(body.encode().split())),
        "sep=": b"sep=,\npath,label\n" + body.encode(),
        "no header": body.encode(),
        "the label first": b"cat,i/a.png\ncat,i/b.png\ndog,i/c.png\ndog,i/d.png\n",
        "backslashes": ("path,label\n" + body).replace("/", "\\").encode(),
        "no suffixes": ("path,label\n" + body).replace(".png", "").encode(),
        "more columns": b"w,h,path,label,author\n" + b"".join(b"1,2,%s,x\n" % row for row in body.encode().split()),
        "repeated lines": ("path,label\n" + body + body).encode(),
    }.items():  # fmt: skip
        yield Case(f"a table with {name}", table("t.csv", text, *images), root="t.csv", counts=good)
    yield Case(
        "a table in Latin-1", table("t.csv", "path,label\ni/a.png,Kater\ni/b.png,Käfer\n".encode("latin-1"), *images),
        root="t.csv", counts={"Kater": (1, 0, 0), "Käfer": (1, 0, 0)}, notes=("read as Windows-1252",),
    )  # fmt: skip
    yield Case(
        "a split column", table("t.csv", "path,label,split\ni/a.png,cat,Train\ni/b.png,cat,validation\ni/c.png,cat,test\n", *images),
        root="t.csv", counts={"cat": (1, 1, 1)}, split="given",
    )  # fmt: skip
    yield Case(
        "an is_valid column", table("t.csv", "name,label,is_valid\ni/a.png,cat,False\ni/b.png,cat,True\n", *images),
        root="t.csv", counts={"cat": (1, 1, 0)}, split="given",
    )  # fmt: skip
    yield Case(
        "a column of folds", table("t.csv", "path,label,fold\n" + body.replace("\n", ",3\n"), *images), root="t.csv",
        counts=good, notes=("column fold has numbers",),
    )  # fmt: skip
    yield Case(
        "unknown columns", table("t.csv", "colour,shape,size\nred,round,3\n", *images), root="t.csv",
        error="no path column among colour, shape, size; call one of them path (understood are path,",
    )  # fmt: skip
    yield Case(
        "no label among several columns", table("t.csv", "path,colour,shape\ni/a.png,red,round\n", *images),
        root="t.csv", error="no label column among path, colour, shape; call one of them label (understood are label,",
    )  # fmt: skip
    yield Case(
        "names without folders", table("t.csv", "path,label\n" + body.replace("i/", ""), *images), root="t.csv",
        counts=good, notes=("4 files were found by their names",),
    )  # fmt: skip
    yield Case("missing files", table("t.csv", "path,label\nx.png,cat\ny.png,cat\n", *images), root="t.csv",
               error="files that do not exist")  # fmt: skip
    yield Case("two labels for one image", table("t.csv", "path,label\ni/a.png,cat\ni/a.png,dog\n", *images),
               root="t.csv", error="as 'cat', and 'dog' here")  # fmt: skip
    yield Case("an unknown split", table("t.csv", "path,label,split\ni/a.png,cat,somewhere\n", *images),
               root="t.csv", error="split is 'somewhere'")  # fmt: skip
    yield Case("an Excel file", table("t.xlsx", b"PK\x03\x04"), root="t.xlsx", error="save it as CSV")
    yield Case("a JSON file", table("t.json", "{}"), root="t.json", error="save it as CSV")
    yield Case("a table of nothing", table("t.csv", "\n\n"), root="t.csv", error="is empty")
    yield Case(
        "a broken quote", table("t.csv", 'path,label\n"i/a.png,cat\n', *images), root="t.csv", error="t.csv"
    )
    yield Case(
        "JSON lines", table("t.jsonl", "".join(json.dumps({"file_name": n, "label": "cat"}) + "\n" for n in images), *images),
        root="t.jsonl", counts={"cat": (3, 1, 0)},
    )  # fmt: skip
    yield Case("broken JSON lines", table("t.jsonl", "{nonsense\n"), root="t.jsonl", error="line 1: not JSON")
    metadata = "file_name,label\na.png,cat\nb.png,dog\n"
    yield Case(
        "Hugging Face's metadata.csv", table("metadata.csv", metadata, "a.png", "b.png"),
        counts={"cat": (1, 0, 0), "dog": (1, 0, 0)},
    )  # fmt: skip
    yield Case(
        "Hugging Face's metadata.csv in splits",
        both(table("train/metadata.csv", metadata, "train/a.png", "train/b.png"),
             table("validation/metadata.csv", metadata, "validation/a.png", "validation/b.png")),
        counts={"cat": (1, 1, 0), "dog": (1, 1, 0)}, split="given",
    )  # fmt: skip
    yield Case(
        "Hugging Face's metadata.jsonl",
        table("metadata.jsonl", '{"file_name": "train/a.png", "label": 3}\n{"file_name": "train/b.png", "label": 4}\n',
              "train/a.png", "train/b.png"),
        counts={"3": (1, 0, 0), "4": (1, 0, 0)},
    )  # fmt: skip
    yield Case(
        "Hugging Face's captions beside class folders",
        both(many(*CLASSES), table("metadata.csv", "file_name,text,width\ncat/0.png,a cat,3\n")), counts=TWO,
    )  # fmt: skip
    yield Case(
        "Hugging Face's captions alone", table("metadata.csv", "file_name,text,width\na.png,a cat,3\n", "a.png"),
        error="no column of labels",
    )  # fmt: skip
    classes = "filename, cat, dog\na.png, 1, 0\nb.png, 0, 1\n"
    yield Case(
        "Roboflow's tables",
        both(table("train/_classes.csv", classes, "train/a.png", "train/b.png"),
             table("valid/_classes.csv", classes, "valid/a.png", "valid/b.png"),
             table("test/_classes.csv", classes, "test/a.png", "test/b.png"), files("README.roboflow.txt")),
        counts={"cat": (1, 1, 1), "dog": (1, 1, 1)}, split="given",
    )  # fmt: skip
    yield Case(
        "Roboflow's table with two classes at once",
        table("train/_classes.csv", "filename, cat, dog\na.png, 1, 1\n", "train/a.png"), error="cat, dog at once",
    )  # fmt: skip
    yield Case(
        "Roboflow's table with an image of nothing",
        table("train/_classes.csv", classes + "c.png, 0, 0\n", "train/a.png", "train/b.png", "train/c.png"),
        counts={"cat": (1, 0, 0), "dog": (1, 0, 0)}, notes=("1 lines name an image and no class",),
    )  # fmt: skip
    yield Case(
        "Roboflow's class folders",
        both(many(*below("train"), *below("valid")), files("README.dataset.txt")),
        counts=GIVEN,
    )
    yield Case(
        "a table beside loose images", table("labels.csv", "path,label\na.png,cat\n", "a.png"),
        error="labels.csv, if that lists their labels",
    )  # fmt: skip


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
    for one, other in (("Cat", "cat"), ("gold fish", "gold_fish"), ("gold-fish", "Gold Fish"), ("caf\u00e9", "cafe\u0301"),
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


if __name__ == "__main__":
    for place, case in enumerate(cases()):
        folder = Path(sys.argv[1]) / f"{place:03}"
        folder.mkdir(parents=True)
        case.make(folder)
        print(f"{place:03} {case.name!r} data.root={case.root}")
