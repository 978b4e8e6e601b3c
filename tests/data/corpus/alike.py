# ruff: noqa: E501 - a case a line reads better
"""What is like the inputs of other modules and must not be taken for them, and more of each kind."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    BODY,
    CLASSES,
    EACH,
    GIVEN,
    ONE,
    TESTED,
    TWO,
    Case,
    below,
    both,
    called,
    files,
    image_bytes,
    link,
    many,
    table,
    tables,
    tarred,
    zipped,
)

SEVERAL: dict[str, object] = {"separator": "auto"}


case = tables("listed again")


def alike() -> Iterator[Case]:
    """What looks like a kind that is said, and is none."""
    for one, other in (("May", "June"), ("part", "whole"), ("camera", "lens"), ("1st class", "2nd class"), ("Roll", "Bread"), ("10.5 mm", "12.5 mm"), ("gt", "bmw"), ("a-1", "a-2"), ("v2020", "v2021"), ("mask", "helmet"), ("label", "bottle"), ("evaluation", "report"), ("default", "custom"), ("trn", "bus"), ("Scan", "Photo of it"), ("level 1", "level 2"), ("11-20", "21-30"), ("2-3-1", "3-2-1"), ("MIT", "EOS"), ("noise", "no_noise"), ("list", "table")):  # fmt: skip
        yield Case(f"different classes {one} and {other}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), counts={one: ONE, other: ONE}, silent=True)  # fmt: skip
    for names in (("leaf_a{}.png", "stem_b{}.png"), ("IMG_{}_edit.png", "DSC_{}.png"), ("{}_cat.png", "x{}.png"), ("dog_{}.jpg", "dog_{}_big.jpg")):  # fmt: skip
        yield Case(f"names that are no sets: {' '.join(names)}", many(*(f"{kind}/{name}" for kind in ("cat", "dog") for name in names)), silent=True)  # fmt: skip
    yield Case("front and back of each thing", many("coin/{}_front.png", "coin/{}_back.png", "medal/{}_front.png"), notes=("images come in sets of 2 (_back, _front)",))  # fmt: skip
    yield Case("numbers and a text of something else", both(many("0/{}.png", "1/{}.png"), table("notes.txt", "taken in 2021\nby me\n"), table("requirements.txt", "torch==2.1\nnumpy\n"), table("log.json", '{"epochs": 10, "lr": 0.1}')), counts={"0": ONE, "1": ONE}, notes=("left out 3 files",))  # fmt: skip
    yield case("a label reject", "path,label,size\ni/a.png,reject,3\ni/b.png,ok,4\n", counts={"reject": (1, 0, 0), "ok": (1, 0, 0)}, silent=True)  # fmt: skip
    yield case("columns of yes and no that refuse nothing", "path,label,flash,indoor,exif\ni/a.png,cat,yes,no,1\ni/b.png,dog,no,yes,0\n", counts=EACH, silent=True)  # fmt: skip
    yield case("a column of train alone", "path,label,source\ni/a.png,cat,train\ni/b.png,dog,train\n", counts=EACH, silent=True)  # fmt: skip
    yield case("a column of train, test and other", "path,label,source\ni/a.png,cat,train\ni/b.png,dog,web\n", counts=EACH, silent=True)  # fmt: skip
    yield case("many classes of a few images", "path,label\n" + "".join(f"i/{n}.png,class {n // 2}\n" for n in range(40)), *(f"i/{n}.png" for n in range(40)), silent=True)  # fmt: skip
    yield case("R&D in a label", "path,label\ni/a.png,R&D\ni/b.png,AT&T; other\n", counts={"R&D": (1, 0, 0), "AT&T; other": (1, 0, 0)}, silent=True)  # fmt: skip
    yield case("braces in labels", "path,label\ni/a.png,{cat}\ni/b.png,{dog}\n", counts={"{cat}": (1, 0, 0), "{dog}": (1, 0, 0)}, silent=True)  # fmt: skip
    yield case("tildes in paths", "path,label\n~/i/a.png,cat\n~/i/b.png,dog\n", counts=EACH)
    yield case("carets in labels", "path,label\ni/a.png,x^2\ni/b.png,x^3\n", counts={"x^2": (1, 0, 0), "x^3": (1, 0, 0)}, silent=True)  # fmt: skip
    yield case("two colons in labels", "path,label\ni/a.png,std::a\ni/b.png,std::b\n", counts={"std::a": (1, 0, 0), "std::b": (1, 0, 0)}, silent=True)  # fmt: skip
    yield case("one field in most lines", "path,label\ni/a.png,cat\nnote\nanother\nmore\n", error="no label, or several")  # fmt: skip
    yield case("a folder column that is something else", "folder,path,label\nred,i/a.png,cat\nblue,i/b.png,dog\n", counts=EACH, silent=True)  # fmt: skip
    yield case("files of two numbers", "image,label\n1,cat\n01,dog\n", "i/1.png", "i/01.png", counts=EACH)
    yield case("a number that two files may mean", "image,label\n1,cat\n", "i/01.png", "i/001.png", error="2 files below it have that name")  # fmt: skip
    yield case("two suffixes of one name", "image,label\na.bmp,cat\n", "i/a.png", "i/a.jpg", error="2 files below it have that name")  # fmt: skip


def several() -> Iterator[Case]:
    """Tables of any number of labels."""
    both_of = {"cat": (1, 0, 0), "dog": (1, 0, 0)}
    yield case("CheXpert's blanks with several labels", "Path,Sex,Cardiomegaly,Edema\ni/a.png,F,1.0,\ni/b.png,M,,1.0\n", options=SEVERAL, counts={"Cardiomegaly": (1, 0, 0), "Edema": (1, 0, 0)})  # fmt: skip
    yield case("several labels and a split of any name", "path,labels,use\ni/a.png,cat|dog,train\ni/b.png,cat,test\n", options=SEVERAL, notes=("labels separated by a bar",))  # fmt: skip
    yield case("several labels in a folder and a file", "dir,file,tags\ni,a.png,cat\ni,b.png,dog\n", options=SEVERAL, counts=both_of)  # fmt: skip
    yield case("CelebA's list with several labels", "2\nSmiling Male\na.png  1 0\nb.png 0  1\n", file="list_attr.txt", options=SEVERAL, counts={"Smiling": (1, 0, 0), "Male": (1, 0, 0)})  # fmt: skip


def sidecars() -> Iterator[Case]:
    label = json.dumps({"label": "cat", "width": 3})
    yield Case("a JSON of labels for each image", both(many("photos/{}.jpg"), called(label.encode(), *(f"photos/{n}.json" for n in range(4)))), error="photos holds images but no class folders")  # fmt: skip
    yield Case("a text of labels for each image", both(many("photos/{}.jpg"), called(b"cat\n", *(f"photos/{n}.txt" for n in range(4)))), error="photos holds images but no class folders")  # fmt: skip
    yield Case("one table for all classes in each class folder", both(many(*CLASSES), table("cat/labels.csv", "file,label\n0.png,cat\n"), table("dog/labels.csv", "file,label\n0.png,dog\n")), counts=TWO, notes=("left out 2 files",))  # fmt: skip
    yield Case("metadata.csv in each class folder", both(many(*CLASSES), table("cat/metadata.csv", "file_name,label\n0.png,a\n1.png,b\n"), table("dog/metadata.csv", "file_name,label\n0.png,c\n")), counts=TWO, notes=("left out 2 files",))  # fmt: skip
    yield Case("metadata.csv beside and a train folder", both(many(*below("train")), table("metadata.csv", "file_name,label\ntrain/cat/0.png,cat\ntrain/dog/0.png,dog\n")), counts=EACH, notes=("6 images are not in metadata.csv",))  # fmt: skip
    yield Case("a README with a table", both(many(*CLASSES), table("README.md", "| file | label |\n| - | - |\n| cat/0.png | cat |\n")), counts=TWO)  # fmt: skip
    yield Case("a Croissant description", both(many(*CLASSES), table("croissant.json", '{"@context": {}, "distribution": []}'), files("dataset_infos.json", "dataset-metadata.json")), counts=TWO, notes=("left out 3 files",))  # fmt: skip
    yield Case("Hugging Face's data folder", many("data/train/cat/{}.png", "data/train/dog/{}.png", "data/test/cat/{}.png", "data/test/dog/{}.png"), counts=TESTED)  # fmt: skip


def more_folders() -> Iterator[Case]:
    yield Case("images of each split below the class in two levels", many(*(f"{kind}/{split}/{size}/{{}}.png" for kind in ("cat", "dog") for split in ("train", "val") for size in ("small", "large"))), error="give one of them")  # fmt: skip
    yield Case("splits with a suffix of the version", many(*below("train_v2"), *below("val_v2")), counts=GIVEN, split="given")  # fmt: skip
    yield Case("splits with the name of the set", many(*below("pets-train-set"), *below("pets-valid-set")), counts=GIVEN, split="given")  # fmt: skip
    yield Case("splits with their share", many(*below("train_80"), *below("test_20")), counts=TESTED)
    yield Case("splits in percent", many(*below("train 80%"), *below("val 20%")), counts=GIVEN, split="given")  # fmt: skip
    yield Case("splits with a date", many(*below("2024-01-01_train"), *below("2024-01-01_val")), counts=GIVEN, split="given")  # fmt: skip
    yield Case("train and its cleaned copy", many(*below("train"), *below("train_clean"), *below("test")), error="train_clean lies beside")  # fmt: skip
    yield Case("camel-case splits", many(*below("PetsTrain"), *below("PetsVal"), *below("PetsTest")), counts={"cat": (4, 4, 4), "dog": (4, 4, 4)})  # fmt: skip
    yield Case("learning and test", many(*below("learn"), *below("test")), problems=("learn and test are taken for classes, but hold the same folders",))  # fmt: skip
    yield Case("reference and query", many(*below("gallery"), *below("query")), problems=("gallery and query are the parts of a benchmark",))  # fmt: skip
    yield Case("users before classes in train", many("train/anna/cat/{}.png", "train/anna/dog/{}.png", "train/ben/cat/{}.png", "train/ben/dog/{}.png", "test/carl/cat/{}.png", "test/carl/dog/{}.png"), notes=("anna and ben are taken for classes, but hold the same folders (cat, dog)",))  # fmt: skip
    yield Case("a class of masks and one of images", many("with_mask/{}.png", "without_mask/{}.png", "mask_weared_incorrect/{}.png"), silent=True)  # fmt: skip
    yield Case("an animal's segments", many("cat/segmentation/{}.png", "cat/photos/{}.png", "dog/segmentation/{}.png", "dog/photos/{}.png"), counts=TWO, notes=("masks of images are left out: cat/segmentation, dog/segmentation",))  # fmt: skip
    yield Case("labels of bottles", many("labels/red/{}.png", "labels/blue/{}.png"), counts={"red": ONE, "blue": ONE}, notes=("labels is the only folder",))  # fmt: skip
    yield Case("a class with a folder labels of images alone", many("bottle/labels/{}.png", "can/{}.png"), counts={"bottle": ONE, "can": ONE}, notes=("bottle (labels)",))  # fmt: skip
    yield Case("depth in a folder of its own", many("cup/rgb/{}.png", "cup/depth/{}.png", "jar/rgb/{}.png", "jar/depth/{}.png"), notes=("hold the same folders (depth, rgb)",))  # fmt: skip
    yield Case("three wrappers and a readme in each", both(many(*below("a/b/c")), files("a/README.md", "a/b/LICENSE", "a/b/c/notes.txt")), counts=TWO, notes=("a/b/c is the only folder",))  # fmt: skip
    yield Case("a wrapper of a branch on GitHub", both(many("pets-main/data/cat/{}.png", "pets-main/data/dog/{}.png"), files("pets-main/src/a.py", "pets-main/.github/x.yml")), counts=TWO, notes=("pets-main/data is the only folder",))  # fmt: skip
    yield Case("a link to a folder of the same classes", both(many(*below("real")), link("latest", "real")), notes=("latest",))  # fmt: skip
    yield Case("a broken link for a class", both(many(*CLASSES), link("cow", "../elsewhere/cow")), counts=TWO, notes=("links to what is not there; repair them",))  # fmt: skip
    yield Case("class folders of Windows' names", many("NUL/{}.png", "LPT1/{}.png", "com0/{}.png"), silent=True)  # fmt: skip
    yield Case("a path of 3,000 bytes", many(f"cat/{'/'.join(['deep' * 50] * 14)}/{{}}.png", "dog/{}.png"), counts=TWO)  # fmt: skip
    yield Case("classes in three languages", many("犬/{}.png", "собака/{}.png", "الكلب/{}.png", "कुत्ता/{}.png"), silent=True)  # fmt: skip
    yield Case("a dot before a class", both(many(*CLASSES), called(image_bytes(), ".net/a.png")), counts=TWO, notes=(".net begins with a dot",))  # fmt: skip


def more_packed() -> Iterator[Case]:
    members = tuple(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4))
    for names in (("class1.zip", "class2.zip"), ("1.zip", "2.zip"), ("cat_1.zip", "cat_2.zip"), ("cat1.zip", "cat2.zip", "dog.zip")):  # fmt: skip
        yield Case(f"archives of classes, {names[0]}", files(*names), error="unpack each into a folder of its name")  # fmt: skip
    yield Case("a zip file of a table and a folder", zipped("x.zip", "images/a.png", "images/b.png", **{"labels.csv": b"file,label\nimages/a.png,cat\nimages/b.png,dog\n"}), root="x.zip", counts=EACH, notes=("the labels are those of labels.csv",))  # fmt: skip
    yield Case("a zip file of metadata in train", zipped("x.zip", "train/a.png", "train/b.png", **{"train/metadata.csv": b"file_name,label\na.png,cat\nb.png,dog\n"}), root="x.zip", counts=EACH)  # fmt: skip
    yield Case("a zip file of DICOM files", zipped("x.zip", **{"S1/IM1": bytes(128) + b"DICM" + bytes(99)}), root="x.zip", error="scans")  # fmt: skip
    yield Case("a zip file with a comment and an empty folder", _commented, root="x.zip", counts=TWO)
    yield Case("a zip file with names of spaces at their ends", zipped("x.zip", *(f"{name} /{n}.png" for name in ("cat", "dog") for n in range(4))), root="x.zip", counts={"cat ": ONE, "dog ": ONE})  # fmt: skip
    yield Case("a tar file beside class folders", both(many(*CLASSES), tarred("pets.tar", *members)), counts=TWO, notes=("1 .tar file is one of archives",))  # fmt: skip
    yield Case("packed images one by one", files("cat/a.jpg.gz", "dog/b.jpg.gz"), error="2 .gz files are archives; unpack them")  # fmt: skip


def _commented(folder: Path) -> None:
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.comment = b"made by me"
        archive.writestr("pets/empty/", b"")
        for name in ("cat", "dog"):
            for number in range(4):
                archive.writestr(f"pets/{name}/{number}.png", image_bytes())


def more_lists() -> Iterator[Case]:
    yield case(
        "a wide title",
        "Report,2024,by me\n\npath,label\ni/a.png,cat\ni/b.png,dog\n",
        error="no label column among Report, 2024, by me",
    )
    yield case("units below the columns", "path,label,size\n(text),(text),(kB)\ni/a.png,cat,3\ni/b.png,dog,4\n", error="files that do not exist:")  # fmt: skip
    yield case("semicolons and a title", f"Meine Vögel\npath;label\n{BODY.replace(',', ';')}", counts=EACH)
    yield case("a header in German", "Dateiname;Klasse;Aufteilung\ni/a.png;cat;Training\ni/b.png;cat;Validierung\n", counts={"cat": (1, 1, 0)}, split="given")  # fmt: skip
    yield case("a header in French", "fichier;espèce\ni/a.png;cat\ni/b.png;dog\n", counts=EACH)
    yield case("a header in Spanish", "archivo,etiqueta,conjunto\ni/a.png,cat,entrenamiento\ni/b.png,cat,prueba\n", counts={"cat": (1, 0, 1)})  # fmt: skip
    yield case("a header in Japanese", "ファイル名,ラベル\ni/a.png,cat\ni/b.png,dog\n", counts=EACH)
    yield case("labels first and numbers", "class_index,class_name,file_path\n0,cat,i/a.png\n1,dog,i/b.png\n", counts=EACH)  # fmt: skip
    yield case("a path with a query of a bucket", "url,label\nhttps://b.s3.amazonaws.com/i/a.png?X-Amz-Date=1&X=2,cat\nhttps://b.s3.amazonaws.com/i/b.png?X-Amz-Date=1,dog\n", counts=EACH)  # fmt: skip
    yield case("blob addresses of Azure", "path,label\nhttps://x.blob.core.windows.net/c/i/a.png,cat\nhttps://x.blob.core.windows.net/c/i/b.png,dog\n", counts=EACH)  # fmt: skip
    yield case(
        "paths of WSL", "path,label\n/mnt/c/Users/me/i/a.png,cat\n/mnt/c/Users/me/i/b.png,dog\n", counts=EACH
    )
    yield case("paths of Colab", "path,label\n/content/drive/MyDrive/i/a.png,cat\n/content/drive/MyDrive/i/b.png,dog\n", counts=EACH)  # fmt: skip
    yield case("paths of Kaggle", "path,label\n/kaggle/input/pets/i/a.png,cat\n/kaggle/input/pets/i/b.png,dog\n", counts=EACH)  # fmt: skip
    yield case("a list of Python's repr", "[('i/a.png', 'cat'), ('i/b.png', 'dog')]\n", file="t.txt", error="t.txt")  # fmt: skip
    yield case("JSON with comments", '// mine\n[{"file": "i/a.png", "label": "cat"}]\n', file="t.json", error="line 1: not JSON")  # fmt: skip
    yield case(
        "JSON of single quotes", "[{'file': 'i/a.png', 'label': 'cat'}]\n", file="t.json", error="not JSON"
    )
    yield case("JSON in UTF-16", json.dumps([{"file": "i/a.png", "label": "cat"}, {"file": "i/b.png", "label": "dog"}]).encode("utf-16"), file="t.json", counts=EACH)  # fmt: skip
    yield case("JSON lines called .json", '{"file": "i/a.png", "label": "cat"}\n{"file": "i/b.png", "label": "dog"}\n', file="t.json", counts=EACH)  # fmt: skip
    yield case("JSON of labels and numbers", '{"labels": {"0": "cat", "1": "dog"}, "data": [{"file": "i/a.png", "label": 0}, {"file": "i/b.png", "label": 1}]}', file="t.json", counts={"0": (1, 0, 0), "1": (1, 0, 0)})  # fmt: skip
    yield case("fast.ai's export with lists", "fname,labels\na.png,chair car\nb.png,car\nc.png,chair\n", "a.png", "b.png", "c.png", error="set task=multi_label")  # fmt: skip
    yield case("rows of several annotators", "path,label,annotator\ni/a.png,cat,x\ni/a.png,cat,y\ni/b.png,dog,x\n", notes=("1 lines repeat an image",))  # fmt: skip
    yield case("rows of annotators who differ", "path,label,annotator\ni/a.png,cat,x\ni/a.png,dog,y\n", error="as 'cat', and 'dog' here")  # fmt: skip


def all_alike() -> Iterator[Case]:
    """All of them."""
    for kind in (alike, several, sidecars, more_folders, more_packed, more_lists):
        yield from kind()
