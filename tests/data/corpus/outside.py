# ruff: noqa: E501 - a case a line reads better; letters that look like others are the point
"""Inputs that somebody tried who had not written the reader: public data sets, JSON, arrays, masks, odd names."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    EACH,
    GIVEN,
    HALF,
    IMAGES,
    ONE,
    TESTED,
    TWO,
    Case,
    both,
    called,
    files,
    image_bytes,
    link,
    many,
    table,
    tarred,
    zipped,
)

FEW = (2, 1, 0)


def json_tables() -> Iterator[Case]:
    def case(name: str, value: object, **expected: object) -> Case:
        text = value if isinstance(value, str) else json.dumps(value)
        expected = expected or {"counts": EACH}
        return Case(f"JSON: {name}", table("t.json", text, *IMAGES), root="t.json", **expected)  # type: ignore[arg-type]

    cat, dog = {"file": "i/a.png", "label": "cat"}, {"file": "i/b.png", "label": "dog"}
    yield case("a list of objects", [cat, dog])
    yield case("a list of pairs", [["i/a.png", "cat"], ["i/b.png", "dog"]])
    yield case("a list of pairs, the label first", [["cat", "i/a.png"], ["dog", "i/b.png"]])
    yield case("a label for each file", {"i/a.png": "cat", "i/b.png": "dog"})
    yield case("an object for each file", {"i/a.png": {"label": "cat"}, "i/b.png": {"label": "dog"}})
    yield case("the files of each label", {"cat": ["i/a.png"], "dog": ["i/b.png"]})
    yield case("columns of pandas", {"path": {"0": "i/a.png", "1": "i/b.png"}, "label": {"0": "cat", "1": "dog"}})  # fmt: skip
    yield case("columns and rows of pandas", {"columns": ["path", "label"], "index": [0, 1], "data": [["i/a.png", "cat"], ["i/b.png", "dog"]]})  # fmt: skip
    yield case("columns", {"path": ["i/a.png", "i/b.png"], "label": ["cat", "dog"]})
    yield case("a list in an object", {"info": {"year": 2024}, "images": [cat, dog]})
    yield case("lists of splits", {"train": [cat], "val": [{**dog, "label": "cat"}]}, counts={"cat": HALF}, split="given")  # fmt: skip
    yield case("lines of objects", f"{json.dumps(cat)}\n{json.dumps(dog)}\n")
    yield case("VIA's regions", {"a.png1": {"filename": "a.png", "regions": [], "file_attributes": {"kind": "cat"}}, "b.png1": {"filename": "b.png", "regions": [], "file_attributes": {"kind": "dog"}}}, counts=EACH, notes=("2 files were found by name",))  # fmt: skip
    yield case("Label Studio's JSON-MIN of images that were uploaded", [{"image": "/data/upload/1/1a2b3c4d-a.png", "id": 1, "choice": "cat"}, {"image": "/data/upload/1/5e6f7a8b-b.png", "id": 2, "choice": "dog"}])  # fmt: skip
    yield case("Label Studio's JSON", [{"annotations": [{"result": []}], "data": {"image": "i/a.png"}}], error="Label Studio's without classes, which is not read; export CSV or JSON-MIN")  # fmt: skip
    yield case("COCO's", {"images": [], "annotations": [], "categories": []}, error="is a file of COCO's without classes (captions?), which is not read; save a CSV")  # fmt: skip
    yield case("labelme's", {"shapes": [], "imagePath": "i/a.png"}, error="is a file of labelme's")
    yield case("labels of each split", {"train": {"i/a.png": "cat"}, "val": {"i/b.png": "cat"}}, counts={"cat": HALF}, split="given")  # fmt: skip
    yield case("Create ML's", [{"image": "i/a.png", "annotations": [{"label": "cat"}]}, {"image": "i/b.png", "annotations": [{"label": "dog"}]}])  # fmt: skip
    yield case("files of each split without labels", {"train": ["i/a.png"], "val": ["i/b.png"]}, error="does not list images and labels")  # fmt: skip
    yield case("a key that is there twice", '{"i/a.png": "cat", "i/a.png": "dog"}', error="the key 'i/a.png' is there twice in one object; leave one")  # fmt: skip
    yield case("half a character in a label", '{"i/a.png": "\\ud800"}', error="has half a character; write it whole")  # fmt: skip
    yield case("half a character in a path", '{"i/\\ud83da.png": "cat"}', error="has half a character")
    yield case("a comma at the end", f"[\n{json.dumps(cat)},]", error="line 2: not JSON")
    yield case("a list of nothing", [], error="is empty")
    yield case("nothing", "", error="is empty")
    yield case("a word", '"cat"', error="does not list images and labels; write [{")
    yield case("options", {"lr": 0.1, "epochs": 3}, error="does not list images and labels")
    yield case("brackets without end", "[" * 100_000, error="not JSON")
    yield case(
        "an object without a label",
        [cat, {"file": "i/b.png"}],
        counts={"cat": (1, 0, 0)},
        notes=("1 entry names an image and no class: left out",),
    )
    yield Case("JSON that is called .csv", table("t.csv", json.dumps([cat, dog]), *IMAGES), root="t.csv", counts=EACH)  # fmt: skip
    yield Case("labels.json beside images", both(many("images/{}.jpg"), table("labels.json", '{"0.jpg": "cat"}')), error="labels.json, if that lists their labels")  # fmt: skip
    yield Case("COCO's boxes.json beside images", both(many("images/{}.jpg"), table("boxes.json", '{"images": [], "annotations": []}')), error="say what they show, data.class_name=NAME")  # fmt: skip


def arrays_and_databases() -> Iterator[Case]:
    idx = b"\x00\x00\x08\x03\x00\x00\xea\x60"
    for name, content, said in (
        ("train-images-idx3-ubyte", idx, "1 file (without suffix) is one of arrays; save each image as PNG"),
        ("data_batch_1", pickle.dumps({"data": b""}), "is one of objects of Python, which are not read"),
        ("x.pickle", b"\x80\x04", "objects of Python, which are not read; save each image as PNG"),
        ("x.pt", b"PK\x03\x04", "objects of Python"),
        ("train.tfrecord-00000-of-00010", b"x", "databases; save each image as PNG"),
        ("x.beton", b"x", "databases; save each image as PNG"),
        ("data.arrow", b"ARROW1", "but a data set of Hugging Face; pip install datasets; python -c"),
        ("train-00000-of-00001.parquet", b"PAR1", "and then data.root=unpacked"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx), "1 .gz file is one of archives; unpack them"),
        ("data.rar", b"Rar!", "1 .rar file is one of archives; unpack them"),
        ("data.dvc", b"outs:\n", "pointers of DVC to files elsewhere; dvc pull fetches them"),
    ):
        yield Case(f"a folder that holds {name}", called(content, f"d/{name}"), root="d", error=said)
    yield Case("Hugging Face's save_to_disk", both(files("dataset_dict.json", "train/state.json", "test/state.json"), called(b"ARROW1", "train/data-00000-of-00001.arrow", "test/data-00000-of-00001.arrow")), error="D.load_from_disk(")  # fmt: skip
    for name, content, said in (
        ("train-images-idx3-ubyte", idx, "it is an IDX file of arrays (MNIST's); give a folder of images"),
        ("data_batch_1", pickle.dumps({"data": b""}), "it is a Python pickle; give a folder of images"),
        ("project.tm", b"PK\x03\x04", "it is a zip archive; give a folder of images, a .zip"),
        (
            "t.csv",
            b"PK\x03\x04\x14\x00\x06\x00",
            "t.csv is a zip archive, not a table; save it as CSV (UTF-8)",
        ),
        ("t.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "is an old Office document, not a table"),
        ("t.csv", b"<!DOCTYPE html><html>", "is a web page (a download that failed?), not a table"),
    ):
        yield Case(f"{name} of {content[:8]!r} as data.root", called(content, name), root=name, error=said)
    for name in ("fer2013.csv", "mnist.csv"):
        yield Case(f"{name} of pixels", table(name, "label,pixel1,pixel2\n3,7,7\n" if name[0] == "m" else "emotion,pixels,Usage\n0,70 80,Training\n"), root=name, error="holds the pixels themselves, which are not read")  # fmt: skip
    yield Case("a pattern as data.root", many(*CLASSES), root="c*", error="a pattern does not stand for folders: give one of them")  # fmt: skip
    yield Case("a table of images elsewhere, alone in a folder", table("labels.csv", "path,label\n/x/a.png,cat\n"), error="labels.csv, if that lists images and labels")  # fmt: skip
    for name in ("imagelabels.mat", "labels.xlsx", "metadata.parquet"):
        yield Case(f"{name} beside images", both(many("jpg/{}.jpg"), called(b"x", name)), error=f"{name} may list their labels: save it as CSV")  # fmt: skip


def lists() -> Iterator[Case]:
    pets = "Abyssinian_0 1 1 1\nAbyssinian_1 1 1 1\nboxer_0 2 2 1\nboxer_1 2 2 1\n"
    images = many("images/Abyssinian_{}.jpg", "images/boxer_{}.jpg", count=2)
    yield Case("Oxford's list of pets", both(images, table("annotations/trainval.txt", pets)), root="annotations/trainval.txt", counts={"1": HALF, "2": HALF}, notes=("4 files were found by name in",))  # fmt: skip
    yield Case("Oxford's list of pets beside them", both(images, table("annotations/trainval.txt", pets)), error="trainval.txt, if that lists their labels")  # fmt: skip
    yield Case("CUB's list of images", both(many("images/001.A/{}.jpg", count=9), table("images.txt", "".join(f"{n + 1} 001.A/{n}.jpg\n" for n in range(9)))), root="images.txt", error="lists paths and no labels; add a column label")  # fmt: skip
    yield Case("Food-101's list", both(many("images/pie/1{}.jpg"), table("meta/train.txt", "pie/10\npie/11\n")), root="meta/train.txt", error="lists paths and no labels")  # fmt: skip
    yield Case("FGVC-Aircraft's list", both(many("images/00{}.jpg", count=3), table("variants.txt", "000 707-320\n001 Boeing 717\n002 707-320\n")), root="variants.txt", counts={"707-320": HALF, "Boeing 717": (1, 0, 0)})  # fmt: skip
    yield Case("FGVC-Aircraft's list beside them", both(many("images/00{}.jpg", count=3), table("variants.txt", "000 707-320\n001 Boeing 717\n")), error="variants.txt, if that lists their labels")  # fmt: skip
    yield Case("Tiny ImageNet's list with boxes", both(many("images/v_{}.JPEG"), table("val_annotations.txt", "".join(f"v_{n}.JPEG\tn0{n % 2}\t0\t0\t62\t62\n" for n in range(4)))), root="val_annotations.txt", counts={"n00": HALF, "n01": HALF}, notes=("are not used: 4",))  # fmt: skip
    yield Case("MXNet's list", both(files(*IMAGES), table("t.lst", "0\t3.0\ti/a.png\n1\t4.0\ti/b.png\n")), root="t.lst", counts={"3.0": (1, 0, 0), "4.0": (1, 0, 0)})  # fmt: skip
    yield Case("an index and no names of columns", both(files(*IMAGES), table("t.csv", "0,i/a.png,cat\n1,i/b.png,dog\n")), root="t.csv", counts=EACH)  # fmt: skip
    yield Case("numbers of classes beside their names", both(many("0/{}.png", "1/{}.png"), table("classes.csv", "id,name\n0,cat\n1,dog\n")), counts={"cat": ONE, "dog": ONE}, notes=("left out 1 file", "class names are those of classes.csv"))  # fmt: skip
    for folder in ("annotations", "labels", "Metadata"):
        yield Case(f"a table in {folder} beside the images", both(many("images/{}.jpg", count=2), table(f"{folder}/t.csv", "file,label\n0.jpg,cat\n1.jpg,dog\n")), root=f"{folder}/t.csv", counts=EACH)  # fmt: skip
    for name, text in {
        "addresses with a query": "image,label\nhttps://x.org/i/a.png?alt=media&t=1,cat\nhttps://x.org/i/b.png?alt=media&t=2,dog\n",
        "one-hot columns beside others": "id,image,cat,dog,note\n1,i/a.png,1,0,good\n2,i/b.png,0,1,\n",
        "columns of -1 and 1": "image,cat,dog\ni/a.png,1,-1\ni/b.png,-1,1\n",
        "NIH's names": "Image Index,Finding Labels,Patient Age\na.png,cat,58\nb.png,dog,61\n",
    }.items():
        yield Case(f"a table of {name}", table("t.csv", text, *IMAGES), root="t.csv", counts=EACH)
    yield Case("columns of 0 and 1 that are no classes", table("t.csv", "path,colour,is_day,flash\ni/a.png,red,1,1\ni/b.png,blue,0,1\n", *IMAGES), root="t.csv", error="no label column among")  # fmt: skip
    yield Case("CelebA's attributes", table("t.csv", "image_id,Smiling,Male\ni/a.png,1,1\ni/b.png,-1,1\n", *IMAGES), root="t.csv", error="Smiling, Male at once; set task=multi_label")  # fmt: skip
    yield Case("a table in UTF-32", table("t.csv", f"path,label\n{IMAGES[0]},cat\n{IMAGES[1]},dog\n".encode("utf-32"), *IMAGES), root="t.csv", counts=EACH)  # fmt: skip
    yield Case("a file that is listed twice, in two cases", table("t.csv", "path,label\ni/a.png,cat\nI/A.PNG,cat\n", *IMAGES), root="t.csv", error="a.png has that name, and is listed already")  # fmt: skip


def nested() -> Iterator[Case]:
    yield Case("masks in class folders", many("benign/images/{}.png", "benign/masks/{}.png", "malignant/images/{}.png", "malignant/masks/{}.png"), counts={"benign": ONE, "malignant": ONE}, notes=("masks of images are left out: benign/masks, malignant/masks",))  # fmt: skip
    yield Case("masks of one class in splits", many(*(f"{split}/cat/{kind}/{{}}.png" for split in ("train", "val") for kind in ("images", "masks"))), counts={"cat": (4, 4, 0)}, notes=("masks of images are left out: cat/masks",))  # fmt: skip
    yield Case("splits of images and of masks", many("images/train/{}.png", "images/val/{}.png", "masks/train/{}.png", "masks/val/{}.png"), problems=("masks looks like masks of the images in images",))  # fmt: skip
    yield Case("images and labels that are images", many("images/{}.png", "labels/{}.png"), problems=("labels looks like masks",))  # fmt: skip
    yield Case("folds with splits", many(*(f"fold{k}/{split}/{one}" for k in range(2) for split in ("train", "val") for one in CLASSES)), error="fold0 and fold1 each hold train and val with folders in them; give one of them")  # fmt: skip
    yield Case("class folders in a copy of their own", many("P/a/{}.png", "P/b/{}.png", "P/P/a/{}.png", "P/P/b/{}.png"), problems=("holds the folders that lie beside it (a, b): a copy of them?",))  # fmt: skip
    yield Case("splits in a copy of their own", many(*(f"x/{above}{split}/{one}" for above in ("", "x/") for split in ("train", "test") for one in CLASSES)), error="x holds the folders that lie beside it (test, train): a copy of them?")  # fmt: skip
    yield Case("years, months and classes", many("2023/01/cat/{}.png", "2024/01/cat/{}.png"), notes=("2023 (01), 2024 (01)", "2023, 2024 are taken for classes; take them out"))  # fmt: skip
    yield Case("Office-31's domains", many(*(f"{domain}/images/{one}" for domain in ("amazon", "webcam") for one in CLASSES)), notes=("amazon (images), webcam (images); if those folders are the classes",))  # fmt: skip
    for train, val in (("訓練集", "驗證集"), ("训练数据", "验证数据"), ("訓練データ", "検証データ"), ("학습", "검증"), ("eğitim", "doğrulama"), ("addestramento", "validazione"), ("träning", "validering")):  # fmt: skip
        yield Case(f"splits {train} and {val}", many(*(f"{split}/{one}" for split in (train, val) for one in CLASSES)), counts=GIVEN, split="given")  # fmt: skip
    for train, test in (("Trainingsbilder", "Testbilder"), ("تدريب", "اختبار"), ("학습데이터", "시험데이터")):
        yield Case(f"splits {train} and {test}", many(*(f"{split}/{one}" for split in (train, test) for one in CLASSES)), counts=TESTED)  # fmt: skip
    yield Case("labelme's outlines", both(many("imgs/{}.jpg"), files("imgs/0.json", "imgs/1.json")), error="imgs looks like boxes")  # fmt: skip
    yield Case("CVAT's annotations.xml", both(many("images/{}.jpg"), files("annotations.xml")), error="annotations.xml looks like boxes")  # fmt: skip
    yield Case("Supervisely's ann", both(many("ds/img/{}.png"), files("ds/ann/0.png.json")), error="ann looks like boxes")  # fmt: skip
    yield Case("a class called test in train", many("train/cat/{}.png", "train/test/{}.png"), counts={"cat": ONE, "test": ONE}, notes=("test in train is taken for a class; if it is a split, move it up",))  # fmt: skip
    yield Case("a wrapper with a number", many("dataset2/cloudy{}.jpg", "dataset2/rain{}.jpg"), error="their names begin with cloudy and rain: data.class_from=names makes these the classes")  # fmt: skip
    yield Case("several kinds of image in one class folder", many("weather/cloudy{}.jpg", "weather/rain{}.jpg"), counts={"weather": (6, 2, 0)}, notes=("weather is the only class, and its images begin with cloudy and rain",))  # fmt: skip
    yield Case("one class in two sets", many("support/cat/{}.png", "query/cat/{}.png"), problems=("query and support are the parts of a benchmark",))  # fmt: skip
    for one, other in (("Cooper's hawk", "Cooper\u2019s hawk"), ("T-shirt", "T\u2011shirt")):
        yield Case(f"the classes {one} and {other}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), problems=("are one class in two spellings",))  # fmt: skip
    for one, other in (
        ("cat", "cat."),
        ("0", "00"),
        ("1", "1.0"),
        ("Käfer", "Kaefer"),
        ("RedFox", "red fox"),
    ):
        yield Case(f"the classes {one} and {other}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), notes=(f"taken for two classes: {min(one, other) if 'e' in one else one} and {max(one, other) if 'e' in one else other}",))  # fmt: skip


def from_elsewhere() -> Iterator[Case]:
    jpeg = image_bytes("jpg")
    for name in ("photo.php", "images.aspx", "image.jpg@800w", "pic.jpeg%3Fw=3", "f.jpg,640", "g.com_big", "h.image", "c.bin", "x.mpo"):  # fmt: skip
        yield Case(f"an image that a server calls {name}", both(many("dog/{}.png"), called(jpeg, f"cat/{name}")), counts={"cat": (1, 0, 0), "dog": ONE}, silent=True)  # fmt: skip
    for name in ("raw.pef", "raw.nrw", "thumbnail.thm", "a.jpg_original", "b.jpg~", "#d.jpg#", "c.bak"):
        content = jpeg if "raw" not in name else b"II*\x00" + bytes(300)
        yield Case(f"{name} beside images", both(many(*CLASSES), called(content, f"cat/{name}")), counts=TWO, notes=("left out 1 file",))  # fmt: skip
    yield Case("a TIFF of nobody's suffix", both(many(*CLASSES), called(image_bytes("tif"), "cat/a.xyz")), counts=TWO, notes=("(1 .xyz)",))  # fmt: skip
    yield Case("raw files of five cameras", files("cat/a.CR2", "cat/b.NEF", "dog/c.PEF", "dog/d.dng", "dog/e.X3F"), error="5 files (.cr2, .dng, .nef, .pef and 1 more) are camera raw files; save them as JPEG")  # fmt: skip
    for suffix, said in (("MP", "videos"), ("3gp", "videos"), ("gshortcut", "shortcuts"), ("!qB", "unfinished downloads"), ("aria2", "unfinished downloads"), ("kra", "layered images")):  # fmt: skip
        yield Case(f"a .{suffix} file beside images", both(many(*CLASSES), files(f"cat/a.{suffix}")), counts=TWO, notes=(said,))  # fmt: skip
    for name in ("labels.json", "train.txt", "classes.csv", "labels.csv", "metadata.txt"):
        yield Case(f"{name}, a link to nothing, beside class folders", both(many(*CLASSES), link(name, "gone")), counts=TWO)  # fmt: skip
        yield Case(f"{name}, a link to nothing, beside images", both(many("images/{}.png"), link(name, "gone")), error="holds images but no class folders")  # fmt: skip
    members = tuple(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4))
    yield Case("a tar file without suffix", both(tarred("x.tar", *members), _renamed), root="download", counts=TWO)  # fmt: skip
    yield Case("a zip file that was cut off", both(zipped("x.zip", *members), _cut), root="x.zip", error="its end is missing (a download that was cut off?)")  # fmt: skip
    yield Case("a 7z archive called .zip", called(b"7z\xbc\xaf\x27\x1c" + bytes(99), "x.zip"), root="x.zip", error="it is a 7z archive")  # fmt: skip
    yield Case("a zip file of JSON and images", zipped("x.zip", "a.png", "b.png", **{"labels.json": b'{"a.png": "cat", "b.png": "dog"}'}), root="x.zip", counts=EACH, notes=("the labels are those of labels.json",))  # fmt: skip
    yield Case("a zip file of raw files", zipped("x.zip", **{"cat/a.CR2": b"II", "dog/b.NEF": b"II"}), root="x.zip", error="2 files (.cr2, .nef) are camera raw files")  # fmt: skip


def _renamed(folder: Path) -> None:
    (folder / "x.tar").rename(folder / "download")


def _cut(folder: Path) -> None:
    path = folder / "x.zip"
    path.write_bytes(path.read_bytes()[:-1])


def outside() -> Iterator[Case]:
    """All of them."""
    for kind in (json_tables, arrays_and_databases, lists, nested, from_elsewhere):
        yield from kind()
