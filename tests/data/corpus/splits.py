# ruff: noqa: E501 - a case a line reads better
"""Lists of splits beside class folders, and files with the names of classes that are numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import ONE, TWO, Case, Make, both, called, files, many

FOLDERS = many("images/cat/{}.png", "images/dog/{}.png")
TRAIN = ["cat/0", "cat/1", "dog/0", "dog/1"]
VAL = ["cat/2", "dog/2"]
TEST = ["cat/3", "dog/3"]
ALL = {"cat": (2, 1, 1), "dog": (2, 1, 1)}


def lines(name: str, paths: list[str], form: str = "{}.png") -> Make:
    return called("".join(f"{form.format(path)}\n" for path in paths).encode(), name)


def lists(where: str, form: str, suffix: str = ".txt") -> Make:
    return both(*(lines(f"{where}{split}{suffix}", paths, form) for split, paths in (("train", TRAIN), ("val", VAL), ("test", TEST))))  # fmt: skip


def split_lists() -> Iterator[Case]:
    """That are used."""
    used = "the split is that of"
    for name, where, form, suffix in (
        ("paths below the class folders", "", "{}.png", ".txt"),
        ("Food-101's, without suffixes", "meta/", "{}", ".txt"),
        ("paths from the folder above", "", "images/{}.png", ".txt"),
        ("paths with a dot", "", "./images/{}.png", ".lst"),
        ("paths of another computer", "splits/", "/home/x/data/images/{}.png", ".txt"),
        ("paths of Windows", "", "D:\\data\\images\\{}.png", ".txt"),
        ("paths and numbers of classes", "", "{}.png 0", ".txt"),
        ("paths and numbers with a tab", "", "{}.png\t0", ".txt"),
        ("a CSV of paths", "", "{}.png", ".csv"),
        ("a CSV of numbers, paths and labels", "", "7,{}.png,pet", ".csv"),
        ("capitals", "", "Images/{}.PNG", ".txt"),
        ("called Train_list", "Annotations/", "{}.png", "_list.txt"),
    ):
        yield Case(f"split lists: {name}", both(FOLDERS, lists(where, form, suffix)), counts=ALL, split="given", notes=(used,))  # fmt: skip
    yield Case("split lists: below names of columns", both(FOLDERS, *(called(f"file,label\n{chr(10).join(f'{path}.png,x' for path in paths)}\n".encode(), f"{split}.csv") for split, paths in (("train", TRAIN), ("val", VAL), ("test", TEST)))), counts=ALL, split="given")  # fmt: skip
    by_class = {split: json.dumps({name: [path for path in paths if path.startswith(name)] for name in ("cat", "dog")}).encode() for split, paths in (("train", TRAIN), ("test", [*VAL, *TEST]))}  # fmt: skip
    yield Case("split lists: Food-101's JSON", both(FOLDERS, *(called(text, f"meta/{split}.json") for split, text in by_class.items())), counts={"cat": (1, 1, 2), "dog": (1, 1, 2)}, notes=(f"{used} test.json, train.json",))  # fmt: skip
    yield Case("split lists: the same as text and JSON", both(FOLDERS, *(called(text, f"meta/{split}.json") for split, text in by_class.items()), lines("meta/train.txt", TRAIN, "{}"), lines("meta/test.txt", [*VAL, *TEST], "{}")), counts={"cat": (1, 1, 2), "dog": (1, 1, 2)})  # fmt: skip
    yield Case("split lists: test and validation alone, as of speech commands", both(FOLDERS, lines("validation_list.txt", VAL), lines("testing_list.txt", TEST)), counts=ALL, split="given")  # fmt: skip
    yield Case("split lists: test alone", both(FOLDERS, lines("test.txt", TEST)), counts={"cat": (2, 1, 1), "dog": (2, 1, 1)}, split="made")  # fmt: skip
    yield Case("split lists: MIT's indoor scenes", both(FOLDERS, lines("TrainImages.txt", [*TRAIN, *VAL]), lines("TestImages.txt", TEST)), counts={"cat": (2, 1, 1), "dog": (2, 1, 1)}, split="made")  # fmt: skip
    yield Case("split lists: trainval, too", both(FOLDERS, lists("", "{}.png"), lines("trainval.txt", [*TRAIN, *VAL])), counts=ALL, split="given")  # fmt: skip
    yield Case("split lists: names that are there once", both(files("cat/a.png", "cat/b.png", "cat/c.png", "dog/d.png", "dog/e.png"), lines("train.txt", ["a", "b", "d"]), lines("val.txt", ["c", "e"])), counts={"cat": (2, 1, 0), "dog": (1, 1, 0)}, split="given")  # fmt: skip
    yield Case("split lists: blank lines and a mark of bytes", both(FOLDERS, called("\ufeff".encode() + "\r\n\r\n".join(f"{path}.png" for path in TRAIN).encode(), "train.txt"), lines("val.txt", VAL)), counts={"cat": (2, 1, 0), "dog": (2, 1, 0)}, notes=("2 images are not in train.txt, val.txt: left out",))  # fmt: skip
    yield Case("split lists: images of one class", both(many("{}.png"), lines("train.txt", ["0", "1"]), lines("val.txt", ["2", "3"])), options={"class_name": "cat"}, counts={"cat": (2, 2, 0)}, split="given")  # fmt: skip
    yield Case("split lists: names with spaces", both(files("cat/my cat.png", "cat/b.png", "dog/a dog 2.png", "dog/e.png"), lines("train.txt", ["cat/my cat", "dog/e"]), lines("val.txt", ["cat/b", "dog/a dog 2"])), counts={"cat": (1, 1, 0), "dog": (1, 1, 0)}, split="given")  # fmt: skip
    numbers = "".join(f"{number} {path}.png\n" for number, path in enumerate((*TRAIN, *VAL, *TEST), 1))
    flags = "".join(f"{number} {int(number <= 6)}\n" for number in range(1, 9))
    yield Case("split lists: CUB's", both(FOLDERS, called(numbers.encode(), "images.txt"), called(flags.encode(), "train_test_split.txt")), counts={"cat": (2, 1, 1), "dog": (2, 1, 1)}, split="made", notes=("the split is that of train_test_split.txt",))  # fmt: skip

    for where, form, count in (("labels/", "{}{}", 10), ("splits/", "{}_{}", 5), ("", "{}_split{}", 2), ("", "{}_fold{}", 5)):  # fmt: skip
        draws = [lines(f"{where}{form.format(split, number)}.txt", paths) for number in range(1, count + 1) for split, paths in (("train", TRAIN), ("val", VAL if number == 1 else TEST), ("test", TEST if number == 1 else VAL))]  # fmt: skip
        first = ", ".join(form.format(split, 1) + ".txt" for split in ("train", "val"))
        yield Case(f"split lists: {count} splits of the same images, called {where}{form}", both(FOLDERS, *draws), counts=ALL, split="given", notes=(f"of {count} splits of the same images: the first is taken ({first}",))  # fmt: skip
    yield Case("split lists: of two years, of which one has no test", both(FOLDERS, lines("train2007.txt", TRAIN), lines("test2007.txt", TEST), lines("train2012.txt", VAL)), counts=TWO, notes=("are not read: both are of train",))  # fmt: skip


def unused_lists() -> Iterator[Case]:
    """That cannot be used, which is said with the reason."""
    for name, make, reason in (
        ("an image that is not there", lines("train.txt", [*TRAIN, "cat/9"]), "train.txt is not read: cat/9.png in it is not an image here"),
        ("an image in another folder", lines("train.txt", [*TRAIN, "fox/0"]), "fox/0.png in it is not an image"),
        ("a name that is there twice", lines("train.txt", ["0", "1"]), "train.txt is not read: 0.png is the name of 2 images"),
        ("an image in two", both(lines("train.txt", TRAIN), lines("val.txt", ["cat/0", "dog/2"])), "are not read: 0.png is in both"),
        ("two of train", both(lines("labels/train1.txt", TRAIN), lines("labels/train2.txt", [*VAL, *TEST])), "train1.txt and train2.txt are not read: both are of train"),
        ("a class that none trains", lines("train.txt", TRAIN[:2]), "train.txt is not read: it names no image of dog"),
        ("all images in test", lines("test.txt", [*TRAIN, *VAL, *TEST]), "test.txt leaves no image to train on"),
        ("an empty one", called(b"", "train.txt"), "train.txt is not read: it names no image"),
        ("something else", called(b"batch size 32\nlr 0.1\n", "train.txt"), "train.txt is not read: lr 0.1 in it is not an image"),
        ("JSON that is damaged", called(b"[", "train.json"), "train.json is not read: Expecting value"),
        ("CUB's without images.txt", called(b"1 0\n2 1\n", "train_test_split.txt"), "there is no images.txt beside it"),
    ):  # fmt: skip
        yield Case(f"split lists that are not used: {name}", both(FOLDERS, make), counts=TWO, split="made", notes=(reason,))  # fmt: skip


def names() -> Iterator[Case]:
    """Files with the names of classes that are numbers."""
    oxford = json.dumps({str(n): f"flower {n}" for n in range(1, 103)}).encode()
    some = {"flower 1": ONE, "flower 10": ONE}
    folders = many("1/{}.png", "10/{}.png")
    splits = many("flowers/train/1/{}.png", "flowers/train/10/{}.png", "flowers/valid/1/{}.png", "flowers/valid/10/{}.png")  # fmt: skip
    told = "class names are those of cat_to_name.json: 1 is flower 1, 10 is flower 10"
    yield Case("names of numbers: Oxford's flowers", both(folders, called(oxford, "cat_to_name.json")), counts=some, notes=(told,))  # fmt: skip
    yield Case("names of numbers: in splits", both(splits, called(oxford, "flowers/cat_to_name.json")), root="flowers", counts={"flower 1": (4, 4, 0), "flower 10": (4, 4, 0)}, notes=(told,))  # fmt: skip
    yield Case("names of numbers: above a wrapper", both(splits, called(oxford, "cat_to_name.json")), counts={"flower 1": (4, 4, 0), "flower 10": (4, 4, 0)}, notes=(told,))  # fmt: skip
    yield Case("names of numbers: a split alone is given", both(splits, called(oxford, "flowers/cat_to_name.json")), root="flowers/valid", counts=some, notes=(told,))  # fmt: skip
    yield Case("names of numbers: beside a folder that has a name of its own", both(splits, called(oxford, "cat_to_name.json")), root="flowers", counts={"1": (4, 4, 0), "10": (4, 4, 0)}, silent=True)  # fmt: skip
    two = many("0/{}.png", "1/{}.png")
    for name, file, text in (
        ("pairs of WordNet's ids and names", "class_index.json", '{"0": ["n02121620", "cat"], "1": ["n02084071", "dog"]}'),
        ("Hugging Face's config", "config.json", '{"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}}'),
        ("JSON, a list", "class_names.json", '["cat", "dog"]'),
        ("a CSV with quotes", "labels.csv", 'ClassId,Name\n0,"cat"\n1,"dog"\n'),
        ("lines with colons", "labels.txt", "0: cat\n1: dog\n"),
        ("lines, the name first", "names.txt", "cat,0\ndog,1\n"),
        ("YOLO's data.yaml in a line", "data.yaml", "nc: 2\nnames: {0: cat, 1: dog}\nroboflow:\n  version: 1\n"),
        ("YOLO's data.yaml with remarks", "data.yaml", "names:  # classes\n  0: cat # a\n  1: dog\nnc: 2\n"),
    ):  # fmt: skip
        yield Case(f"names of numbers: {name}", both(two, called(text.encode(), file)), counts=TWO, notes=(f"class names are those of {file}: 0 is cat, 1 is dog",))  # fmt: skip
    yield Case("names of numbers: from one on, a line each", both(many("1/{}.png", "2/{}.png"), called(b"cat\ndog\n", "classes.txt")), counts=TWO)  # fmt: skip
    yield Case("names of numbers: with zeros in front", both(many("00/{}.png", "01/{}.png"), called(b'{"0": "cat", "1": "dog"}', "names.json")), counts=TWO)  # fmt: skip
    yield Case("names of numbers: splits, val has one class", both(many("train/0/{}.png", "train/1/{}.png", "val/1/{}.png"), called(b"cat\ndog\n", "classes.txt")), counts={"cat": (4, 0, 0), "dog": (4, 4, 0)})  # fmt: skip
    left = {"0": ONE, "1": ONE}
    for name, file, text in (
        ("too few", "classes.txt", "cat\n"),
        ("two the same", "classes.txt", "cat\ncat\n"),
        ("another number", "labels.json", '{"0": "cat", "2": "dog"}'),
        ("numbers again", "label_map.json", '{"0": "10", "1": "11"}'),
    ):
        yield Case(f"names of numbers that are not used: {name}", both(two, called(text.encode(), file)), counts=left, notes=(f"{file} may have their names: it is not read",))  # fmt: skip
    for name, file, text in (
        ("ids of images and their labels", "truth.csv", "id,label\n0,cat\n1,dog\n2,cat\n3,dog\n"),
        ("labels that are numbers", "truth.txt", "a 0\nb 0\nc 1\n"),
        ("a table of more columns", "sizes.csv", "0,cat,3\n1,dog,3\n2,cat,4\n"),
        ("a readme", "README.txt", "1 Introduction\nWe took photos of 0 and 1.\n"),
        ("settings", "settings.json", '{"0": 1, "1": {"a": 2}}'),
    ):
        yield Case(f"names of numbers that are not used: {name}", both(two, called(text.encode(), file)), counts=left, notes=("left out 1 file",))  # fmt: skip
    yield Case("names of numbers: more than the folders are, in the folder", both(two, called(b'{"0": "cat", "1": "dog", "2": "fox"}', "names.json")), counts=TWO)  # fmt: skip
    yield Case("names of words stay", both(many("cat/{}.png", "dog/{}.png"), called(b'{"0": "x", "1": "y"}', "cat_to_name.json")), counts=TWO)  # fmt: skip
