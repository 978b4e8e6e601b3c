# ruff: noqa: E501 - a case a line reads better
"""Folders as people collect them: telephones, clouds, downloads, boxes beside images; and what looks like one."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    EACH,
    GIVEN,
    HALF,
    ONE,
    PAIRS,
    TWO,
    Case,
    Make,
    below,
    both,
    called,
    files,
    image_bytes,
    link,
    many,
    table,
    zipped,
)


def labelme(*labels: str, **flags: bool) -> str:
    """labelme's file of an image."""
    shapes = [{"label": label, "points": [[0, 0], [3, 3]], "shape_type": "rectangle"} for label in labels]
    return json.dumps({"version": "5.4", "flags": flags, "shapes": shapes, "imagePath": "x.jpg", "imageData": None})  # fmt: skip


def voc(*labels: str) -> str:
    """Pascal VOC's file of an image."""
    objects = "".join(f"<object><name>{label}</name><bndbox><xmin>1</xmin></bndbox></object>" for label in labels)  # fmt: skip
    return f"<?xml version='1.0'?>\n<annotation><folder>x</folder><filename>x.jpg</filename>{objects}</annotation>"


def supervisely(*labels: str, tags: tuple[str, ...] = ()) -> str:
    """Supervisely's file of an image."""
    return json.dumps({"description": "", "tags": [{"name": tag} for tag in tags], "size": {"height": 16}, "objects": [{"classTitle": label} for label in labels]})  # fmt: skip


def beside(pattern: str, images: str, *texts: str) -> Make:
    """Images and a file for each of them; {} is its number."""
    return both(
        *(table(pattern.format(n), text, images.format(n)) for n, text in enumerate(texts))
    )  # fmt: skip


def boxes() -> Iterator[Case]:
    said = ("no class folders: an image has the class of the boxes beside it, and is used as a whole",)
    four = ("cat", "dog", "cat", "dog")
    for name, text, suffix in (
        ("labelme's outlines", labelme, "json"), ("Pascal VOC's boxes", voc, "xml"), ("Supervisely's boxes", supervisely, "json"),
    ):  # fmt: skip
        yield Case(f"{name} of one class", beside(f"{{}}.{suffix}", "{}.jpg", *map(text, four)), counts=PAIRS, notes=said)  # fmt: skip
        yield Case(f"{name}, two of one class", beside(f"{{}}.{suffix}", "{}.jpg", *(text(one, one) for one in four)), counts=PAIRS, notes=said)  # fmt: skip
        yield Case(f"{name} of two classes", beside(f"{{}}.{suffix}", "{}.jpg", text("cat", "dog"), *map(text, four)), error="looks like boxes for object detection")  # fmt: skip
        yield Case(f"{name} of two classes, several labels", beside(f"{{}}.{suffix}", "{}.jpg", text("cat", "dog"), *map(text, four)), options={"separator": "auto"}, notes=("1 of 5 images have several labels",))  # fmt: skip
        yield Case(f"{name} in a folder of their own", beside(f"annotations/{{}}.{suffix}", "images/{}.jpg", *map(text, four)), counts=PAIRS, notes=said)  # fmt: skip
        yield Case(f"{name} in splits", both(*(beside(f"{split}/{{}}.{suffix}", f"{split}/{{}}.jpg", *map(text, four)) for split in ("train", "valid"))), counts={"cat": (2, 2, 0), "dog": (2, 2, 0)}, split="given", notes=said)  # fmt: skip
        yield Case(f"{name}, none in an image", beside(f"{{}}.{suffix}", "{}.jpg", *map(text, four), text()), counts=PAIRS, notes=("1 image has no boxes: left out",))  # fmt: skip
        yield Case(f"{name} for half of the images", both(beside(f"{{}}.{suffix}", "{}.jpg", *map(text, four)), many("x{}.jpg")), counts=PAIRS, notes=("4 images have no boxes: left out",))  # fmt: skip
        yield Case(f"{name} within class folders", both(beside(f"cat/{{}}.{suffix}", "cat/{}.jpg", *(text("whisker") for _ in four)), many("dog/{}.jpg")), counts=TWO, notes=("left out 4 files",))  # fmt: skip
        yield Case(f"{name} within one class folder", beside(f"cat/{{}}.{suffix}", "cat/{}.jpg", *map(text, four)), counts={"cat": ONE})  # fmt: skip
        yield Case(f"{name} and a class for all", beside(f"{{}}.{suffix}", "{}.jpg", *map(text, four)), options={"class_name": "pet"}, counts={"pet": ONE})  # fmt: skip
    yield Case("labelme's flags", beside("{}.json", "{}.jpg", labelme(cat=True, dog=False), labelme(cat=False, dog=True), labelme(cat=True), labelme(dog=True)), counts=PAIRS)  # fmt: skip
    yield Case("Supervisely's tags", beside("ann/{}.jpg.json", "img/{}.jpg", *(supervisely(tags=(one,)) for one in four)), counts=PAIRS)  # fmt: skip
    yield Case("Pascal VOC's folders", both(beside("VOC2012/Annotations/{}.xml", "VOC2012/JPEGImages/{}.jpg", *map(voc, four)), files("VOC2012/ImageSets/Main/train.txt")), counts=PAIRS, notes=said)  # fmt: skip
    yield Case("a text for each image", beside("{}.txt", "{}.jpg", *four), counts=PAIRS)  # fmt: skip
    yield Case("settings of an editor for each image", beside("{}.json", "{}.jpg", *(json.dumps({"exposure": n}) for n in range(4))), error="holds images but no class folders")  # fmt: skip
    bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><annotation><object><name>&b;</name></object></annotation>"  # fmt: skip
    yield Case("boxes with entities of XML", beside("{}.xml", "{}.jpg", bomb, bomb), error="looks like boxes")
    yield Case("broken boxes of XML", beside("{}.xml", "{}.jpg", "<annotation><object>", "<annotation>"), error="looks like boxes")  # fmt: skip


