# ruff: noqa: E501 - a case a line reads better
"""Folders of other tasks, of one thing each, and of more tools, which were read as classes without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import (
    CLASSES,
    EACH,
    GIVEN,
    HALF,
    LABELS,
    ONE,
    PAIRS,
    THREE,
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
)
from visionlora.data.names.split_names import SPLITS

SIX = many("images/{}.jpg", count=6)
BOXES = ("no class folders: an image has the class of the boxes beside it",)
THREES = {"cat": (2, 1, 0), "dog": (2, 1, 0)}


def kinds() -> Iterator[Case]:
    """Every case."""
    yield from _pairs()
    yield from _one_each()
    yield from _names_of_files()
    yield from _splits()
    yield from _some_labelled()
    yield from _names_of_classes()
    yield from _exports()
    yield from _tables_of_other_classes()
    yield from _copies()


def _of_each(name: str, text: str, count: int = 6) -> Make:
    """A file of labels: ``{0}`` is a number, ``{1}`` its label, ``{2}`` the number of that."""
    return table(name, "".join(text.format(n, LABELS[n], n % 2) for n in range(count)))


def _yolo(folder: str, names: tuple[str, ...]) -> Make:
    return both(
        *(called(f"{n % 2} .5 .5 .2 .2\n".encode(), f"{folder}/{name}.txt") for n, name in enumerate(names))
    )


def _pairs() -> Iterator[Case]:
    for one, other in (
        ("input", "target"),
        ("rgb", "depth"),
        ("LR", "HR"),
        ("noisy", "clean"),
        ("inputs", "outputs"),
        ("source_images", "target_images"),
        ("visible", "infrared"),
    ):
        yield Case(
            f"pairs in {one} and {other}",
            many(f"{one}/{{}}.png", f"{other}/{{}}.png"),
            problems=("hold each thing once more (pairs for another task?)",),
        )
    yield Case(
        "pairs of other suffixes and names",
        many("input/{}_in.jpg", "target/{}_out.png"),
        problems=("input and target hold each thing once more",),
    )
    yield Case(
        "pairs in splits",
        many(*(f"{split}/{one}/{{}}.png" for split in ("train", "val") for one in ("input", "target"))),
        problems=("train/input, or a table",),
    )
    yield Case(
        "splits in pairs",
        many(*(f"{one}/{split}/{{}}.png" for split in ("train", "val") for one in ("input", "target"))),
        problems=("input and target hold each thing once more",),
    )
    for masks in ("ann", "labels_colored", "gt_color", "annot", "depth_maps", "semantic", "panoptic"):
        yield Case(
            f"images and masks called {masks}",
            many("img/{}.png", f"{masks}/{{}}.png"),
            problems=(f"{masks} looks like masks of the images in img",),
        )
    yield Case(
        "three channels",
        many("rgb/{}.png", "depth/{}.png", "thermal/{}.png"),
        problems=("depth, rgb and thermal hold each thing once more",),
    )
    yield Case(
        "input and target of unlike numbers are classes",
        both(many("input/{}.png"), many("target/{}.png", count=8)),
        counts={"input": ONE, "target": (6, 2, 0)},
    )
    for one, other in (
        ("A", "B"),
        ("before", "after"),
        ("left", "right"),
        ("vorher", "nachher"),
        ("image_2", "image_3"),
        ("cam0", "cam1"),
    ):
        yield Case(
            f"{one} and {other} of the same names",
            many(f"{one}/{{}}.png", f"{other}/{{}}.png"),
            counts={one: ONE, other: ONE},
            notes=(
                "are taken for classes, but hold images of the same names (0, 1, 2 and 1 more): pairs of images",
            ),
        )
        yield Case(
            f"{one} and {other} of other names",
            many(f"{one}/p{{}}.png", f"{other}/q{{}}.png"),
            counts={one: ONE, other: ONE},
            silent=not one[-1].isdigit(),
        )
    scenes = ("hall_17", "yard_204", "park_9", "lake_31")
    yield Case(
        "scenes in two folders",
        files(*(f"{one}/{name}.png" for one in ("day", "night") for name in scenes)),
        counts={"day": ONE, "night": ONE},
        notes=(
            "day and night are taken for classes, but hold images of the same names (hall_17, lake_31, park_9 and 1 more)",
        ),
    )
    yield Case(
        "classes whose images are counted", many("cat/IMG_{}.png", "dog/IMG_{}.png"), counts=TWO, silent=True
    )


def _one_each() -> Iterator[Case]:
    for name in ("patient_{}/scan.png", "B00{}X/main.jpg", "{}/{}.png", "3f2a{}c/slice.png"):
        yield Case(
            f"one image in each folder: {name}",
            many(name, count=6),
            notes=("6 of 6 class folders hold one image each",),
        )
    things = ("tiger", "ambulance", "pineapple", "flamingo", "broccoli", "accordion")
    yield Case(
        "one image of each thing",
        files(*(f"{name}/{name}.png" for name in things)),
        counts=dict.fromkeys(things, (1, 0, 0)),
        silent=True,
    )
    yield Case(
        "each thing in the same styles",
        files(*(f"{name}/{style}.png" for name in things for style in ("crayon", "flat", "pastel"))),
        counts=dict.fromkeys(things, (2, 1, 0)),
        silent=True,
    )
    yield Case(
        "two folders of one image",
        files("cat/a.png", "dog/b.png"),
        counts={"cat": (1, 0, 0), "dog": (1, 0, 0)},
        silent=True,
    )
    yield Case(
        "views of each patient",
        many(*(f"p{{}}/{view}.png" for view in ("axial", "coronal", "sagittal")), count=9),
        notes=("but hold images of the same names (axial, coronal, sagittal): one folder for each patient",),
    )
    yield Case(
        "folders that are called patients",
        many("patient1/a{}.png", "patient2/b{}.png"),
        notes=("patient1, patient2 are taken for classes; take them out",),
    )
    yield Case(
        "folders that are called by checksums",
        many("0123456789abcdef0123456789abcdef/a{}.png", "0123456789abcdef0123456789abcde0/b{}.png"),
        notes=("are taken for classes; take them out",),
    )
    yield Case(
        "patients in train, others in val",
        many(
            *(
                f"{split}/patient_{n}/{{}}.png"
                for split, some in (("train", (1, 2)), ("val", (3, 4)))
                for n in some
            )
        ),
        problems=("val and train have no class in common (patient_3, patient_4 and patient_1, patient_2)",),
    )


def _names_of_files() -> Iterator[Case]:
    names: dict[str, object] = {"class_from": "names"}
    faces = files(
        *(
            f"{age}_{gender}_{race}_2017010{n}.jpg"
            for age in (1, 30)
            for gender in (0, 1)
            for race in (0, 1)
            for n in (1, 2)
        )
    )
    yield Case(
        "UTKFace's names",
        faces,
        options=names,
        notes=(
            "before the last number in the name of each image: 1_0_0 in 1_0_0_20170101.jpg",
            "classes are several numbers each (1_0_0, 1_0_1, 1_1_0 and 5 more)",
        ),
    )
    yield Case("UTKFace without the option", faces, error="holds images but no class folders")
    yield Case(
        "angles of objects in names",
        files(*(f"{thing}_{angle}_{n}.png" for thing in (1, 2) for angle in (0, 90) for n in (1, 2))),
        options=names,
        notes=("classes are several numbers each (1_0, 1_90, 2_0 and 1 more)",),
    )
    yield Case(
        "half as many names as images",
        files(*(f"{name}_{n}.png" for name in ("anna", "ben", "carl", "dora", "emil") for n in (1, 2))),
        options=names,
        notes=("10 images have 5 classes (anna, ben, carl and 2 more); if the names say something else",),
    )
    yield Case(
        "cats and dogs by their names",
        many("cat.{}.jpg", "dog.{}.jpg"),
        options=names,
        counts=TWO,
        notes=("before the number in the name of each image: cat in cat.0.jpg",),
    )
    for what, name in (
        ("and a number of its own", "{1}.img_{0}.jpg.2f1k3{0}b.ingestion-7d.jpg"),
        ("and letters", "{1}.2265b{0}f5.jpg"),
        ("and a file's name", "{1}.Photo {0} of mine.final.jpg"),
    ):
        yield Case(
            f"Edge Impulse's names: label {what}",
            files(*(name.format(n, LABELS[n]) for n in range(8))),
            options=names,
            counts=TWO,
            notes=("before the first dot in the name of each image: cat in cat.",),
        )


def _splits() -> Iterator[Case]:
    for train, val, test in (
        ("тренировочная выборка", "валидационная выборка", "тестовая выборка"), ("dane treningowe", "dane walidacyjne", "dane testowe"), ("trénink", "validace", "testování"),
        ("tanító", "validációs", "teszt"), ("koulutus", "validointi", "testi"), ("trainen", "valideren", "testen"), ("εκπαίδευση", "επικύρωση", "δοκιμή"), ("אימון", "אימות", "בדיקה"),
        ("huấn luyện", "xác thực", "kiểm tra"), ("antrenare", "validare", "testare"), ("教師データ", "検証", "評価"), ("训练集", "开发集", "测试集"), ("tr", "va", "te"), ("train", "val", "held-out"),
    ):  # fmt: skip
        folders = (train, val, test)
        yield Case(
            f"splits {' '.join(folders)}",
            many(*(one for name in folders for one in below(name))),
            counts=THREE,
            split="given",
        )
    for form in ("train{}", "train_{}", "{}_train", "Train {}"):
        test = form.replace("train", "test").replace("Train", "Test")
        names = [one.format(name) for one in (form, test) for name in ("cat", "Dog")]
        if form[-2:] == "{}" and form[-3] == "n":
            names = ["trainCat", "trainDog", "testCat", "testDog"]
        label = "Cat" if "trainCat" in names else "cat"
        yield Case(
            f"split and class in one name: {form}",
            many(*(f"{name}/{name}{{}}.png" for name in names)),
            counts={label: (3, 1, 4), "Dog": (3, 1, 4)},
            notes=(f"is test of class {min('Dog', label)}",),
        )
    yield Case(
        "CycleGAN's folders",
        many("trainA/{}.png", "trainB/{}.png", "testA/{}.png", "testB/{}.png"),
        counts={"A": (3, 1, 4), "B": (3, 1, 4)},
        notes=(
            "trainA is train of class A and testA is test of class A",
            "A and B are taken for classes, but hold images of the same names",
        ),
    )
    yield Case(
        "a split of one of two classes",
        many("train_cat/a{}.png", "test_cat/b{}.png", "train_dog/c{}.png"),
        problems=("train_cat and test_cat are taken for classes; if they are splits",),
    )
    yield Case(
        "Market-1501",
        many(
            "bounding_box_train/0001_c1s1_{}.jpg",
            "bounding_box_test/0002_c1s1_{}.jpg",
            "query/0003_c1s1_{}.jpg",
        ),
        problems=("bounding_box_test, bounding_box_train and query are the parts of a benchmark",),
    )
    yield Case(
        "CamVid",
        many(*(f"{split}{kind}/{split}{{}}.png" for split in SPLITS for kind in ("", "annot"))),
        error="train holds images but no class folders",
    )
    yield Case(
        "splits in a folder train",
        many(*below("train/train"), *below("train/val")),
        counts=GIVEN,
        split="given",
        notes=("train is the only folder with images: entered",),
    )
    yield Case(
        "images to sort beside class folders of sorted ones",
        many("todo/{}.png", *below("done")),
        notes=("images in folders below a class count as that class: done (cat, dog)",),
    )
    for name in ("fold{}", "Fold {}", "fold_{}", "cv{}", "kfold-{}"):
        yield Case(
            f"folds called {name} of class folders",
            many(*(f"{name.format(k)}/{kind}/{k}_{{}}.png" for k in (1, 2, 3) for kind in ("cat", "dog"))),
            problems=("are called like folds of a cross-validation",),
        )
    yield Case(
        "folds of images",
        many("fold1/a{}.png", "fold2/b{}.png"),
        problems=("fold1, fold2 are called like folds",),
    )
    yield Case(
        "folds and a table",
        both(
            many("fold1/a{}.png", "fold2/b{}.png"),
            table(
                "labels.csv",
                "file,label\n" + "".join(f"{f}{n}.png,{LABELS[n]}\n" for f in "ab" for n in range(4)),
            ),
        ),
        counts=TWO,
        notes=("fold1, fold2 are not taken for classes: the labels are those of labels.csv",),
    )
    yield Case(
        "a class called fold",
        many("fold/{}.png", "tear/{}.png"),
        counts={"fold": ONE, "tear": ONE},
        silent=True,
    )
    yield Case(
        "train and something with the same classes",
        many(*below("train"), *below("blind")),
        problems=("blind and train are taken for classes, but hold the same folders (cat, dog)",),
    )
    yield Case(
        "Kaggle's chest X-rays in a copy",
        many(*below("x/train"), *below("x/x/train")),
        problems=("train holds folders (cat, dog) as a split does, but x lies beside it",),
    )
    yield Case(
        "val and test and a train of another name",
        many(*below("lernen"), *below("val"), *below("test")),
        error="lernen lies beside test; nothing is called train: rename it",
    )
    yield Case(
        "class folders of MVTec",
        many(
            *(
                f"{kind}/{split}/good/{kind}{split}{{}}.png"
                for kind in ("nut", "pill")
                for split in ("train", "test")
            ),
            "nut/ground_truth/bad/{}.png",
            "pill/ground_truth/bad/{}.png",
        ),
        problems=(
            "nut and pill are taken for classes, but hold the same folders (ground_truth, test, train)",
        ),
    )


def _some_labelled() -> Iterator[Case]:
    split = many("images/train/{}.jpg", "images/val/v{}.jpg", count=6)
    names, val = tuple(map(str, range(6))), tuple(f"v{n}" for n in range(6))
    known = both(split, _yolo("labels/train", names), table("classes.txt", "cat\ndog\n"))
    halves = {"cat": (3, 1, 0), "dog": (3, 1, 0)}
    yield Case(
        "boxes for a third of val",
        both(known, _yolo("labels/val", val[:2])),
        counts=halves,
        split="given",
        notes=("4 images have no boxes: left out",),
    )
    yield Case(
        "one text in val that is no box",
        both(known, _yolo("labels/val", val), called(b"hello\n", "labels/val/v5.txt")),
        counts={"cat": (3, 3, 0), "dog": (3, 2, 0)},
        notes=("1 image has no boxes: left out",),
    )
    yield Case(
        "boxes for no image of val",
        known,
        counts=THREES,
        split="made",
        notes=("6 images have no boxes: left out",),
    )
    twelve = both(
        many("{}.jpg", count=12), *(called(f"{n % 2} .5 .5 .2 .2\n".encode(), f"{n}.txt") for n in range(11))
    )
    yield Case(
        "boxes of two classes in one of many images",
        both(twelve, called(b"0 .5 .5 .2 .2\n1 .4 .4 .1 .1\n", "11.txt")),
        counts={"0": (4, 2, 0), "1": (4, 1, 0)},
        notes=("1 image has boxes of several classes (11.jpg): left out; task=multi_label keeps all",),
    )
    yield Case(
        "boxes for a third of the images",
        both(many("images/{}.jpg", count=12), _yolo("labels", ("0", "1", "2", "3"))),
        counts={"0": HALF, "1": HALF},
        notes=("8 images have no boxes: left out",),
    )
    for name in ("labels_yolo", "YOLO", "txt", "bboxes", "my labels"):
        yield Case(
            f"boxes in a folder {name}",
            both(SIX, _yolo(name, names)),
            counts={"0": (2, 1, 0), "1": (2, 1, 0)},
            notes=BOXES,
        )
    yield Case(
        "boxes that a network has drawn",
        both(SIX, _yolo("predict/labels", names)),
        error="holds images but no class folders",
    )
    yield Case(
        "COCO's panoptic masks",
        many("train/{}.jpg", "panoptic/{}.png"),
        error="train holds images but no class folders",
    )
    for name in ("labels.csv", "annotations.csv", "done so far.csv"):
        yield Case(
            f"{name} of a third of the images",
            both(
                many("images/{}.jpg", count=12),
                table(name, "file,label\n" + "".join(f"{n}.jpg,{LABELS[n]}\n" for n in range(4))),
            ),
            counts=PAIRS,
            notes=(f"8 images are not in {name}: left out",),
        )
    yield Case(
        "two tables of some of the images",
        both(
            many("images/{}.jpg", count=12),
            *(
                table(f"{who}.csv", f"file,label\n{n}.jpg,cat\n{n + 1}.jpg,dog\n")
                for n, who in ((0, "anna"), (4, "ben"))
            ),
        ),
        error=".csv, if that lists their labels",
    )
    yield Case(
        "val.csv of some of the images",
        both(many("images/{}.jpg", count=12), table("val.csv", "file,label\n0.jpg,cat\n1.jpg,dog\n")),
        error="val.csv, if that lists their labels",
    )


def _names_of_classes() -> Iterator[Case]:
    head = "---\nlicense: mit\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': cat\n          '1': dog\n---\nSee 0.jpg\n"
    numbers = many("0/a{}.png", "1/b{}.png")
    said = ("class names are those of README.md: 0 is cat, 1 is dog",)
    rows = "file_name,label\n" + "".join(f"{n}.jpg,{n % 2}\n" for n in range(4))
    yield Case(
        "Hugging Face's README beside numbers",
        both(numbers, table("README.md", head)),
        counts=TWO,
        notes=said,
    )
    yield Case(
        "Hugging Face's README beside metadata.csv",
        both(many("{}.jpg"), table("metadata.csv", rows), table("README.md", head)),
        counts=PAIRS,
        notes=said,
    )
    yield Case(
        "Hugging Face's README above splits",
        both(
            many(*(f"data/{split}/{split}{{}}.jpg" for split in SPLITS)),
            *(
                table(f"data/{split}/metadata.csv", rows.replace("\n", f"\n{split}").removesuffix(split))
                for split in SPLITS
            ),
            table("README.md", head),
        ),
        counts={"cat": (2, 2, 2), "dog": (2, 2, 2)},
        notes=said,
    )
    two = head.replace(
        "---\nSee",
        "  - name: fine\n    dtype:\n      class_label:\n        names:\n          '0': red\n          '1': blue\n---\nSee",
    )
    yield Case(
        "Hugging Face's README with two features",
        both(numbers, table("README.md", two)),
        counts={"0": ONE, "1": ONE},
    )
    yield Case(
        "a README that names no classes",
        both(numbers, table("README.md", "# Data\n0 is cat\n")),
        counts={"0": ONE, "1": ONE},
    )
    info = {
        "default": {
            "features": {
                "image": {"_type": "Image"},
                "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
            }
        }
    }
    yield Case(
        "dataset_infos.json beside numbers",
        both(numbers, table("dataset_infos.json", json.dumps(info))),
        counts=TWO,
        notes=("class names are those of dataset_infos.json",),
    )
    yield Case(
        "categories of COCO beside numbers",
        both(numbers, table("categories.json", '[{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]')),
        counts=TWO,
        notes=("class names are those of categories.json",),
    )
    items = 'item {\n  id: 1\n  name: "n1"\n  display_name: "cat"\n}\nitem {\n  id: 2\n  display_name: "dog"\n  name: "n2"\n}\n'
    yield Case(
        "TensorFlow's map of labels",
        both(many("1/a{}.png", "2/b{}.png"), table("label_map.pbtxt", items)),
        counts=TWO,
        notes=("class names are those of label_map.pbtxt: 1 is cat, 2 is dog",),
    )
    yield Case(
        "TensorFlow's map of other numbers",
        both(numbers, table("label_map.pbtxt", items)),
        counts={"0": ONE, "1": ONE},
        notes=("label_map.pbtxt may have their names",),
    )
    for name, text in (
        ("classes.txt", "cat\ndog\n"),
        ("data.yaml", "names: [cat, dog]\n"),
        ("classmap.txt", "cat 0\ndog 1\n"),
    ):
        yield Case(
            f"{name} above annotations of numbers",
            both(many("d/images/{}.jpg"), _yolo("d/annotations", ("0", "1", "2", "3")), table(name, text)),
            counts=PAIRS,
            notes=(f"class names are those of {name}",),
        )
        yield Case(
            f"{name} in meta beside a list of numbers",
            both(
                many("images/{}.jpg"),
                _of_each("meta/train.txt", "{0}.jpg {2}\n", 4),
                table(f"meta/{name}", text),
            ),
            counts=PAIRS,
            notes=(f"class names are those of {name}",),
        )


def _exports() -> Iterator[Case]:
    def v7(folder: str, release: str, count: int = 6) -> Make:
        texts = [
            json.dumps({"item": {"name": f"{n}.jpg"}, "annotations": [{"name": LABELS[n]}]})
            for n in range(count)
        ]
        return both(
            *(table(f"{folder}releases/{release}/annotations/{n}.json", text) for n, text in enumerate(texts))
        )

    yield Case("V7's tree", both(SIX, v7("", "latest")), counts=THREES, notes=BOXES)
    yield Case(
        "V7's tree of a team",
        both(many("datasets/me/pets/images/{}.jpg", count=6), v7("datasets/me/pets/", "v1")),
        counts=THREES,
        notes=BOXES,
    )
    yield Case(
        "V7's tree of several releases",
        both(SIX, v7("", "latest"), v7("", "old", 2)),
        counts=THREES,
        notes=BOXES,
    )
    yield Case(
        "V7's tree of releases without a latest",
        both(SIX, v7("", "new"), v7("", "old")),
        error="holds images but no class folders",
    )

    listed = [
        {"path": f"training/{n}.jpg", "category": "training", "label": {"type": "label", "label": LABELS[n]}}
        for n in range(6)
    ]
    tests = [{**one, "path": one["path"].replace("training", "testing")} for one in listed[:4]]
    ours = many("training/{}.jpg", count=6)
    yield Case(
        "Edge Impulse's labels",
        both(ours, table("info.labels", json.dumps({"version": 1, "files": listed}))),
        counts=THREES,
        notes=("read as a file of Edge Impulse's: an image has the class written for it",),
    )
    yield Case(
        "Edge Impulse's labels of two splits",
        both(
            ours,
            many("testing/{}.jpg"),
            table("info.labels", json.dumps({"version": 1, "files": [*listed, *tests]})),
        ),
        counts={"cat": (2, 1, 2), "dog": (2, 1, 2)},
        notes=("those of the folders training and testing are taken",),
    )
    boxes = {f"{n}.jpg": [{"label": LABELS[n], "x": 1, "y": 1, "width": 2, "height": 2}] for n in range(6)}
    yield Case(
        "Edge Impulse's boxes",
        both(
            many("{}.jpg", count=6),
            table(
                "bounding_boxes.labels",
                json.dumps({"version": 1, "type": "bounding-box-labels", "boundingBoxes": boxes}),
            ),
        ),
        counts=THREES,
        notes=("an image has the class of its boxes",),
    )
    yield Case(
        "Edge Impulse's labels as data.root",
        both(ours, table("info.labels", json.dumps({"version": 1, "files": listed}))),
        root="info.labels",
        counts=THREES,
    )
    hasty = {
        "images": [
            {"image_name": f"{n}.jpg", "labels": [{"class_name": LABELS[n], "bbox": [1, 1, 2, 2]}]}
            for n in range(6)
        ]
    }
    yield Case(
        "Hasty's boxes",
        both(SIX, table("hasty.json", json.dumps(hasty))),
        counts=THREES,
        notes=("read as a file of Hasty's",),
    )
    for tool, mark in (("rectTool", {"label": "{}"}), ("tagTool", {"value": {"animal": ["{}"]}})):
        label_u = [
            {
                "fileName": f"{n}.jpg",
                "result": json.dumps({"annotations": [{"toolName": tool, "result": [mark]}]}).replace(
                    "{}", LABELS[n]
                ),
            }
            for n in range(6)
        ]
        yield Case(
            f"LabelU's {tool}",
            both(SIX, table("result.json", json.dumps(label_u))),
            counts=THREES,
            notes=("read as a file of LabelU's",),
        )
    for name, text in (
        ("labels.yaml", "{0}.jpg: {1}\n"),
        ("labels.yml", "- file: {0}.jpg\n  label: {1}\n"),
        ("data/labels.yaml", "- {{file: {0}.jpg, label: {1}}}\n"),
    ):
        yield Case(
            f"{name} beside images",
            both(many(f"{name[:-11]}images/{{}}.jpg", count=6), _of_each(name, text)),
            error="may list their labels: save it as CSV",
        )
    for name in ("labels.csv.gz", "annotations.zip", "labels.7z", "train.csv.bz2", "annotations.tar.gz"):
        yield Case(
            f"{name} beside images",
            both(SIX, called(b"PK\x03\x04", name)),
            error=f"{name} may list their labels: unpack it",
        )
    yield Case(
        "a table in meta beside folders of something else",
        both(
            many("r/images/Aaa/{}.jpg", "r/images/Bbb/x{}.jpg"),
            table(
                "r/meta/meta.csv",
                "case,diagnosis,derm,clinic\n"
                + "".join(f"{n},{LABELS[n]},Aaa/{n}.jpg,Bbb/x{n}.jpg\n" for n in range(4)),
            ),
        ),
        counts={"Aaa": ONE, "Bbb": ONE},
        notes=("meta.csv lists labels and is not read",),
    )
    yield Case(
        "a column of labels that all are one",
        both(
            many("{}.jpg", count=12),
            table("exif.csv", "SourceFile,Label\n" + "".join(f"{n}.jpg,Red\n" for n in range(12))),
        ),
        root="exif.csv",
        counts={"Red": (9, 3, 0)},
        notes=("12 images have the label 'Red'; is column Label the label?",),
    )
    yield Case(
        "a French table",
        both(
            SIX,
            _of_each("t.csv", "{0}.jpg;{1}\n"),
            table("t.csv", "fichier;etiquette\n" + "".join(f"{n}.jpg;{LABELS[n]}\n" for n in range(6))),
        ),
        counts=THREES,
    )


def _tables_of_other_classes() -> Iterator[Case]:
    """Tables that say something else than the folders around the images."""
    shards = tuple(f"{name[:2]}/{name}" for name in ("ab12", "ab34", "cd12", "cd34", "ef12", "ef34"))
    ids = table(
        "labels.csv", "id,label\n" + "".join(f"{name[3:]},{LABELS[n]}\n" for n, name in enumerate(shards))
    )
    yield Case(
        "shards of checksums and their table",
        both(files(*(f"images/{name}.jpg" for name in shards)), ids),
        counts=THREES,
        notes=("ab, cd, ef are not taken for classes: the labels are those of labels.csv",),
    )
    yield Case(
        "shards of checksums",
        files(*(f"images/{name}.jpg" for name in shards)),
        notes=("ab, cd and ef are taken for classes, but begin the names of the images in them",),
    )
    yield Case(
        "shards of numbers",
        many("010/010{}.jpg", "011/011{}.jpg"),
        notes=("010 and 011 are taken for classes, but begin the names",),
    )
    yield Case(
        "digits and their images", many("0/0_{}.png", "1/1_{}.png"), counts={"0": ONE, "1": ONE}, silent=True
    )
    for name, text in (
        ("meta/meta.csv", "{0}.jpg,{1}\n"),
        ("labels/train.txt", "{0}.jpg {2}\n"),
        ("train.csv", "{0}.jpg,{1}\n"),
        ("labels.json", ""),
    ):
        said = (
            _of_each(name, text)
            if text
            else table(name, json.dumps({f"{n}.jpg": LABELS[n] for n in range(6)}))
        )
        yield Case(
            f"{name} of images in other folders",
            both(many("r/one/{}.jpg", count=3), files(*(f"r/two/{n}.jpg" for n in (3, 4, 5))), said),
            counts={"one": (2, 1, 0), "two": (2, 1, 0)},
            notes=(f"{name.rpartition('/')[2]} gives images of one several classes",),
        )
    yield Case(
        "a table of the same classes as the folders",
        both(
            many("cat/c{}.jpg", "dog/d{}.jpg"),
            table(
                "labels.csv", "file,label\n" + "".join(f"c{n}.jpg,Felis\nd{n}.jpg,Canis\n" for n in range(4))
            ),
        ),
        counts=TWO,
        notes=("labels.csv lists labels and is not read",),
    )
    yield Case(
        "one folder and a table without a column of labels",
        both(many("shots/{}.jpg"), table("t.csv", "id,prob_a,prob_b\n0,0.1,0.9\n1,0.2,0.8\n")),
        counts={"shots": ONE},
        notes=("shots is taken for the one class, and t.csv is not read",),
    )
    yield Case(
        "one folder and levels of a disease",
        both(
            many("resized/{}_left.jpeg", "resized/{}_right.jpeg"),
            table(
                "trainLabels.csv",
                "image,level\n"
                + "".join(f"{n}_{side},{n % 2}\n" for n in range(4) for side in ("left", "right")),
            ),
        ),
        counts={"0": (3, 1, 0), "1": (3, 1, 0)},
        notes=("resized is not taken for a class",),
    )
    yield Case(
        "several numbers as labels",
        both(
            many("train/{}.jpg", count=6),
            table("train.csv", "Image,Target\n" + "".join(f"{n},{n % 2} {n % 3}\n" for n in range(6))),
        ),
        error="set task=multi_label",
    )
    folds = {
        f"{split}_fold{k}.csv": "file,label\n"
        + "".join(f"{n}.jpg,{LABELS[n]}\n" for n in range(6) if (n // 2 == k) == (split == "val"))
        for k in (0, 1)
        for split in ("train", "val")
    }
    yield Case(
        "tables of several folds",
        both(SIX, *(table(name, text) for name, text in folds.items())),
        error="_fold0.csv, if that lists their labels",
    )
    yield Case(
        "tables of one fold",
        both(SIX, *(table(name, text) for name, text in folds.items() if "0" in name)),
        counts={"cat": (2, 1, 0), "dog": (2, 1, 0)},
        split="given",
    )
    yield Case(
        "splits in the names of images in class folders",
        many("cat/train_{}.png", "cat/test_{}.png", "dog/train_{}.png", "dog/test_{}.png"),
        counts={"cat": (6, 2, 0), "dog": (6, 2, 0)},
        notes=("images are called like splits (train_0.png and test_0.png), which are not taken from names",),
    )
    yield Case(
        "splits in the names of images",
        many("train_cat_{}.png", "test_cat_{}.png", "train_dog_{}.png", "test_dog_{}.png"),
        options={"class_from": "names"},
        problems=("train_cat and test_cat are taken for classes; if they are splits",),
    )
    yield Case(
        "trains and buses by their names",
        many("train_{}.png", "bus_{}.png"),
        options={"class_from": "names"},
        counts={"bus": ONE, "train": ONE},
    )
    names: dict[str, object] = {"class_from": "names"}
    yield Case(
        "numbers in names and their classes",
        both(files(*(f"{n % 2}_{n:03}.jpg" for n in range(8))), table("classes.txt", "cat\ndog\n")),
        options=names,
        counts=TWO,
        notes=("class names are those of classes.txt",),
    )
    yield Case(
        "classes in brackets", files(*(f"[{LABELS[n]}] {n}.jpg" for n in range(8))), options=names, counts=TWO
    )


def _copies() -> Iterator[Case]:
    for name in (
        "cat 2",
        "cat_old",
        "cat.bak",
        "cat - copia",
        "Copie de cat",
        "cat (conflicted copy)",
        "cat (Anna's conflicted copy 2021-05-01)",
        "cat_new",
    ):
        yield Case(
            f"a folder {name} beside cat",
            both(many(*CLASSES), many(f"{name}/x{{}}.png")),
            counts={**TWO, name: ONE},
            notes=("taken for two classes: cat and ",),
        )
    for name in ("Fotos von 2021", "Photos de 2021", "Berlin, 5 May 2021", "DCIM", "Download"):
        yield Case(
            f"a folder {name} of an export",
            both(many(*CLASSES), many(f"{name}/x{{}}.png")),
            counts={**TWO, name: ONE},
            notes=(f"{name} is taken for a class",),
        )
    yield Case(
        "channels of a drone's camera",
        many(*(f"DJI_000{{}}_MS_{one}.TIF" for one in ("G", "R", "NIR"))),
        error="images come in sets of 3 (_G, _NIR, _R)",
    )
    yield Case(
        "two in one folder: before and after",
        many("{}_before.png", "{}_after.png"),
        error="images come in sets of 2 (_after, _before)",
    )
    yield Case(
        "Windows' marks of downloads",
        both(
            many(*CLASSES),
            called(
                b"[ZoneTransfer]\r\nZoneId=3\r\n", "cat/0.png:Zone.Identifier", "dog/0.pngZone.Identifier"
            ),
        ),
        counts=TWO,
    )
    yield Case(
        "Google's sidecars of long names",
        both(
            many(*CLASSES),
            files(
                "cat/0.png.supplemental-metadata.json",
                "cat/metadata.json",
                "dog/0.png.supplemental-meta.json",
                "dog/user-generated-memory-titles.json",
            ),
        ),
        counts=TWO,
        notes=("left out 4 files",),
    )
    yield Case(
        "an image and its table of Excel that is open",
        both(
            SIX,
            table("labels.csv", "file,label\n" + "".join(f"{n}.jpg,{LABELS[n]}\n" for n in range(6))),
            files(".~lock.labels.csv#", "~$labels.xlsx"),
        ),
        counts=THREES,
    )
    yield Case(
        "suffixes that a server has changed",
        both(*(called(image_bytes("jpg"), f"cat/{n}.jpg_large", f"dog/{n}.jpg-orig") for n in range(1))),
        counts=EACH,
    )
    yield Case(
        "classes of Stanford's dogs beside their boxes",
        both(
            many("images/Images/n02085620-Chihuahua/a{}.jpg", "images/Images/n02085782-spaniel/b{}.jpg"),
            files(
                "annotations/Annotation/n02085620-Chihuahua/a0", "annotations/Annotation/n02085782-spaniel/b0"
            ),
        ),
        counts={"n02085620-Chihuahua": ONE, "n02085782-spaniel": ONE},
    )
    yield Case(
        "splits and a folder of predictions",
        many(*below("seg_train/seg_train"), *below("seg_val/seg_val"), "seg_pred/seg_pred/p{}.png"),
        counts=GIVEN,
        notes=("seg_pred is not one of the splits: left out",),
    )
