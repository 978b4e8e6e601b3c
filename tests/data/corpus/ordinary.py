# ruff: noqa: E501 - a case a line reads better
"""Folders that look like class folders and are something else, or the other way round."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    TWO,
    Case,
    both,
    files,
    image_bytes,
    link,
    many,
    table,
    tarred,
    zipped,
)

COUNT = (3, 1, 0)


def bins() -> Iterator[Case]:
    """Where deleted files are, and classes of that name."""
    for name in ("trash", "Trash", "recycled", "Recycle Bin", "waste"):
        yield Case(
            f"a class called {name}",
            many("glass/{}.png", f"{name}/{{}}.png"),
            counts={"glass": COUNT, name: COUNT},
            silent=True,
        )
    for name in (
        ".Trash-1000/files",
        ".Trash/0/files",
        ".Trashes/501",
        "$RECYCLE.BIN/S-1-5-21",
        "#recycle",
        "@Recycle",
        "@Recently-Snapshot",
        "lost+found",
    ):
        yield Case(
            f"deleted files in {name}", both(many(*CLASSES), files(f"{name}/a.png")), counts=TWO, silent=True
        )
    for name, inside in (("RECYCLER", "S-1-5-21/a.png"), ("Recycled", "INFO2")):
        yield Case(
            f"Windows' {name} with {inside}",
            both(many(*CLASSES), files(f"{name}/a.png", f"{name}/{inside}")),
            counts=TWO,
            silent=True,
        )


def masks() -> Iterator[Case]:
    """Masks that belong to images."""
    for images, other in (
        ("images", "masks"),
        ("image", "mask"),
        ("imgs", "ground_truth"),
        ("JPEGImages", "SegmentationClass"),
    ):
        yield Case(
            f"{images} and {other}",
            many(f"{images}/{{}}.jpg", f"{other}/{{}}.png"),
            problems=("looks like masks of the images in",),
        )
    yield Case(
        "images and masks in splits",
        many("train/images/{}.jpg", "train/masks/{}.png", "val/images/{}.jpg", "val/masks/{}.png"),
        problems=("data.root=",),
    )
    yield Case("Pascal VOC in its wrappers", both(many("VOCdevkit/VOC2012/JPEGImages/{}.jpg", "VOCdevkit/VOC2012/SegmentationObject/{}.png"), files("VOCdevkit/VOC2012/Annotations/0.xml")),
               problems=("SegmentationObject looks like masks", "Annotations holds no images"))  # fmt: skip
    for names in (
        ("{}.png", "{}_mask.png"),
        ("a ({}).png", "a ({})_mask.png"),
        ("{}.jpg", "{}_seg.png"),
        ("{}.png", "{}_mask_1.png"),
    ):
        yield Case(f"masks beside their images: {names[1]}", many(*(f"{kind}/{name}" for kind in ("cat", "dog") for name in names)),
                   counts={"cat": (6, 2, 0), "dog": (6, 2, 0)}, notes=("8 images look like the mask or thumbnail of another image",))  # fmt: skip
    yield Case(
        "face masks",
        many("mask/{}.png", "no mask/{}.png", "mask/with_mask_{}.png"),
        counts={"mask": (6, 2, 0), "no mask": COUNT},
        silent=True,
    )


def below_classes() -> Iterator[Case]:
    """Folders in class folders."""
    yield Case(
        "a class in another",
        many("dog/{}.png", "dog/puppy/{}.png", "cat/{}.png"),
        counts={"cat": COUNT, "dog": (6, 2, 0)},
        notes=("dog (puppy)",),
    )
    yield Case("groups of classes", many("animals/cat/{}.png", "animals/dog/{}.png", "vehicles/bus/{}.png", "vehicles/car/{}.png"),
               counts={"animals": (6, 2, 0), "vehicles": (6, 2, 0)}, notes=("animals (cat, dog), vehicles (bus, car)",))  # fmt: skip
    yield Case(
        "a data set beside its figures",
        many("dataset/cat/{}.png", "dataset/dog/{}.png", "figures/{}.png"),
        notes=("dataset (cat, dog)",),
    )
    yield Case("thumbnails in class folders", many(*CLASSES, "cat/thumbs/{}.png"), notes=("cat (thumbs)",))
    yield Case("many folders in many classes", many(*(f"{name}/{inner}/{name}{{}}.png" for name in "abcde" for inner in f"{name}1 {name}2 {name}3 {name}4".split())),
               notes=("a (a1, a2, a3 and 1 more)", "and 2 more"))  # fmt: skip
    yield Case(
        "an empty class", both(many(*CLASSES), files("cow/")), problems=("cow holds no images; put some in",)
    )
    yield Case(
        "a class of text",
        both(many(*CLASSES), files("cow/a.txt")),
        problems=("cow holds no images (1 .txt)",),
    )
    yield Case(
        "a loop of links in a class",
        both(many(*CLASSES), link("cat/loop", "../cat")),
        counts=TWO,
        silent=True,
    )


def names_of_folders() -> Iterator[Case]:
    """Names that are no classes, or look like something else."""
    for train, test, kind in (
        ("train_cat", "test_cat", "problems"),
        ("cat_train", "cat_val", "problems"),
        ("trainA", "testA", "problems"),
        ("bounding_box_train", "query_test", "notes"),
    ):
        yield Case(
            f"classes {train} and {test}",
            many(f"{train}/{{}}.png", f"{test}/{{}}.png", "x_y/{}.png"),
            **{kind: (f"{train} and {test} are taken for classes; if they are splits",)},
        )
    for name in (
        "New folder",
        "New folder (2)",
        "untitled folder",
        "Neuer Ordner",
        "新建文件夹",
        "unlabeled",
        "unsorted",
    ):
        yield Case(
            f"a class called {name}",
            many(*CLASSES, f"{name}/{{}}.png"),
            counts={**TWO, name: COUNT},
            notes=(f"{name} is taken for a class",),
        )
    for name in ("cat.", "cat ", "cat.png", "cat.zip", "cat.csv"):
        yield Case(
            f"a class called {name!r} beside dog",
            many(f"{name}/{{}}.png", "dog/{}.png"),
            counts={name: COUNT, "dog": COUNT},
            silent=True,
        )


def names_of_files() -> Iterator[Case]:
    """Classes in the names of files."""
    for names in (
        ("cat.{}.jpg", "dog.{}.jpg"),
        ("cat_{}.jpg", "dog_{}.jpg"),
        ("cat ({}).jpg", "dog ({}).jpg"),
        ("cat{}.jpg", "dog{}.jpg"),
        ("great dane-{}.jpg", "pug-{}.jpg"),
    ):
        yield Case(
            f"names like {names[0]}", many(*names), error=f"{names[0].partition('{')[0].rstrip('.-_ (')} and "
        )
        yield Case(
            f"names like {names[0]} in train",
            many(*(f"train/{name}" for name in names)),
            error="data.class_from=names makes these the classes",
        )
    for names in (("IMG_{}.jpg", "DSC_{}.jpg"), ("a{}.jpg", "{}.jpg"), ("photo {}.jpg",)):
        yield Case(
            f"names that say nothing: {' '.join(names)}",
            many(*names),
            error="or move them into a folder of that name",
        )
    yield Case(
        "Roboflow's boxes",
        both(many("train/{}.jpg", "valid/{}.jpg"), files("train/_annotations.coco.json")),
        error="_annotations.coco.json line 1: not JSON",
    )
    yield Case(
        "YOLO's images with splits below",
        both(
            many("images/train/{}.jpg", "images/val/{}.jpg"), files("labels/train/0.txt", "labels/val/0.txt")
        ),
        error="looks like boxes",
    )
    yield Case(
        "COCO's splits and annotations",
        both(many("train2017/{}.jpg", "val2017/{}.jpg"), files("annotations/instances_train2017.json")),
        error="looks like boxes",
    )
    yield Case(
        "a table beside class folders",
        both(many(*CLASSES), table("labels.csv", "path,label\n")),
        counts=TWO,
        notes=("left out 1 file that is not an image (1 .csv)",),
    )


def ordinary_archives() -> Iterator[Case]:
    """Archives that are not what they seem."""
    yield Case(
        "an archive beside its content",
        both(many(*CLASSES), zipped("pets.zip", "0.png")),
        counts=TWO,
        notes=("1 .zip file is one of archives",),
    )
    for name in ("x.zip.001", "x.z01", "x.r00"):
        yield Case(f"a part of an archive: {name}", files(name), error=f"{name} is a part of an archive")
    yield Case("one image in a gzip file", _gzipped, root="x.png.gz", error="archives; unpack them")
    yield Case(
        "a zip file with a password", _encrypted, root="x.zip", error="is encrypted; unpack it yourself"
    )
    yield Case(
        "a zip file with two files of one name",
        _twice,
        root="x.zip",
        error="holds 'cat/0.png', which is there already",
    )
    yield Case(
        "a tar file that was added to",
        tarred("x.tar", "cat/0.png", "cat/1.png", "cat/0.png"),
        root="x.tar",
        counts={"cat": (1, 1, 0)},
    )
    yield Case(
        "a zip file with names in two cases",
        zipped("x.zip", "cat/A.png", "cat/a.png", "cat/b.png"),
        root="x.zip",
        counts={"cat": (2, 1, 0)},
    )
    yield Case(
        "a zip file with a class in two cases",
        zipped("x.zip", "cat/A.png", "Cat/b.png"),
        root="x.zip",
        problems=("are one class in two spellings",),
    )
    yield Case(
        "a zip file with a file and a folder of one name",
        zipped("x.zip", "cat/0.png", "dog", "dog/0.png"),
        root="x.zip",
        error="cannot unpack",
    )
    yield Case(
        "a tar file of absolute paths",
        tarred("x.tar", "/cat/0.png"),
        root="x.tar",
        error="leads outside of it",
    )
    yield Case("a tar file with links and devices", _linked, root="x.tar", notes=("2 images are copies",))


def _nested(folder: Path) -> None:
    inner = {}
    for name in ("cat", "dog"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("0.png", image_bytes())
        inner[f"{name}.zip"] = buffer.getvalue()
    zipped("x.zip", **inner)(folder)


def _gzipped(folder: Path) -> None:
    (folder / "x.png.gz").write_bytes(gzip.compress(image_bytes()))


def _encrypted(folder: Path) -> None:
    """A zip file that says so of its one member; zipfile cannot write one."""
    zipped("x.zip", "cat/0.png")(folder)
    content = bytearray((folder / "x.zip").read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    (folder / "x.zip").write_bytes(content)


def _twice(folder: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "x.zip", "w") as archive:
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("cat/0.png", image_bytes())


def _linked(folder: Path) -> None:
    with tarfile.open(folder / "x.tar", "w") as archive:
        for number in range(3):
            content = image_bytes()
            info = tarfile.TarInfo(f"cat/{number}.png")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind in (("cat/9.png", tarfile.LNKTYPE), ("cat/dev.png", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "cat/0.png"
            archive.addfile(info)


def ordinary() -> Iterator[Case]:
    """All of them."""
    for kind in (bins, masks, below_classes, names_of_folders, names_of_files, ordinary_archives):
        yield from kind()
