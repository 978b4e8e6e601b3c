# ruff: noqa: E501 - a case a line reads better
"""Folders that are called for their part in a data set, and labels that each class or each image has a file of."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import (
    CLASSES,
    HALF,
    ONE,
    PAIRS,
    TWO,
    Case,
    below,
    both,
    files,
    many,
    table,
    tarred,
    zipped,
)

BENCHMARK = "are the parts of a benchmark (search by image, few-shot learning), no classes"
SAME_NAMES = ("hold images of the same names",)
CALLED = ("plane", "ship")
OFTEN = (*(f"{number}.png" for number in range(8)),)


def roles() -> Iterator[Case]:
    """Every case."""
    yield from _benchmarks()
    yield from _versions()
    yield from _pairs()
    yield from _frames()
    yield from _dota_and_dlib()
    yield from _lists_of_classes()
    yield from _releases()
    yield from _domains()
    yield from _more_boxes()


def _benchmarks() -> Iterator[Case]:
    for names in (
        ("gallery", "query"),
        ("gallery", "probe"),
        ("reference", "query"),
        ("train", "query", "gallery"),
        ("support", "query"),
        ("bounding_box_train", "bounding_box_test", "query", "gt_bbox", "gt_query"),
        ("query_images", "database_images", "distractors"),
    ):
        yield Case(f"a benchmark of {' and '.join(names)}", many(*(f"{name}/{{}}_c1.jpg" for name in names)), problems=(BENCHMARK,))  # fmt: skip
    identities = many(
        *(f"{name}/{one}/{name}{{}}.jpg" for name in ("train", "gallery", "query") for one in ("1", "2"))
    )
    yield Case("identities in train, gallery and query", identities, problems=("give the one to train with, data.root=",))  # fmt: skip
    for one, other in (
        ("probe", "rocket"),
        ("probe", "test"),
        ("index", "glossary"),
        ("gallery", "museum"),
        ("support", "bracket"),
    ):
        yield Case(f"different classes {one} and {other}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), counts={one: ONE, other: ONE}, silent=other != "test")  # fmt: skip


def _versions() -> Iterator[Case]:
    for one, other in (
        ("v1", "v2"),
        ("v1.0", "v1.1"),
        ("version_1", "version_2"),
        ("pets_v1", "pets_v2"),
        ("Release 1", "Release 2"),
        ("rev3", "rev4"),
    ):
        yield Case(f"versions {one} and {other} of class folders", many(*below(one), *below(other)), problems=("called like versions of one data set and hold class folders (cat, dog)",))  # fmt: skip
        yield Case(f"versions {one} and {other} of images", many(f"{one}/{{}}.png", f"{other}/x{{}}.png"), counts={one: ONE, other: ONE}, notes=("but are called like versions",))  # fmt: skip
    yield Case("a version that has another class", many("v1/cat/{}.png", "v1/dog/{}.png", "v2/cat/{}.png", "v2/cow/{}.png"), problems=("hold class folders (cat)",))  # fmt: skip
    for one, other in (("v8", "w8"), ("cat v1", "dog v2"), ("rev", "v1"), ("dev1a", "v1b")):
        yield Case(f"different classes {one} and {other}", many(f"{one}/{{}}.png", f"{other}/x{{}}.png"), counts={one: ONE, other: ONE}, silent=True)  # fmt: skip
    for names in (("x2", "x4"), ("X2", "X3", "X4"), ("10x", "20x", "40x"), ("scale2", "scale4")):
        yield Case(f"scales {' and '.join(names)}", many(*(f"{name}/{{}}{name}.png" for name in names)), counts=dict.fromkeys(names, ONE), notes=("but are called like magnifications",))  # fmt: skip
    yield Case("magnifications of class folders", many(*below("40X"), *below("100X")), problems=("called like magnifications of one data set",))  # fmt: skip
    yield Case("wells of a plate", many("A01/{}.tif", "A02/{}.tif", "B11/{}.tif"), notes=("but are called like wells of a plate",))  # fmt: skip
    yield Case(
        "classes A1 and B2", many("A1/{}.png", "B2/{}.png"), counts={"A1": ONE, "B2": ONE}, silent=True
    )


def _pairs() -> Iterator[Case]:
    for one, other in (
        ("rain", "norain"),
        ("rainy", "clean"),
        ("hazy", "clear"),
        ("shadow", "shadow_free"),
        ("cover", "stego"),
    ):
        yield Case(f"pairs of {one} and {other}", many(f"{one}/{{}}.png", f"{other}/{{}}.png"), counts={one: ONE, other: ONE}, notes=SAME_NAMES)  # fmt: skip
        yield Case(f"pairs of {one} and {other} with their folders' names", many(f"{one}/{one}-{{}}.png", f"{other}/{other}-{{}}.png"), counts={one: ONE, other: ONE}, notes=SAME_NAMES)  # fmt: skip
    for one, other in (("mask", "no_mask"), ("A", "B"), ("fire", "nofire")):
        yield Case(f"classes {one} and {other} with their names in those of images", many(f"{one}/{one}{{}}.png", f"{other}/{other}{{}}.png"), counts={one: ONE, other: ONE}, silent=True)  # fmt: skip
    yield Case("a class and its augmented images", many("cat/{}.png", "cat_augmented/a{}.png", "dog/{}.png"), notes=("taken for two classes: cat and cat_augmented",))  # fmt: skip
    yield Case("a class to do", many(*CLASSES, "todo/{}.png"), counts={**TWO, "todo": ONE}, notes=("todo is taken for a class",))  # fmt: skip


def _frames() -> Iterator[Case]:
    one = many("cat/video1_frame000{}.png", "dog/video2_frame000{}.png", count=8)
    videos = ("frames of one video (cat/video1 and 1 more) are in train and in val",)
    yield Case(
        "frames of a video for each class", one, counts={"cat": (6, 2, 0), "dog": (6, 2, 0)}, notes=videos
    )
    given = many(
        *(f"{split}/{name}/v_frame{{}}.png" for split in ("train", "val") for name in ("cat", "dog"))
    )
    yield Case("frames of videos in splits", given, counts={"cat": (4, 4, 0), "dog": (4, 4, 0)}, silent=True)
    yield Case("classes of frames without a video", many("frame/{}.png", "window/{}.png"), counts={"frame": ONE, "window": ONE}, silent=True)  # fmt: skip
    bands = [f"scene{scene}/scene{scene}_B0{band}.tif" for scene in (1, 2, 3) for band in (2, 3, 4)]
    yield Case("a folder for each scene of a satellite", files(*bands), notes=("hold one set of images each (_B02, _B03, _B04)",))  # fmt: skip


def _dota_and_dlib() -> Iterator[Case]:
    def dota(folder: str, *names: str, head: str = "") -> tuple:  # type: ignore[type-arg]
        texts = (f"{head}1.0 2.0 9 2 9 7 1 7 {name} 0\n" for name in names)
        return tuple(table(f"{folder}/{place}.txt", text) for place, text in enumerate(texts))

    four = many("images/{}.png")
    for folder in ("labelTxt", "labelTxt-v1.0", "images"):
        for head in ("", "imagesource:GoogleEarth\ngsd:0.146\n"):
            yield Case(f"DOTA's lines in {folder}{' below a head' if head else ''}", both(four, *dota(folder, *CALLED * 2, head=head)), counts=dict(zip(CALLED, (HALF, HALF), strict=True)))  # fmt: skip
    mixed = (
        table(f"labelTxt/{place}.txt", "1 2 9 2 9 7 1 7 plane 0\n1 2 9 2 9 7 1 7 ship 1\n")
        for place in range(4)
    )
    yield Case("DOTA's boxes of several classes", both(four, *mixed), error="labelTxt looks like boxes for object detection, which are several classes in an image: task=multi_label")  # fmt: skip

    def dlib(*labels: str) -> str:
        boxes = [f"<label>{label}</label>" if label else "" for label in labels]
        images = "".join(
            f"<image file='images/{place}.png'><box top='1' left='1' width='5' height='5'>{box}</box></image>"
            for place, box in enumerate(boxes)
        )
        return f"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='a.xsl'?><dataset><name>x</name><images>{images}</images></dataset>"

    animals = ("cat", "dog") * 2
    read = ("read as a file of dlib's",)
    yield Case(
        "dlib's XML beside images", both(four, table("pets.xml", dlib(*animals))), counts=PAIRS, notes=read
    )
    yield Case("dlib's XML as data.root", both(four, table("pets.xml", dlib(*animals))), root="pets.xml", counts=PAIRS, notes=read)  # fmt: skip
    yield Case("dlib's XML without labels", both(four, table("faces.xml", dlib(*[""] * 4))), root="faces.xml", error="is a table of XML")  # fmt: skip


def _lists_of_classes() -> Iterator[Case]:
    eight = many("images/{}.png", count=8)
    for folder, suffix, head, shown in (
        ("", "txt", "", "{}.png"),
        ("lists/", "txt", "", "images/{}.png"),
        ("images/", "csv", "file\n", "{}.png"),
        ("classes/", "lst", "", "{}"),
    ):
        cat, dog = (
            head + "".join(shown.format(place) + "\n" for place in some) for some in (range(4), range(4, 8))
        )
        yield Case(f"a list {folder}cat.{suffix} and one of dogs", both(eight, table(f"{folder}cat.{suffix}", cat), table(f"{folder}dog.{suffix}", dog)), counts=TWO, notes=(f"the classes are those of cat.{suffix} and dog.{suffix}",))  # fmt: skip
    twice = both(eight, table("cat.txt", "\n".join(OFTEN[:5])), table("dog.txt", "\n".join(OFTEN[4:])))
    yield Case("an image in the lists of two classes", twice, error="is in the lists of cat and dog; set task=multi_label")  # fmt: skip
    yield Case("lists of classes that lack half of the images", both(eight, table("cat.txt", "0.png\n1.png"), table("dog.txt", "2.png\n3.png")), error="holds images but no class folders")  # fmt: skip
    yield Case("notes beside images", both(eight, files("todo.txt", "notes.txt")), error="holds images but no class folders")  # fmt: skip
    flags = {(name, split): "".join(f"0{place}  {1 if (place % 2 == 0) == (name == 'cat') else -1}\n" for place in places) for name in ("cat", "dog") for split, places in (("train", range(4)), ("val", range(4, 8)), ("trainval", range(8)))}  # fmt: skip
    voc = both(
        many("JPEGImages/0{}.jpg", count=8),
        *(table(f"ImageSets/Main/{name}_{split}.txt", text) for (name, split), text in flags.items()),
    )
    yield Case("VOC's lists of classes without boxes", voc, counts={"cat": (2, 2, 0), "dog": (2, 2, 0)}, split="given")  # fmt: skip


def _releases() -> Iterator[Case]:
    def release(name: str) -> tuple:  # type: ignore[type-arg]
        return tuple(
            table(
                f"releases/{name}/annotations/{place}.json",
                json.dumps({"annotations": [{"name": ("cat", "dog")[place % 2], "bounding_box": {}}]}),
            )
            for place in range(4)
        )

    four = many("images/{}.png")
    yield Case("V7's one release", both(four, *release("first")), counts=PAIRS)
    yield Case("V7's latest of two releases", both(four, *release("first"), *release("latest")), counts=PAIRS)
    yield Case("V7's two releases, none the latest", both(four, *release("first"), *release("second")), error="releases has 2 (first, second): leave one there, or call it latest")  # fmt: skip


def _domains() -> Iterator[Case]:
    office = many(
        *(f"{domain}/images/{name}/{{}}.jpg" for domain in ("amazon", "dslr") for name in ("bike", "mug"))
    )
    yield Case("domains of class folders below images", office, notes=("hold the same folders (bike, mug)",))
    raw = both(many("cat/{}.png", "dog/{}.png"), files("fox/0.CR2", "fox/1.NEF"))
    yield Case("a class of raw photos called like images", raw, problems=("fox holds no images (1 .cr2, 1 .nef); 2 files (.cr2, .nef) are camera raw files",))  # fmt: skip
    papers = many(*(f"images/images{one}/{one}/{{}}{one}.tif" for one in "ab"), count=8)
    tables = {split: "".join(f"images{one}/{one}/{place}{one}.tif {place % 2}\n" for one in "ab" for place in places) for split, places in (("train", range(6)), ("val", range(6, 8)))}  # fmt: skip
    yield Case("RVL-CDIP", both(papers, *(table(f"labels/{split}.txt", text) for split, text in tables.items())), counts={"0": (6, 2, 0), "1": (6, 2, 0)}, split="given")  # fmt: skip
    variants = {(kind, split): "".join(f"{place:02} {kind}{place % 2}\n" for place in places) for kind in ("variant", "family") for split, places in (("train", range(4)), ("test", range(4, 8)))}  # fmt: skip
    aircraft = both(
        many("images/0{}.jpg", count=8),
        *(table(f"images_{kind}_{split}.txt", text) for (kind, split), text in variants.items()),
    )
    yield Case("FGVC-Aircraft", aircraft, error="or data.root=")
    yield Case("FGVC-Aircraft's variants of train", aircraft, root="images_variant_train.txt", counts={"variant0": HALF, "variant1": HALF}, notes=("and not images_variant_test.txt",))  # fmt: skip
    yield Case("a lone folder beside attributes", both(many("aligned/0{}.jpg"), table("attributes.csv", "image_id,Male,Smiling\n" + "".join(f"0{place}.jpg,{1 - place % 2 * 2},-1\n" for place in range(4)))), notes=("aligned is taken for the one class; attributes.csv lists labels",))  # fmt: skip
    yield Case("Hugging Face's zip files of splits in data", both(files("data/x.txt"), zipped("data/train.zip", *(f"{name}/{place}.png" for name in ("cat", "dog") for place in range(4))), files("README.md")), counts=TWO)  # fmt: skip


def _more_boxes() -> Iterator[Case]:
    """Boxes that other programs write, and files beside class folders."""
    four = many("images/{}.png")

    def texts(folder: str, line: str) -> tuple:  # type: ignore[type-arg]
        return tuple(
            table(f"{folder}/{place}.txt", line.format(place % 2, ("cat", "dog")[place % 2]))
            for place in range(4)
        )

    yield Case("VisDrone's numbers", both(four, *texts("annotations", "684,8,273,116,0,{0},0,0\n")), error="annotations looks like boxes for object detection, which are not read")  # fmt: skip
    yield Case("numbers that semicolons part", both(four, *texts("images", "684;8;273;{0}\n")), error="holds images but no class folders")  # fmt: skip
    yield Case("a name and a box in pixels", both(four, *texts("images", "{1} 10 10 50 50\n")), counts=PAIRS)
    yield Case("a number and a box in pixels", both(four, *texts("images", "{0} 10 10 50 50\n")), error="holds images but no class folders")  # fmt: skip
    yield Case("boxes of KITTI", both(many("image_2/{}.png"), *texts("label_2", "{1} 0.00 0 -1.57 614.24 181.78 727.31 284.77 1.57 1.73 4.15 1.00 1.75 13.22 -1.62\n")), counts=PAIRS)  # fmt: skip

    def xml(folder: str, name: str) -> tuple:  # type: ignore[type-arg]
        return tuple(
            table(
                f"{folder}/{place}.xml",
                f"<annotation><objects><object>{name.format(('cat', 'dog')[place % 2])}</object></objects></annotation>",
            )
            for place in range(4)
        )

    yield Case("FAIR1M", both(four, *xml("labelXml", "<possibleresult><name>{}</name></possibleresult>")), counts=PAIRS)  # fmt: skip
    for folder in ("annotations", "labels", "xml"):
        yield Case(f"boxes in {folder} among the images", both(many("{}.png"), *xml(folder, "<name>{}</name>")), counts=PAIRS)  # fmt: skip
    yield Case("Cityscapes' train", many("leftImg8bit/train/a/a_{}_leftImg8bit.png", "gtFine/train/a/a_{}_gtFine_color.png"), problems=("gtFine looks like masks of the images in leftImg8bit",))  # fmt: skip
    partition = "".join(f"img/{place}.jpg {('train', 'val')[place % 2]}\n" for place in range(4))
    labels = "".join(f"img/{place}.jpg {place % 2}\n" for place in range(4))
    yield Case("a list of partitions beside labels", both(many("img/{}.jpg"), table("list_eval_partition.txt", partition), table("list_category_img.txt", labels)), counts={"0": HALF, "1": HALF}, notes=("list_eval_partition.txt is not read",))  # fmt: skip
    for name in ("cow.zip", "cow.tar.gz"):
        packed = zipped(name, "0.png") if name.endswith(".zip") else tarred(name, "0.png")
        yield Case(f"{name} beside class folders", both(many(*CLASSES), packed), counts=TWO, notes=(f"{name} is an archive, which is not read beside folders",))  # fmt: skip
    yield Case("annotations.zip beside class folders", both(many(*CLASSES), zipped("annotations.zip", "a.xml")), counts=TWO, notes=("left out 1 file",))  # fmt: skip
    for one, other in (("scene01", "scene02"), ("clip 1", "clip 2"), ("video_3", "video_4")):
        yield Case(f"folders {one} and {other}", many(f"{one}/{{}}.png", f"{other}/x{{}}.png"), counts={one: ONE, other: ONE}, notes=(f"{one}, {other} are taken for classes",))  # fmt: skip
