# ruff: noqa: E501 - a case a line reads better
"""Tables of ranges of images, of several columns of labels, and of words that mean other things in English."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import (
    EACH,
    HALF,
    IMAGES,
    ONE,
    PAIRS,
    TWO,
    Case,
    both,
    called,
    files,
    many,
    table,
    tables,
)

NUMBERED = many("i/img_000{}.png", count=8)
SAID = ("ranges of the numbers in the names of images",)
FOUR = ("i/0.png", "i/1.png", "i/2.png", "i/3.png")
case = tables("wide")


def wide() -> Iterator[Case]:
    """Every case."""
    yield from _ranges()
    yield from _no_ranges()
    yield from _numbered_labels()
    yield from _other_languages()
    yield from _more_tables()


def _ranges() -> Iterator[Case]:
    for head, form in (
        ("from,to,label", "{},{},{}"), ("start,end,class", "{},{},{}"), ("start_frame,end_frame,species", "{},{},{}"),
        ("First Image,Last Image,label", "img_000{}.png,img_000{}.png,{}"), ("von;bis;Klasse", "{};{};{}"),
        ("label,frameStart,frameEnd", "{2},{0},{1}"), ("id,from,to,label,comment", "7,{},{},{},x"),
        ("frames,label", "{}-{},{}"), ("Bilder;Klasse", "{}\u2013{};{}"), ("image range\tlabel", "{} - {}\t{}"), ("from,to,label", "{}.0,{}.0,{}"),
    ):  # fmt: skip
        text = "\n".join((head, form.format(0, 3, "cat"), form.format(4, 7, "dog"))).encode()
        yield Case(f"wide: ranges in {head}, like {form}", both(NUMBERED, called(text, "t.csv")), root="t.csv", counts=TWO, notes=SAID)  # fmt: skip
    plain = b"from,to,label\n0,3,cat\n4,7,dog\n"
    yield Case("wide: a table of ranges beside images", both(many("images/{}.jpg", count=8), called(plain, "labels.csv")), counts=TWO, notes=SAID)  # fmt: skip
    yield Case("wide: a table of ranges in annotations", both(many("images/{}.jpg", count=8), called(plain, "annotations/labels.csv")), counts=TWO, notes=SAID)  # fmt: skip
    yield Case("wide: a table of ranges with splits", both(NUMBERED, called(b"from,to,label,split\n0,1,cat,train\n2,3,cat,val\n4,5,dog,train\n6,7,dog,val\n", "t.csv")), root="t.csv", counts={"cat": (2, 2, 0), "dog": (2, 2, 0)}, split="given")  # fmt: skip
    yield Case("wide: ranges that leave images out", both(NUMBERED, called(b"from,to,label\n0,1,cat\n6,9,dog\n", "t.csv")), root="t.csv", counts=PAIRS, notes=SAID)  # fmt: skip
    yield Case("wide: a range without images", both(NUMBERED, called(plain + b"90,99,fox\n", "t.csv")), root="t.csv", counts=TWO, notes=("no image has a number in the range of line 4",))  # fmt: skip
    yield Case("wide: ranges that overlap", both(NUMBERED, called(b"from,to,label\n0,4,cat\n4,7,dog\n", "t.csv")), root="t.csv", error="is already in line 2, as 'cat'")  # fmt: skip
    yield Case("wide: ranges that overlap with several labels", both(NUMBERED, called(b"from,to,label\n0,4,cat\n4,7,dog\n", "t.csv")), root="t.csv", options={"separator": "auto"}, notes=("1 of 8 images have several labels",))  # fmt: skip
    unclear = "columns from and to are ranges of numbers, and the images are not called by numbers"
    yield Case("wide: ranges of two videos", both(many("a/{}.png", "b/{}.png"), called(plain, "t.csv")), root="t.csv", error=unclear)  # fmt: skip
    yield Case("wide: ranges of images with names", both(files(*IMAGES), called(plain, "t.csv")), root="t.csv", error=unclear)  # fmt: skip
    yield Case("wide: ranges of images with names, beside them", both(files(*IMAGES), called(plain, "t.csv")), counts={"i": HALF}, notes=(f"i is taken for the one class, and t.csv is not read: {unclear}",))  # fmt: skip


def _no_ranges() -> Iterator[Case]:
    years = (
        "id,start_year,end_year,label\n0,1990,1999,cat\n1,1990,2000,dog\n2,1991,1992,cat\n3,1990,1999,dog\n"
    )
    yield case("years are no ranges", years, *FOUR, counts=PAIRS)
    yield case("times of a video beside names of images", "image,start,end,label\ni/a.png,0,3,cat\ni/b.png,4,7,dog\n", silent=True, counts=EACH)  # fmt: skip
    yield case("ages beside numbers of images", "id,age,label\n0,0-10,cat\n1,11-20,dog\n", "i/0.png", "i/1.png", counts=EACH)  # fmt: skip
    yield case("names of images that look like ranges", "image,label\n1-1,cat\n1-2,dog\n", "i/1-1.png", "i/1-2.png", counts=EACH)  # fmt: skip


def _numbered_labels() -> Iterator[Case]:
    body = "i/0.png,cat,dog\ni/1.png,cat,\ni/2.png,dog,\ni/3.png,dog,cat\n"
    several: dict[str, object] = {"options": {"separator": "auto"}, "notes": ("2 of 4 images have several labels, up to 2",)}  # fmt: skip
    for head in ("path,label_1,label_2", "path,Label1,Label2", "path,tag_1,tag_2", "path,label 1,label 2", "path,labels[0],labels[1]", "path,class_0,class_1", "path,species_1,species_2"):  # fmt: skip
        first, second = head.split(",")[1:]
        yield case(f"several labels in {head}", f"{head}\n{body}", *FOUR, error=f"columns {first}, {second} have several labels of an image, the first: cat and dog; set task=multi_label")  # fmt: skip
        yield case(f"several labels in {head}, wanted", f"{head}\n{body}", *FOUR, **several)
    head = "path,label_1,label_2\n"
    yield Case("wide: several labels in columns beside images", table("labels.csv", head + body, *FOUR), error="columns label_1, label_2 have several labels")  # fmt: skip
    yield Case("wide: several labels in columns beside images, wanted", table("labels.csv", head + body, *FOUR), **several)  # type: ignore[arg-type] # fmt: skip
    said = ("columns label_1, label_2 are taken for the labels of an image",)
    yield case("one label in one of two columns", f"{head}i/0.png,cat,\ni/1.png,,cat\ni/2.png,dog,dog\ni/3.png,dog,\n", *FOUR, counts=PAIRS, notes=said)  # fmt: skip
    yield case("label and label_2", f"path,label,label_2\n{body}", *FOUR, counts=PAIRS, notes=("column label is read; if label, label_2 all are labels",))  # fmt: skip
    yield case("label and label_2, wanted", f"path,label,label_2\n{body}", *FOUR, **several)
    yield case("a label beside tags with numbers", f"path,tag_1,tag_2,label\n{body.replace(chr(10), ',x' + chr(10))}", *FOUR, counts={"x": ONE}, silent=True)  # fmt: skip
    yield case("corners of boxes are no labels", "path,x1,y1,x2,y2,class\ni/a.png,1,2,3,4,cat\ni/b.png,1,2,3,4,dog\n", counts=EACH, silent=True)  # fmt: skip
    yield case("a column of 0 and 1 for each class with a number", "path,class_0,class_1\ni/a.png,1,0\ni/b.png,0,1\n", counts={"0": (1, 0, 0), "1": (1, 0, 0)})  # fmt: skip
    yield case("votes for classes with numbers", "path,class1,class2,class3\ni/a.png,5,0,1\ni/b.png,0,4,2\n", error="no label column among path, class1, class2, class3")  # fmt: skip
    yield case("types of which some things have two", "Name,Type1,Type2,Image\nA,cat,dog,i/a.png\nB,dog,,i/b.png\n", error="columns Type1, Type2 have several labels")  # fmt: skip
    yield case("shares of classes with numbers", "path,class_0,class_1\ni/a.png,.1,.9\ni/b.png,.7,.3\n", error="class_0, class_1 are shares that add up to 1")  # fmt: skip


def _other_languages() -> Iterator[Case]:
    body = "i/0.png,cat,x\ni/1.png,cat,x\ni/2.png,dog,y\ni/3.png,dog,z\n"
    for one in ("art", "specie"):
        yield case(f"{one} alone", f"path,{one}\n{body}".replace(",x", "").replace(",y", "").replace(",z", ""), *FOUR, counts=PAIRS)  # fmt: skip
        yield case(f"{one} beside notes", f"path,{one},note\ni/0.png,cat,a\ni/1.png,cat,b\ni/2.png,dog,c\ni/3.png,dog,d\n", *FOUR, counts=PAIRS)  # fmt: skip
        unclear = f"call the one with the classes label ({one}, style repeat their values, as classes do)"
        yield case(
            f"{one} beside a style", f"path,{one},style\n{body.replace('z', 'y')}", *FOUR, error=unclear
        )
        yield case(f"{one} and a genre, yes or no", f"path,{one},genre\ni/0.png,1,cat\ni/1.png,0,cat\ni/2.png,0,dog\ni/3.png,1,dog\n", *FOUR, error="call the one with the classes label")  # fmt: skip
        yield case(
            f"{one} beside a label", f"path,{one},label\ni/a.png,oil,cat\ni/b.png,ink,dog\n", counts=EACH
        )
        yield case(f"{one} or photo", f"path,{one},photo\ni/a.png,1,0\ni/b.png,0,1\n", counts={one: (1, 0, 0), "photo": (1, 0, 0)})  # fmt: skip
    yield case("Art of a German table with places", "Datei;Art;Ort\ni/0.png;cat;Ulm\ni/1.png;cat;Bonn\ni/2.png;dog;Ulm\ni/3.png;dog;Bonn\n", *FOUR, counts=PAIRS)  # fmt: skip
    yield case("specie of an Italian table with places", "nome file;specie;luogo\ni/0.png;cat;Pisa\ni/1.png;cat;Roma\ni/2.png;dog;Pisa\ni/3.png;dog;Roma\n", *FOUR, counts=PAIRS)  # fmt: skip


def _more_tables() -> Iterator[Case]:
    """Of databases, spreadsheets and labelling tools."""
    below = ("is taken for a footnote: left out",)
    yield case("psql's count of rows", "  path   | label \n---------+-------\n i/a.png | cat\n i/b.png | dog\n(2 rows)\n", counts=EACH, notes=below)  # fmt: skip
    yield case("a source below the rows", "path,label\ni/a.png,cat\ni/b.png,dog\n\nSource: museum of X\n", counts=EACH, notes=below)  # fmt: skip
    yield case("a last image that nobody has labelled", "path,label\ni/0.png,cat\ni/1.png,dog\ni/2.png,\n", *FOUR, counts=EACH, notes=("names an image and no class",))  # fmt: skip
    yield case("a last image by number that nobody has labelled", "id,label\n0,cat\n1,dog\n2,cat\n3,dog\n4,\n", *(f"i/{n}.png" for n in range(5)), counts=PAIRS, notes=("1 line names an image and no class",))  # fmt: skip
    yield case("last images by number that nobody has labelled", "id,label\n0,cat\n1,dog\n2,cat\n3,dog\n4,\n5,\n6,\n", *(f"i/{n}.png" for n in range(7)), counts=PAIRS, notes=("3 lines name an image and no class",))  # fmt: skip
    choices = 'image,choice\ni/a.png,cat\ni/b.png,"{""choices"": [""cat"", ""dog""]}"\n'
    yield case("several choices of Label Studio in a cell", choices, error="column choice has several labels of an image, the first: cat, dog")  # fmt: skip
    yield case("one choice of Label Studio in each cell", choices.replace(', ""dog""', "").replace("i/a.png,cat", 'i/a.png,"{""choices"": [""dog""]}"'), counts=EACH)  # fmt: skip
    yield Case("how many images each class has, beside images", both(many("{}.jpg", count=8), table("notes.csv", "class,count\ncat,4\ndog,3\n")), error="holds images but no class folders")  # fmt: skip
    pairs = [[f"00000/img{number}.png", number % 2] for number in range(4)]
    yield Case("StyleGAN's dataset.json", both(many("00000/img{}.png"), table("dataset.json", json.dumps({"labels": pairs}))), counts={"0": HALF, "1": HALF}, notes=("00000 is not taken for a class: the labels are those of dataset.json",))  # fmt: skip
    yield Case("StyleGAN's dataset.json without labels", both(many("00000/img{}.png"), table("dataset.json", '{"labels": null}')), counts={"00000": ONE})  # fmt: skip
    pointer = b"version https://git-lfs.github.com/spec/v1\nsize 1\n"
    for name in ("labels.csv", "pets.zip"):
        yield Case(f"a Git LFS pointer called {name}", both(files(*IMAGES), called(pointer, name)), root=name, error="a Git LFS pointer; run git lfs pull")  # fmt: skip
    yield Case("a Git LFS pointer of a table beside images", both(files(*IMAGES), called(pointer, "labels.csv")), counts={"i": HALF}, notes=("i is taken for the one class, and labels.csv is a Git LFS pointer; run git lfs pull",))  # fmt: skip
    yield Case("a table of labels that are noisy", both(many("train/cat/{}.jpg", "val/cat/{}.jpg"), called(b"path,label\ntrain/cat/0.jpg,dog\n", "noisy_labels.csv")), counts={"cat": (4, 4, 0)})  # fmt: skip
    yield Case("pos, neg and test", many("pos/{}.jpg", "neg/{}.jpg", "test/{}.jpg"), counts={"neg": ONE, "pos": ONE, "test": ONE}, notes=("test is taken for a class; if it is a split",))  # fmt: skip
    yield Case("classes valid and faulty", many("valid/{}.jpg", "faulty/{}.jpg"), counts={"faulty": ONE, "valid": ONE}, silent=True)  # fmt: skip
    yield Case("a virtual environment beside classes", both(many("cat/{}.jpg", "dog/{}.jpg"), files("venv/bin/python", "venv/share/x.png")), counts=TWO, silent=True)  # fmt: skip