def names() -> Iterator[Case]:
    form = unicodedata.normalize
    for word in ("Käfer", "café", "Šváb", "パン", "한국", "Ñandú"):
        mac, other = form("NFD", word), form("NFC", word)
        yield Case(f"{word} in train, and in val as a Mac writes it", many(f"train/{other}/{{}}.png", f"val/{mac}/{{}}.png"), counts={other: (4, 4, 0)}, split="given", notes=(f"{other}: written in two Unicode forms",))  # fmt: skip
    mac = form("NFD", "Käfer")
    yield Case("a class in both forms side by side", many(f"{mac}/{{}}.png", "K\u00e4fer/{}.png", "dog/{}.png"), counts={"K\u00e4fer": (6, 2, 0), "dog": ONE}, notes=("written in two Unicode forms",))  # fmt: skip
    yield Case("a class as a Mac writes it alone", many(f"{mac}/{{}}.png", "dog/{}.png"), counts={mac: ONE, "dog": ONE}, silent=True)  # fmt: skip
    yield Case("a table with both forms", table("t.csv", f"path,label\na.png,{mac}\nb.png,K\u00e4fer\n", "a.png", "b.png"), root="t.csv", counts={"K\u00e4fer": HALF}, notes=("written in two Unicode forms",))  # fmt: skip
    yield Case("several labels in both forms", table("t.csv", f"path,label\na.png,{mac}|dog\nb.png,K\u00e4fer\nc.png,dog\n", "a.png", "b.png", "c.png"), root="t.csv", options={"separator": "auto"}, notes=("written in two Unicode forms",))  # fmt: skip
    for one, other in (("Cat", "cat"), ("golden_retriever", "golden-retriever"), ("gold fish", "gold_fish"), ("cat ", "cat"), ("T-shirt", "t shirt")):  # fmt: skip
        yield Case(f"{one!r} in train, {other!r} in val", many(f"train/{one}/{{}}.png", f"val/{other}/{{}}.png"), problems=("are one class in two spellings",))  # fmt: skip
    yield Case("cats in train, cat in val", many("train/cats/{}.png", "val/cat/{}.png"), problems=("class 'cat' is in val but not in train; is it 'cats'?",))  # fmt: skip
    yield Case("01_cat in train, cat in val", many("train/01_cat/{}.png", "val/cat/{}.png"), problems=("is it '01_cat'?",))  # fmt: skip
    for one, other in (("🐱 cats", "🐶 dogs"), ("n01443537", "n02123045"), ("n01443537-goldfish", "n02123045-tabby"), ("goldfish, Carassius auratus", "tench, Tinca tinca"), ("true", "false"), ("Class 1", "Class 2"), ("Österreich", "Osterreich"), ("resume", "résumé"), ("5-star", "4-star"), ("A", "C"), ("ケーキ", "けいき"), ("naïve", "native")):  # fmt: skip
        yield Case(f"classes {one} and {other} of somebody", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), counts={one: ONE, other: ONE}, silent=True)  # fmt: skip
    for name in ("instance_images", "class_images", "class-imgs", "reg images", "regularization_images"):
        yield Case(f"DreamBooth's {name}", many(f"{name}/{{}}.png", "dog/{}.png"), notes=(f"{name} is taken for a class",))  # fmt: skip
    for name in ("classic_images", "regular cars", "instances", "class", "reg"):
        yield Case(f"a class {name} beside dog", many(f"{name}/{{}}.png", "dog/{}.png"), counts={name: ONE, "dog": ONE}, silent=True)  # fmt: skip
    yield Case("three words at the beginning of names", many("cat{}.jpg", "dog{}.jpg", "owl{}.jpg"), error="their names begin with cat, dog and owl: data.class_from=names")  # fmt: skip


