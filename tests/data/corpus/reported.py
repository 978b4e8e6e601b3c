# ruff: noqa: E501 - a case a line reads better
"""Folders as they come out of trainers for generated images, and class names that systems hide."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import CLASSES, ONE, PAIRS, TWO, Case, both, files, many, table, tables

KEEP = ("look like folders of Kohya",)
HIDDEN = ("as hidden folders are",)
META = {f"/content/train/{place}": {"caption": "a cat", "train_resolution": [64, 64]} for place in range(4)}


def reported() -> Iterator[Case]:
    """Every case."""
    yield Case("Kohya's repeats of one class in two folders", both(many("img/10_cat/{}.png", "img/2_cat/a{}.png", "img/10_dog/{}.png"), files("img/10_cat/0.txt", "img/2_cat/a0.txt", "img/10_dog/0.txt")), counts={"10_cat": ONE, "2_cat": ONE, "10_dog": ONE}, notes=("10_cat, 10_dog, 2_cat look like", *KEEP))  # fmt: skip
    yield Case("Kohya's folders with captions", both(many("10_cat/{}.png", "10_dog/{}.png"), files("10_cat/0.txt", "10_dog/0.caption")), counts={"10_cat": ONE, "10_dog": ONE}, notes=KEEP)  # fmt: skip
    yield Case("Kohya's folders with latents", both(many("img/100_a man/{}.png", "img/1_a dog/{}.png"), files("img/100_a man/3.npz")), counts={"100_a man": ONE, "1_a dog": ONE}, notes=("100_a man look like",))  # fmt: skip
    yield Case("Kohya's meta_lat.json beside class folders", both(many(*CLASSES), table("meta_lat.json", json.dumps(META))), counts=TWO, notes=("(1 .json)",))  # fmt: skip
    yield Case("Kohya's meta_lat.json beside captioned images", both(many("{}.png"), files("0.caption", "0.npz"), table("meta_lat.json", json.dumps(META))), error="holds images but no class folders")  # fmt: skip
    yield Case("numbers before names", many("0_cat/{}.png", "1_dog/{}.png"), counts={"0_cat": ONE, "1_dog": ONE}, silent=True)  # fmt: skip
    yield Case("a class called .NET", many(*CLASSES, ".NET/{}.png"), counts=TWO, notes=(".NET begins with a dot", *HIDDEN))  # fmt: skip
    yield Case("classes called .45 ACP and ...And Justice", many(*CLASSES, ".45 ACP/{}.png", "...And Justice/{}.png"), counts=TWO, notes=("...And Justice, .45 ACP begin", *HIDDEN))  # fmt: skip
    yield Case("a class called .env files in train", many("train/cat/{}.png", "train/dog/{}.png", "train/.env files/{}.png"), counts=TWO, notes=HIDDEN)  # fmt: skip
    for name in (".cache", ".thumbnails", "._cat", ".Trash-1000", ".pytest_cache", ".stfolder"):
        yield Case(f"{name} with images", many(*CLASSES, f"{name}/{{}}.png"), counts=TWO, silent=True)
    yield Case(
        "a hidden folder of text", both(many(*CLASSES), files(".notes/a.txt")), counts=TWO, silent=True
    )
    case = tables("reported")
    four = ("i/a.png", "i/b.png", "i/c.png", "i/d.png")
    for column in ("patient_id", "lesionId", "Slide"):
        groups = f"image,label,{column}\ni/a.png,cat,7\ni/b.png,dog,8\ni/c.png,cat,7\ni/d.png,dog,7\n"
        yield case(f"images of one {column}", groups, *four, counts=PAIRS, notes=(f"column {column} has 2 values for 4 images",))  # fmt: skip
        yield case(f"a {column} of each image", groups.replace(",7\n", ",{}\n").format(1, 2, 3), *four, counts=PAIRS, silent=True)  # fmt: skip
    split = "image,label,patient,split\ni/a.png,cat,7,train\ni/b.png,dog,8,train\ni/c.png,cat,9,val\ni/d.png,dog,9,val\n"
    yield case("patients and a split", split, *four, counts=PAIRS, silent=True)
    for sign in ("/", "%5C", "%2F"):
        rows = "".join(
            f"/data/local-files/?d=x{sign}{name.replace('/', sign)},{label}\n"
            for name, label in zip(four, ("cat", "dog") * 2, strict=True)
        )
        yield case(f"Label Studio's files with {sign}", f"image,choice\n{rows}", *(f"x/{name}" for name in four), counts=PAIRS)  # fmt: skip
    yield from _tables_of_splits()


def _tables_of_splits() -> Iterator[Case]:
    """Tables of splits that share the images of one folder."""
    labels = ("cat", "dog") * 6
    rows = [f"{number}.png,{label}\n" for number, label in enumerate(labels)]
    train, val, test = ("file,label\n" + "".join(some) for some in (rows[:8], rows[8:10], rows[10:]))
    images, inside = many("images/{}.png", count=12), many("{}.png", count=12)
    three = {"cat": (4, 1, 1), "dog": (4, 1, 1)}
    said = ("labels and splits are those of",)
    yield Case("tables of splits beside a folder of images", both(images, table("train.csv", train), table("val.csv", val), table("test.csv", test)), counts=three, split="given", notes=said)  # fmt: skip
    yield Case("tables of splits among the images", both(inside, table("train.csv", train), table("validation.csv", val), table("test.csv", test)), counts=three, split="given", notes=said)  # fmt: skip
    tabs = [text.replace(",", "\t") for text in (train, val + test[11:])]
    yield Case("tables of splits called train_labels and val_labels", both(images, table("train_labels.tsv", tabs[0]), table("val_labels.tsv", tabs[1])), counts={"cat": (4, 2, 0), "dog": (4, 2, 0)}, split="given", notes=said)  # fmt: skip
    unlisted = both(images, many("images/x{}.png", count=1), table("train.csv", train), table("val.csv", val + test[11:]))  # fmt: skip
    yield Case("tables of splits that leave an image out", unlisted, counts={"cat": (4, 2, 0), "dog": (4, 2, 0)}, notes=("1 image is not in train.csv and val.csv: left out",))  # fmt: skip
    twice = both(images, table("train.csv", train + val[11:]), table("val.csv", val + test[11:]))
    yield Case("tables of splits that name an image twice", twice, error="or data.root=")
    yield Case("tables of splits that leave out a third", both(images, table("train.csv", train), table("test.csv", "file\n8.png\n")), counts={"cat": (3, 1, 0), "dog": (3, 1, 0)}, notes=("4 images are not in train.csv: left out", "test.csv is not read"))  # fmt: skip
