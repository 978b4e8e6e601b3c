# ruff: noqa: E501 - a case a line reads better
"""Layouts of public data sets, folders of telephones and computers, tables as other programs save them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    BODY,
    CLASSES,
    EACH,
    GIVEN,
    HALF,
    ONE,
    TESTED,
    TWO,
    Case,
    Make,
    below,
    both,
    called,
    files,
    image_bytes,
    many,
    table,
    tarred,
    zipped,
)

IMAGES = ("i/a.png", "i/b.png", "i/c.png")


def data_sets() -> Iterator[Case]:
    yield Case("Stanford Dogs", both(many("Images/n02085620-Chihuahua/n_{}.jpg", "Images/n02085782-Japanese_spaniel/n_{}.jpg"), files("Annotation/n02085620-Chihuahua/n_0")),
               counts={"n02085620-Chihuahua": ONE, "n02085782-Japanese_spaniel": ONE})  # fmt: skip
    yield Case("CUB", both(many("images/001.Black_footed_Albatross/{}.jpg", "images/002.Laysan_Albatross/{}.jpg"), files("images.txt", "parts/parts.txt")),
               counts={"001.Black_footed_Albatross": ONE, "002.Laysan_Albatross": ONE})  # fmt: skip
    yield Case("Food-101", both(many("food-101/images/apple_pie/{}.jpg", "food-101/images/waffles/{}.jpg"), files("food-101/meta/train.txt")),
               counts={"apple_pie": ONE, "waffles": ONE})  # fmt: skip
    yield Case("Tiny ImageNet", both(many("train/n01443537/images/{}.JPEG", "train/n01629819/images/{}.JPEG", "val/images/{}.JPEG", "test/images/{}.JPEG"), files("val/val_annotations.txt", "wnids.txt")),
               counts={"n01443537": ONE, "n01629819": ONE}, notes=("val holds images without labels", "test holds images without labels"))  # fmt: skip
    yield Case("Oxford-IIIT Pets", many("images/Abyssinian_{}.jpg", "images/beagle_{}.jpg", "annotations/trimaps/Abyssinian_{}.png"),
               problems=("annotations looks like masks of the images in images",))  # fmt: skip
    yield Case("MNIST as JPEG", many("trainingSet/trainingSet/0/{}.jpg", "trainingSet/trainingSet/1/{}.jpg", "testSet/testSet/{}.jpg"),
               counts={"0": ONE, "1": ONE}, notes=("testSet holds images without labels",))  # fmt: skip
    yield Case("a data set in its own copy", many(*below("x/train"), *below("x/val"), *below("x/x/train")), error="x lies beside train")  # fmt: skip
    yield Case("GTSRB", both(many("Train/0/{}.png", "Train/1/{}.png", "Test/{}.png", "Meta/{}.png"), files("Train.csv")), counts={"0": ONE, "1": ONE}, notes=("Meta is not one of the splits: left out", "Test holds images without labels"))  # fmt: skip
    yield Case("MVTec", many("b/train/good/{}.png", "b/test/good/{}.png", "b/test/bad/{}.png", "b/ground_truth/bad/{}_mask.png"), notes=("ground_truth is not one of the splits: left out",), problems=("class 'bad' is in test but not in train",))  # fmt: skip
    yield Case("Positive and Negative", many("Positive/{}.jpg", "Negative/{}.jpg"), counts={"Positive": ONE, "Negative": ONE}, silent=True)  # fmt: skip
    yield Case("positive and negative in splits", many(*(f"{split}/{name}/{{}}.png" for split in ("train", "test") for name in ("positive", "negative"))),
               counts={"positive": (3, 1, 4), "negative": (3, 1, 4)})  # fmt: skip
    yield Case("folds", many(*below("fold1"), *below("fold2")), notes=("hold the same folders (cat, dog)",))
    yield Case("Edge Impulse", many("training/cat.{}.jpg", "training/dog.{}.jpg"), error="their names begin with cat and dog")  # fmt: skip
    yield Case("captions beside images", both(many(*CLASSES), files("cat/0.txt")), counts=TWO, notes=("left out 1 file",))  # fmt: skip
    for train, val in (("trainSet", "valSet"), ("TrainImages", "ValImages"), ("TrainingData", "ValidationData"), ("trainFolder", "devFolder")):  # fmt: skip
        yield Case(f"splits {train} and {val}", many(*below(train), *below(val)), counts=GIVEN, split="given")
    yield Case("splits TrainData and TestData", many(*below("TrainData"), *below("TestData")), counts=TESTED)
    yield Case("train in two parts", many(*below("train1"), *below("train2"), *below("val")), error="are both train; merge them")  # fmt: skip


def telephones() -> Iterator[Case]:
    for name in ("100APPLE", "102_PANA", "Camera Roll", "Screenshots", "WhatsApp Images", "Photos from 2021", "2021-05-30"):  # fmt: skip
        yield Case(f"a folder {name}", many(f"{name}/{{}}.jpg"), counts={name: ONE}, notes=(f"{name} is taken for a class",))  # fmt: skip
    yield Case("a telephone's camera", many("DCIM/Camera/{}.jpg"), counts={"Camera": ONE}, notes=("Camera is taken for a class",))  # fmt: skip
    yield Case("a class called camera", many("camera/{}.jpg", "phone/{}.jpg"), counts={"camera": ONE, "phone": ONE}, silent=True)  # fmt: skip
    yield Case("Google Takeout", both(many("Takeout/Google Photos/cats/{}.jpg"), files("Takeout/Google Photos/cats/0.jpg.json")),
               counts={"cats": ONE}, notes=("Takeout/Google Photos is the only folder", "left out 1 file"))  # fmt: skip
    yield Case("images that are in iCloud", both(many(*CLASSES), files("cat/.a.jpg.icloud", "cat/.b.heic.icloud")), counts=TWO,
               notes=("2 .icloud files are placeholders of files that are only in iCloud",))  # fmt: skip
    yield Case("a class that is in iCloud", both(many("cat/{}.png"), files("dog/.a.jpg.icloud")), problems=("dog holds no images (1 .icloud)",))  # fmt: skip
    yield Case("live photos", both(many(*CLASSES), files("cat/a.MOV", "cat/a.AAE")), counts=TWO, notes=("videos; save frames",))  # fmt: skip
    yield Case("a shortcut", both(many(*CLASSES), files("cow.lnk")), counts=TWO, notes=("shortcuts of Windows",))  # fmt: skip
    for other in ("cat - Copy", "Copy of cat", "cat (2)", "cat copy", "Kopie von cat", "cat - Kopie", "cats"):
        yield Case(f"classes cat and {other}", many("cat/{}.png", f"{other}/{{}}.png"), counts={"cat": ONE, other: ONE},
                   notes=(f"taken for two classes: cat and {other}",))  # fmt: skip
    for one, other in (("fox", "foxes"), ("1", "01")):
        yield Case(f"classes {one} and {other}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), notes=(f"{one} and {other}",))  # fmt: skip
    for one, other in (("glass", "glasses case"), ("bus", "busses"), ("0", "10"), ("copy", "original")):
        yield Case(f"different classes {one} and {other}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), silent=True)  # fmt: skip


def suffixes() -> Iterator[Case]:
    for name in ("a.jpg_large", "a.JPG-large", "a.png_orig", "a.jpg.1", "photo 3.05.2021", "a.", "a.png ", "ajpg", "a.jpg:large"):  # fmt: skip
        yield Case(f"images called {name!r}", both(many("dog/{}.png"), called(image_bytes(), f"cat/{name}")), counts={"cat": (1, 0, 0), "dog": ONE}, silent=True)  # fmt: skip
    for suffix in ("jpe", "JFIF", "pjpeg", "pjp", "jif", "apng", "PNM"):
        yield Case(f"images that end in .{suffix}", both(many("dog/{}.png"), called(image_bytes(), f"cat/a.{suffix}")), counts={"cat": (1, 0, 0), "dog": ONE}, silent=True)  # fmt: skip
    for name in ("a.jpg_original", "a.png~", "a.jpg.bak", "a.jpg.part", "a.crdownload", "a.png.tmp"):
        yield Case(f"what is left of an image: {name}", both(many(*CLASSES), called(image_bytes(), f"cat/{name}")), counts=TWO, notes=("left out 1 file",))  # fmt: skip
    yield Case("text with a number for its suffix", both(many(*CLASSES), files("cat/notes.2")), counts=TWO, notes=("left out 1 file",))  # fmt: skip
    yield Case("two suffixes", many("cat/{}.jpg.png", "dog/v1.0 {}.png"), counts=TWO, silent=True)
    yield Case("a folder called like an image", many("cat/a.jpg/{}.png", "dog/{}.png"), counts=TWO, notes=("cat (a.jpg)",))  # fmt: skip


def saved_tables() -> Iterator[Case]:
    def case(name: str, text: str | bytes, file: str = "t.csv", **expected: object) -> Case:
        return Case(f"a table: {name}", table(file, text, *IMAGES), root=file, **expected)  # type: ignore[arg-type]

    yield case("labels of several words in Caffe's list", "i/a.png great dane\ni/b.png pug\n", "t.txt", counts={"great dane": (1, 0, 0), "pug": (1, 0, 0)})  # fmt: skip
    yield case("numbers first", "0 i/a.png\n1 i/b.png\n", "t.txt", counts={"0": (1, 0, 0), "1": (1, 0, 0)})
    yield case("columns of spaces", "path     label\ni/a.png  cat\ni/b.png  dog\n", "t.txt", counts=EACH)
    yield case("lists of one label", "path,label\ni/a.png,\"['cat']\"\ni/b.png,\"['dog']\"\n", counts=EACH)
    yield case("JSON lists of one label", 'path,label\ni/a.png,"[""cat""]"\ni/b.png,"[""dog""]"\n', counts=EACH)  # fmt: skip
    yield case("a column of true and false for each class", "image,cat,dog\ni/a.png,True,False\ni/b.png,False,True\n", counts=EACH)  # fmt: skip
    yield case("a column of t and f for each class", "image,cat,dog\ni/a.png,t,f\ni/b.png,F,T\n", counts=EACH)
    yield case("a column of yes and no for each class", "image,cat,dog\ni/a.png,yes,no\ni/b.png,no,yes\n", counts=EACH)  # fmt: skip
    yield case("probabilities", "image,cat,dog\ni/a.png,0.9,0.1\ni/b.png,0.2,0.8\n", error="no label column")
    for word in ("nan", "NaN", "NA", "N/A", "None", "null", "?", "-", "#N/A"):
        yield case(f"labels {word}", f"path,label\ni/a.png,cat\ni/b.png,dog\ni/c.png,{word}\n", notes=(f"{word!r} is taken for the class of 1 image",))  # fmt: skip
    for split in ("val", "test"):
        yield case(f"everything is {split}", f"path,label,split\ni/a.png,cat,{split}\n", error=f"no images to train with; all of them are {split}")  # fmt: skip
    for page, words, name in (
        ("shift-jis", "金魚", "Shift-JIS"),
        ("gbk", "金鱼", "GBK"),
        ("cp1251", "рыба", "Windows-1251"),
    ):
        yield case(f"in {page}", f"path,label\ni/a.png,{words}\ni/b.png,{words}\n".encode(page), counts={words: HALF}, notes=(f"read as {name}; if names look wrong",))  # fmt: skip
    yield case("a comma in a name", 'path,label\n"i/a, b.png",cat\n', error="files that do not exist")
    yield case("a caption of two lines", 'path,caption,label\ni/a.png,"a\ncat",cat\ni/b.png,b,dog\n', counts=EACH)  # fmt: skip
    yield case("decimal commas", "path;score;label\ni/a.png;0,5;cat\ni/b.png;0,7;dog\n", counts=EACH)
    yield case("lines of different lengths", "path,label\ni/a.png,cat,more\ni/b.png,dog\n", counts=EACH)
    yield case("two columns called label", "path,label,label\ni/a.png,cat,x\ni/b.png,dog,y\n", counts=EACH)
    yield case("spaces that are not seen", "\u00a0path\u00a0,\u200blabel\ni/a.png,cat\ni/b.png,dog\n", counts=EACH)  # fmt: skip
    yield case("columns in Chinese", f"图片,类别\n{BODY}", counts=EACH)  # fmt: skip
    yield case("columns x and y", f"x,y\n{BODY}", counts=EACH)
    yield case("a path by another way", "path,label\ni/../i/a.png,cat\n../input/i/b.png,dog\n", counts=EACH)
    yield case("addresses of files", "path,label\nfile:///i/a.png,cat\nfile:///i/b.png,dog\n", counts=EACH)
    yield case("a sum at the end", f"path,label\n{BODY}Total,2\n", error="Total; paths are relative to")
    yield case("rows of commas", f",\npath,label\n,\n{BODY},\n", counts=EACH)
    yield case("a class that is in val alone", "path,label,split\ni/a.png,cat,train\ni/b.png,dog,val\n", problems=("'dog' is in val but not in train",))  # fmt: skip
    yield case("an unused split", "path,label,split\ni/a.png,cat,train\ni/b.png,dog,unused\n", error="split is 'unused'")  # fmt: skip
    for name, maker in (("t.feather", "Arrow"), ("t.pkl", "pandas"), ("t.sqlite", "SQLite"), ("t.yaml", "YAML"), ("t.xml", "XML"), ("t.tfrecord", "TensorFlow")):  # fmt: skip
        yield case(f"called {name}", b"x", name, error=f"is a table of {maker}; save it as CSV")
    lines = ({"file_name": "i/a.png", "label": 0}, {"file_name": "i/b.png", "label": 1})
    yield case("JSON lines with a BOM and a gap", "\ufeff" + "\n\n".join(map(json.dumps, lines)), "t.jsonl", counts={"0": (1, 0, 0), "1": (1, 0, 0)})  # fmt: skip
    yield case("JSON lines without a label", '{"file_name": "i/a.png", "label": null}\n', "t.jsonl", error="lists no images to train with")  # fmt: skip
    metadata = "file_name,label\ncat/0.png,cat\ndog/0.png,dog\n"
    yield Case("metadata.csv that names some of the images", both(many(*CLASSES), table("metadata.csv", metadata)), counts=EACH,
               notes=("6 images are not in metadata.csv: left out",))  # fmt: skip
    yield Case("metadata.csv that names all of the images", both(files("cat/0.png", "dog/0.png"), table("metadata.csv", metadata)), counts=EACH, silent=True)  # fmt: skip
    yield Case("metadata.csv in train that lacks an image", both(table("train/metadata.csv", "file_name,label\na.png,cat\nb.png,dog\n", "train/a.png", "train/b.png", "train/c.png")),
               counts=EACH, notes=("1 image is not in metadata.csv",))  # fmt: skip


def other_archives() -> Iterator[Case]:
    members = tuple(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4))
    yield Case("a zip file of images", zipped("tiger.zip", "0.png", "1.png"), root="tiger.zip", error="data.class_name='tiger'")  # fmt: skip
    yield Case("a zip file of images is where it is unpacked", zipped("x.zip", "0.png"), root="x.zip", error="(x.zip is unpacked in")  # fmt: skip
    yield Case("a web page called .zip", table("x.zip", b"<!DOCTYPE html><html>Sign in"), root="x.zip", error="it is a web page (a download that failed?)")  # fmt: skip
    yield Case("a rar archive called .zip", table("x.zip", b"Rar!\x1a\x07\x00"), root="x.zip", error="cannot unpack")  # fmt: skip
    for name in ("x.dmg", "x.iso", "x.tar.lz4"):
        yield Case(f"{name} as data.root", table(name, b"x"), root=name, error="archives; unpack them")
    for name, coded in (("Käfer", b"K\x84fer"), ("Käfer", "Käfer".encode()), ("金魚", "金魚".encode())):
        yield Case(f"a zip file that does not say how {coded!r} is written", _coded(coded), root="x.zip", counts={name: ONE, "dog": ONE})  # fmt: skip
    yield Case("a zip file that is a program, too", both(zipped("x.zip", *members), _around(b"MZ" + bytes(99), b"")), root="x.zip", counts=TWO)  # fmt: skip
    yield Case("a zip file with bytes behind it", both(zipped("x.zip", *members), _around(b"", b"junk" * 9)), root="x.zip", counts=TWO)  # fmt: skip
    yield Case("a zip file with a link in it", _with_link, root="x.zip", counts=TWO)
    yield Case("a folder called x.zip", many(*below("x.zip")), root="x.zip", counts=TWO)
    yield Case("a tar file that lets nobody read its files", _closed, root="x.tar", counts=TWO)
    yield Case("a tar file of images without suffix", tarred("x.tar", "cat/0", "cat/1.jpg_large", "dog/0"), root="x.tar", counts={"cat": (1, 1, 0), "dog": (1, 0, 0)})  # fmt: skip


def _coded(name: bytes) -> Make:
    """A zip file with a class folder of these bytes, and no word of their encoding."""

    def make(folder: Path) -> None:
        stands = "#" * len(name)
        zipped("x.zip", *(f"{one}/{number}.png" for one in (stands, "dog") for number in range(4)))(folder)
        path = folder / "x.zip"
        path.write_bytes(path.read_bytes().replace(stands.encode(), name))

    return make


def _around(before: bytes, behind: bytes) -> Make:
    def make(folder: Path) -> None:
        path = folder / "x.zip"
        path.write_bytes(before + path.read_bytes() + behind)

    return make


def _with_link(folder: Path) -> None:
    zipped("x.zip", *(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4)))(folder)
    with zipfile.ZipFile(folder / "x.zip", "a") as archive:
        member = zipfile.ZipInfo("cat/link.png")
        member.create_system, member.external_attr = 3, 0o120777 << 16
        archive.writestr(member, "/etc/passwd")


def _closed(folder: Path) -> None:
    with tarfile.open(folder / "x.tar", "w") as archive:
        for name in ("cat", "dog"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0
            archive.addfile(info)
            for number in range(4):
                content = image_bytes()
                info = tarfile.TarInfo(f"{name}/{number}.png")
                info.size, info.mode = len(content), 0
                archive.addfile(info, io.BytesIO(content))


def public() -> Iterator[Case]:
    """All of them."""
    for kind in (data_sets, telephones, suffixes, saved_tables, other_archives):
        yield from kind()