def telephones() -> Iterator[Case]:
    two = {"me": ONE, "you": ONE}
    yield Case("WhatsApp's names on a computer and on a telephone", files(*(f"me/WhatsApp Image 2023-05-0{n} at 10.11.1{n} AM ({n}).jpeg" for n in range(4)), *(f"you/IMG-20230501-WA000{n}.jpg" for n in range(4))), counts=two, silent=True)  # fmt: skip
    yield Case("Signal's and Telegram's names", files(*(f"me/signal-2023-05-01-10111{n}_002.jpeg" for n in range(4)), *(f"you/photo_2023-05-01_10-11-1{n}.jpg" for n in range(4))), counts=two, silent=True)  # fmt: skip
    yield Case("screenshots with a narrow space before AM", files(*(f"me/Screenshot 2023-05-01 at 10.11.1{n}\u202fAM.png" for n in range(4)), *(f"you/Bildschirmfoto 2023-05-01 um 10.11.1{n}.png" for n in range(4))), counts=two, silent=True)  # fmt: skip
    yield Case("Pixel's motion photos and portraits", files(*(f"me/PXL_20230501_10111{n}.MP.jpg" for n in range(4)), *(f"you/PXL_20230501_10111{n}.PORTRAIT-01.COVER.jpg" for n in range(4))), counts=two, silent=True)  # fmt: skip
    yield Case("Samsung's bursts", files(*(f"me/20230501_101112_{n:03}.jpg" for n in range(4)), *(f"you/20230501_101112({n}).jpg" for n in range(4))), counts=two, silent=True)  # fmt: skip
    live = both(*(called(image_bytes("jpg"), f"{who}/IMG_000{n}.JPG") for who in ("me", "you") for n in range(4)), files(*(f"me/IMG_000{n}.MOV" for n in range(4)), *(f"me/IMG_000{n}.AAE" for n in range(2))))  # fmt: skip
    yield Case("live photos with their videos and edits", live, counts=two, notes=("left out 6 files that are not images (4 .mov, 2 .aae)", "videos; save frames of them"))  # fmt: skip
    yield Case("copies of a browser, Windows and a Mac", both(*(called(image_bytes("jpg"), f"me/{name}") for name in ("a.jpg", "a (1).jpg", "a copy.jpg", "a - Copy.jpg")), many("you/{}.jpg")), counts=two, notes=("3 images are copies",))  # fmt: skip
    same = image_bytes("jpg")
    yield Case("the same image under a copy's name", both(called(same, "me/a.jpg", "me/a (1).jpg"), many("me/{}.jpg", "you/{}.jpg", count=3)), notes=("2 images are copies",))  # fmt: skip
    yield Case("conflicts of OneDrive, Dropbox and Syncthing", files("me/a.jpg", "me/a-DESKTOP-1A2B3C4.jpg", "me/a (Ann's conflicted copy 2023-01-01).jpg", "me/a.sync-conflict-20230101-101010-ABCDEFG.jpg", *(f"you/{n}.jpg" for n in range(4))), counts=two, silent=True)  # fmt: skip
    yield Case("Nextcloud's placeholders", both(many("me/{}.jpg", "you/{}.jpg"), files("me/b.jpg.nextcloud", ".owncloudsync.log", "you/.sync_1a2b.db")), counts=two, notes=("left out 1 file that is not an image (1 .nextcloud)",))  # fmt: skip
    yield Case("Syncthing's own files", both(many("me/{}.jpg", "you/{}.jpg"), files(".stfolder/x", "me/.syncthing.b.jpg.tmp", ".stignore")), counts=two, silent=True)  # fmt: skip
    yield Case("two suffixes of each kind", files("me/a.jpg.jpg", "me/b.JPG.jpeg", "me/c.heic.jpg", "me/d.png.PNG", *(f"you/{n}.JPG" for n in range(4))), counts=two, silent=True)  # fmt: skip
    yield Case("a vacation's moments of a Mac", many("Berlin, 5 May 2023/{}.jpg", "Paris, 6 May 2023/{}.jpg"), counts={"Berlin, 5 May 2023": ONE, "Paris, 6 May 2023": ONE})  # fmt: skip
    yield Case("TGA textures", both(*(called(_tga(n), f"{kind}/{n}.tga") for kind in ("me", "you") for n in range(4))), counts=two)  # fmt: skip
    yield Case("a scan behind a line end of PHP", both(many("me/{}.jpg", count=3), called(b"\n" + image_bytes("jpg"), "me/x.jpg"), many("you/{}.jpg")), counts=two, silent=True)  # fmt: skip


