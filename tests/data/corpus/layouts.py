# ruff: noqa: E501 - a case a line reads better
"""Layouts of folders and what lies in them besides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    GIVEN,
    TESTED,
    TWO,
    Case,
    below,
    both,
    files,
    image_bytes,
    link,
    many,
)


def layouts() -> Iterator[Case]:
    yield Case("class folders", many(*CLASSES), counts=TWO, split="made", silent=True)
    yield Case(
        "train and val", many(*below("train"), *below("val")), counts=GIVEN, split="given", silent=True
    )
    yield Case(
        "train and test", many(*below("train"), *below("test")), counts=TESTED, split="made", silent=True
    )
    yield Case(
        "COCO's splits beside their annotations",
        both(many("train2017/{}.png", "val2017/{}.png"), files("annotations/instances_train2017.json")),
        error="looks like boxes for object detection",
    )
    for names in (("train.txt", "test.txt"), ("training_list.csv",), ("valid.json", "README.txt")):
        yield Case(
            f"images and {' and '.join(names)}", both(many(*(f"images/{one}" for one in CLASSES)), files(*names)),
            counts=TWO, notes=(f"{names[0]}",),
        )  # fmt: skip
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
    yield Case("images beside class folders", both(many(*CLASSES), many("{}.png")), error="0.png lies beside")
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
        notes=("unlabeled is not one of the splits: left out",),
    )  # fmt: skip
    yield Case(
        "Intel's layout", many(*below("seg_train/seg_train"), *below("seg_test/seg_test"), "seg_pred/seg_pred/{}.png"),
        counts=TESTED, notes=("seg_pred is not one of the splits",),
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
    yield Case("images without suffix", _without_suffix, counts=TWO)
    yield Case("suffixes in capitals", many("cat/{}.PNG", "dog/{}.JPG"), counts=TWO)


def _without_suffix(folder: Path) -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(2):
            (folder / name / f"{number}").write_bytes(image_bytes())
            (folder / name / f"{number + 2}.jpg?width=640").write_bytes(image_bytes("jpg"))


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
        "a run by another name that has just begun", both(many(*CLASSES), files("run7/config.yaml", "run7/run.json")),
        counts=TWO, silent=True,
    )  # fmt: skip
    yield Case(
        "a sweep", both(many(*CLASSES), files("multirun/2026-01-01/10-00-00/0/adapter/preview.png")), counts=TWO,
    )  # fmt: skip
    yield Case(
        "a class called outputs", many("outputs/{}.png", "plugs/{}.png"),
        counts={"outputs": (3, 1, 0), "plugs": (3, 1, 0)},
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
