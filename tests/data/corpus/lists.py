# ruff: noqa: E501 - a case a line reads better
"""Lists of paths whose folders are the classes, and tables of which a few files are gone."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import GIVEN, HALF, ONE, TWO, Case, both, called, many

CLASSES = {"apple_pie": ONE, "waffles": ONE}
FOOD = many("images/apple_pie/{}.jpg", "images/waffles/{}.jpg", count=5)
EACH = [f"{folder}/{number}" for folder in CLASSES for number in range(4)]
"""Four of the five images of each class, without their suffix, as Food-101 lists them."""


def text(name: str, *lines: str) -> Case:
    """A list of images of Food-101."""
    return Case(f"a list of paths: {name}", both(FOOD, called("".join(f"{line}\n" for line in lines).encode(), "meta/train.txt")), root="meta/train.txt", counts=CLASSES, notes=("no labels: the folders of the files are taken for the classes (apple_pie, waffles)",))  # fmt: skip


def lists_of_paths() -> Iterator[Case]:
    yield text("without suffixes", *EACH)
    yield text("with suffixes", *(f"{path}.jpg" for path in EACH))
    yield text("from the folder above", *(f"images/{path}.jpg" for path in EACH))
    yield text("of another computer", *(f"/data/food-101/images/{path}.jpg" for path in EACH))
    yield text("of Windows", *(f"D:\\food\\{path}.jpg".replace("/", "\\") for path in EACH))
    yield text("numbered as CUB's", *(f"{number} {path}.jpg" for number, path in enumerate(EACH, 1)))
    yield text("with a name above", "path", *(f"{path}.jpg" for path in EACH))
    names = {name: [path for path in EACH if path.startswith(name)] for name in CLASSES}
    yield Case("Food-101's train.json", both(FOOD, called(json.dumps(names).encode(), "meta/train.json")), root="meta/train.json", counts=CLASSES)  # fmt: skip
    yield Case("a list of paths in one folder", both(FOOD, called(b"images/waffles/0.jpg\nimages/waffles/1.jpg\n", "t.txt")), root="t.txt", error="lists paths and no labels")  # fmt: skip
    yield Case("a list of paths in as many folders", both(FOOD, called(b"images/waffles/0.jpg\nimages/apple_pie/1.jpg\n", "t.txt")), root="t.txt", error="lists paths and no labels")  # fmt: skip
    yield Case("a list of paths, its class given", both(FOOD, called("\n".join(EACH).encode(), "t.txt")), root="t.txt", options={"class_name": "food"}, counts={"food": (6, 2, 0)})  # fmt: skip
    yield Case("a list of paths beside class folders", both(many("cat/{}.png", "dog/{}.png"), called(b"cat/0.png\ncat/1.png\ndog/0.png\n", "train.txt")), counts={"cat": (1, 1, 0), "dog": (1, 0, 0)}, notes=("the split is that of train.txt", "5 images are not in train.txt: left out"))  # fmt: skip


def gone() -> Iterator[Case]:
    """Of these the images that are not there are unreadable ones, as others are."""
    rows = "".join(f"i/{name}{number}.png,{name}\n" for name in ("cat", "dog") for number in range(10))
    images = many("i/cat{}.png", "i/dog{}.png", count=10)
    for name, more in (
        ("one of 21", "i/cat10.png,cat\n"),
        ("two of 22", "i/cat10.png,cat\ni/dog10.png,dog\n"),
        ("one of 21, of another computer", "/home/x/cat10.png,cat\n"),
    ):
        yield Case(f"files that are gone: {name}", both(images, called(f"path,label\n{rows}{more}".encode(), "t.csv")), root="t.csv", notes=("that t.csv lists do",))  # fmt: skip
    yield Case("files that are gone: others are elsewhere", both(images, called(f"path,label\n{rows.replace('i/', '')}cat10.png,cat\n".encode(), "t.csv")), root="t.csv", notes=("1 file that t.csv lists does not exist", "20 files were found by name in"))  # fmt: skip
    yield Case("files that are gone: too many", both(images, called(f"path,label\n{rows}i/cat10.png,cat\ni/dog10.png,dog\ni/dog11.png,dog\n".encode(), "t.csv")), root="t.csv", error="i/cat10.png and 2 more")  # fmt: skip
    yield Case("files that are gone: one of two", both(many("i/cat{}.png", count=1), called(b"path,label\ni/cat0.png,cat\ni/dog0.png,dog\n", "t.csv")), root="t.csv", error="lists files that do not exist")  # fmt: skip


def numbers_and_splits() -> Iterator[Case]:
    """Classes that are numbers, and lists of splits beside class folders."""
    numbers = many("train/0/{}.png", "train/1/{}.png", "val/0/{}.png", "val/1/{}.png")
    for name, content in (
        ("data.yaml", "nc: 2\nnames: ['cat', 'dog']\n"),
        ("data.yaml of lines", "names:\n- cat\n- dog\n"),
        ("dataset.yml of numbers", "names:\n  0: cat\n  1: dog\n"),
        ("classes.txt", "cat\ndog\n"),
    ):
        file, _, _ = name.partition(" ")
        yield Case(f"numbers in splits beside {name}", both(numbers, called(content.encode(), file)), counts=GIVEN, notes=(f"class names are those of {file}: 0 is cat, 1 is dog",))  # fmt: skip
    for one, other in (("class_0", "class_1"), ("c0", "c1"), ("Class 1", "Class 2"), ("label0", "label1")):
        yield Case(f"{one} and {other} beside classes.txt", both(many(f"{one}/{{}}.png", f"{other}/{{}}.png"), called(b"cat\ndog\n", "classes.txt")), counts=TWO, notes=(f"class names are those of classes.txt: {one} is cat",))  # fmt: skip
    yield Case("c0 and c1 alone", many("c0/{}.png", "c1/{}.png"), counts={"c0": ONE, "c1": ONE}, silent=True)
    yield Case("numbers of a table that is read", both(many("train/{}.tif"), called(b"id,label\n0,0\n1,1\n2,0\n3,1\n", "train_labels.csv")), counts={"0": HALF, "1": HALF})  # fmt: skip
    yield Case("numbers of lists of images", both(many("cat/{}.png", "dog/{}.png"), called(b"cat/0.png 0\ncat/1.png 0\ndog/0.png 1\n", "train.txt"), called(b"cat/2.png 0\ndog/2.png 1\n", "a_test.txt")), counts={"cat": (1, 1, 0), "dog": (1, 0, 0)}, notes=("the split is that of train.txt", "a_test.txt lists labels and is not read"))  # fmt: skip
    yield Case("GTSRB as torchvision leaves it", many("GTSRB/Training/00000/{}.png", "GTSRB/Training/00001/{}.png", "GTSRB/Final_Test/Images/{}.png"), counts={"00000": ONE, "00001": ONE}, notes=("Final_Test holds images without labels",))  # fmt: skip
    yield Case("iNaturalist's train_mini", many("train_mini/cat/{}.png", "train_mini/dog/{}.png", "val/cat/{}.png", "val/dog/{}.png"), counts=GIVEN)  # fmt: skip
    yield Case("train and train_mini", many("train_mini/cat/{}.png", "train/cat/{}.png"), error="are both train; merge them, or keep one")  # fmt: skip


def more_hints() -> Iterator[Case]:
    """What is no class, no table and no list."""
    pets = many("cat/{}.png", "dog/{}.png")
    for name in ("masks", "Segmentations", "annotations", "ground_truth"):
        yield Case(f"{name} of images in class folders", both(pets, many(f"{name}/{{}}.png")), notes=(f"{name} is taken for a class; take it out of the folder if it is not one",))  # fmt: skip
    yield Case("classes mask and label", many("mask/{}.png", "label/{}.png"), counts={"label": ONE, "mask": ONE}, silent=True)  # fmt: skip
    for name, header in (("mnist_train.csv", "label,1x1,1x2"), ("sign_mnist_train.csv", "label,pixel1,pixel2"), ("fer2013.csv", '"emotion","pixels","Usage"')):  # fmt: skip
        content = called(f"{header}\n5,0,0\n".encode(), name)
        yield Case(f"{name} in a folder", content, error=f"{name} holds the pixels themselves: save each row as PNG")  # fmt: skip
        yield Case(f"{name} itself", content, root=name, error="holds the pixels themselves, which are not read")  # fmt: skip
    yield Case("a YAML of paths", both(many("train/cat/{}.png", "train/dog/{}.png"), called(b"path: /x\ntrain: train\nval: val\n", "data.yaml")), root="data.yaml", error="describes a data set; give its folder")  # fmt: skip
    table = called(b"filename,label\nimages/cat/0.png,a\nimages/dog/0.png,b\n", "labels.csv")
    yield Case("a table beside a folder of class folders", both(many("images/cat/{}.png", "images/dog/{}.png"), table), counts=TWO, notes=("labels.csv lists labels and is not read; data.root=",))  # fmt: skip