def _tga(number: int) -> bytes:
    """A TGA of 8 x 8 pixels of one colour."""
    return (
        bytes((0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 24, 0)) + bytes((number, 90, 3 * number)) * 64
    )


def downloads() -> Iterator[Case]:
    labels = "file,label\n0.jpg,cat\n1.jpg,dog\n"
    yield Case("labels.csv beside images.zip, as data.root", both(zipped("images.zip", "0.jpg", "1.jpg"), table("labels.csv", labels)), root="labels.csv", error="if images.zip holds them, unpack it, or give its folder")  # fmt: skip
    yield Case("Downloads with an archive, its content and other files", both(many(*below("Downloads/pets")), zipped("Downloads/pets.zip", "pets/cat/0.png"), files("Downloads/invoice.pdf", "Downloads/setup.exe")), counts=TWO, notes=("Downloads/pets is the only folder",))  # fmt: skip
    yield Case("a project with its notebook", both(many(*below("work/pets")), files("work/train.ipynb", "work/requirements.txt", "work/src/model.py", "work/.git/HEAD")), counts=TWO, notes=("pets is the only folder with images: entered",))  # fmt: skip
    one = many("goldfish/{}.jpg")
    yield Case("one class folder whose class is given", one, options={"class_name": "Goldfish"}, counts={"goldfish": ONE})  # fmt: skip
    yield Case("one class folder whose class is given otherwise", one, options={"class_name": "lemon"}, error="data.class_name=lemon does not apply")  # fmt: skip
    yield Case("two class folders and a class", many(*CLASSES), options={"class_name": "cat"}, error="data.class_name=cat does not apply")  # fmt: skip
    yield Case("val and an archive of train", both(many(*below("val")), zipped("train.zip", "cat/0.png")), error="train.zip is an archive: unpack it")  # fmt: skip
    yield Case("Ultralytics' YAML as data.root", both(many(*below("train"), *below("val")), table("data.yaml", "path: .\ntrain: train\nval: val\nnc: 2\nnames: [cat, dog]\n")), root="data.yaml", error="data.yaml describes a data set; give its folder: data.root=")  # fmt: skip
    yield Case("a YAML of options as data.root", table("lr.yaml", "train: 3\nlr: 0.1\n"), root="lr.yaml", error="is a table of YAML")  # fmt: skip
    for name in (
        "img_{}_cat.jpg img_{}_dog.jpg",
        "{}__cat.jpg {}__dog.jpg",
        "2023-05-0{}-cat.jpg 2023-05-0{}-dog.jpg",
    ):
        yield Case(f"names like {name}", many(*name.split()), error="their names end in cat and dog: data.class_from=names")  # fmt: skip
    yield Case("names that end in edited alone", many("IMG_{}_edited.jpg", "DSC_{}.jpg"), error="or move them into a folder of that name")  # fmt: skip
    yield Case("one image as data.root, its class given", files("a.jpg"), root="a.jpg", options={"class_name": "goldfish"}, counts={"goldfish": (1, 0, 0)}, split="none")  # fmt: skip
    yield Case("one image without a class", files("a.jpg"), root="a.jpg", error="a.jpg is an image; give its folder, and what it shows")  # fmt: skip
    yield Case("one text, its class given", files("a.md"), root="a.md", options={"class_name": "goldfish"}, error="a.md is neither a folder nor a .csv")  # fmt: skip
    yield Case("a name in another case", many(*below("pets")), root="PETS", error="did you mean")
    yield Case("a folder above that is spelled wrongly", many(*below("Pictures/pets")), root="Picturs/pets", error="Pictures/pets?")  # fmt: skip
    yield Case(
        "a folder above in another case", many(*below("Data/pets")), root="data/pets", error="Data/pets?"
    )
    yield Case("backslashes of Windows", many(*below("data/pets")), root="data\\pets", error="data/pets?")
    yield Case("a split that is missing", many(*below("pets/train")), root="pets/trian", error="pets/train?")
    yield Case("a slash at the end", many(*below("pets")), root="pets/", counts=TWO, silent=True)
    yield Case("dots in the path", many(*below("pets")), root="pets/cat/../../pets", counts=TWO, silent=True)
    yield Case("a folder that may be read alone", both(many(*CLASSES), _read_only), counts=TWO, silent=True)
    yield Case("links to images elsewhere", both(many("store/{}.png", count=8), *(link(f"set/{kind}/{n}.png", f"../../store/{n}.png") for kind, first in (("cat", 0), ("dog", 4)) for n in range(first, first + 4))), root="set", counts=TWO, silent=True)  # fmt: skip
    yield Case("a link to nothing among images", both(many("cat/{}.png", "dog/{}.png"), link("cat/x.png", "gone.png")), notes=())  # fmt: skip
    yield Case("one image in each class of each split", many("train/cat/{}.png", "train/dog/{}.png", "val/cat/{}.png", "val/dog/{}.png", count=1), counts=PAIRS, split="given", silent=True)  # fmt: skip
    yield Case("Ultralytics' zip file", zipped("d.zip", *(f"d/{split}/{kind}/{n}.jpg" for split in ("train", "val", "test") for kind in ("cat", "dog") for n in range(4)), "d/README.dataset.txt", "__MACOSX/d/._train"), root="d.zip", counts={"cat": (4, 4, 4), "dog": (4, 4, 4)}, split="given")  # fmt: skip
    yield Case("Hugging Face's repository of folders", both(many(*below("train"), *below("validation")), files("README.md", ".gitattributes", "dataset_infos.json")), counts=GIVEN, split="given")  # fmt: skip
    yield Case("classes.txt beside its classes", both(many(*CLASSES), table("classes.txt", "cat\ndog\n")), counts=TWO, notes=("left out 1 file",))  # fmt: skip
    yield Case("a table whose names are in capitals", table("t.csv", "image,label\nA.JPG,cat\nB.JPG,dog\n", "a.jpg", "b.jpg"), root="t.csv", counts=EACH)  # fmt: skip


def _read_only(folder: Path) -> None:
    for path in (folder / "cat", folder / "dog"):
        os.chmod(path, 0o555)  # noqa: PTH101


def people() -> Iterator[Case]:
    """All of them."""
    for kind in (boxes, names, telephones, downloads):
        yield from kind()
