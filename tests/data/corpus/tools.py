# ruff: noqa: E501 - a case a line reads better
"""Files of labelling tools, and tables beside images that nobody has sorted."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import (
    EACH,
    GIVEN,
    HALF,
    ONE,
    PAIRS,
    TWO,
    Case,
    both,
    files,
    many,
    table,
    tables,
    zipped,
)

case = tables("tool")
NAMES = ("i/a.png", "i/b.png")
READ = "an image has the class of its boxes, and is used as a whole"


def coco(*annotations: tuple[int, int], names: tuple[str, ...] = NAMES, box: bool = True) -> str:
    """COCO's file with (image, category) of each annotation."""
    return json.dumps(
        {
            "info": {"year": 2024},
            "licenses": [],
            "images": [{"id": n, "file_name": name, "width": 24, "height": 16} for n, name in enumerate(names)],
            "annotations": [
                {"id": n, "image_id": image, "category_id": kind, **({"bbox": [0, 0, 3, 3], "area": 9, "iscrowd": 0} if box else {})}
                for n, (image, kind) in enumerate(annotations)
            ],
            "categories": [{"id": 0, "name": "animals"}, {"id": 1, "name": "cat", "supercategory": "animals"}, {"id": 2, "name": "dog"}],
        }
    )  # fmt: skip


def datumaro(*labels: tuple[int, ...], kind: str = "label", names: tuple[str, ...] = NAMES) -> str:
    """Datumaro's file with the numbers of each image's classes."""
    items = [
        {"id": name[:-4], "annotations": [{"id": 0, "type": kind, "label_id": one, "bbox": [0, 0, 1, 1]} for one in some], "image": {"path": name, "size": [16, 24]}}
        for name, some in zip(names, labels, strict=True)
    ]  # fmt: skip
    return json.dumps({"info": {}, "categories": {"label": {"labels": [{"name": "cat"}, {"name": "dog"}]}}, "items": items})  # fmt: skip


def studio(*results: list[dict[str, object]], **note: object) -> str:
    """Label Studio's full export."""
    tasks = [
        {"id": n, "data": {"image": f"/data/upload/1/1a2b3c4d-{name}.png"}, "annotations": [{"result": result, **note}]}
        for n, (name, result) in enumerate(zip("ab", results, strict=True))
    ]  # fmt: skip
    return json.dumps(tasks)


def choice(*names: str) -> list[dict[str, object]]:
    return [{"type": "choices", "from_name": "kind", "value": {"choices": list(names)}}]


def box(*names: str) -> list[dict[str, object]]:
    return [{"type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": [name]}} for name in names]


def coco_files() -> Iterator[Case]:
    yield case("COCO's, a box in each image", coco((0, 1), (1, 2)), file="t.json", counts=EACH, notes=(f"read as a file of COCO's: {READ}",))  # fmt: skip
    yield case("COCO's, two boxes of one class", coco((0, 1), (0, 1), (1, 2)), file="t.json", counts=EACH)
    yield case("COCO's without boxes", coco((0, 1), (1, 2), box=False), file="t.json", counts=EACH, notes=("an image has the class written for it",))  # fmt: skip
    yield case("COCO's, two classes in an image", coco((0, 1), (0, 2), (1, 2)), file="t.json", error="several labels of an image, the first: cat, dog; set task=multi_label to learn all of them")  # fmt: skip
    yield case("COCO's, two classes in an image, several labels", coco((0, 1), (0, 2), (1, 2)), file="t.json", options={"separator": "auto"}, notes=("1 of 2 images have several labels",))  # fmt: skip
    yield case("COCO's, an image of nothing", coco((0, 1), (1, 2), names=(*NAMES, "i/c.png")), *NAMES, "i/c.png", file="t.json", counts=EACH, notes=("1 entry names an image and no class: left out",))  # fmt: skip
    yield case("COCO's captions", json.dumps({"images": [{"id": 1, "file_name": "i/a.png"}], "annotations": [{"image_id": 1, "caption": "a cat"}]}), file="t.json", error="COCO's without classes (captions?)")  # fmt: skip
    yield case("COCO's, images that are not there", coco((0, 1), (1, 2), names=("x/q.png", "x/r.png")), file="t.json", error="files that do not exist")  # fmt: skip
    yield case("COCO's, a category that is not there", coco((0, 1), (1, 9)), file="t.json", counts={"cat": (1, 0, 0)}, notes=("1 entry names an image and no class",))  # fmt: skip
    yield case("COCO's, called .txt", coco((0, 1), (1, 2)), file="t.txt")
    for form in ("coco", "createml"):
        names = tuple(f"{n}.jpg" for n in range(4))
        text = coco(*((n, 1 + n % 2) for n in range(4)), names=names)
        if form == "createml":
            text = json.dumps([{"image": name, "annotations": [{"label": ("cat", "dog")[n % 2], "coordinates": {"x": 1}}] * 2} for n, name in enumerate(names)])  # fmt: skip
        splits = both(*(table(f"{split}/_annotations.{form}.json", text, *(f"{split}/{name}" for name in names)) for split in ("train", "valid")))  # fmt: skip
        yield Case(f"Roboflow's {form} in splits", both(splits, files("README.roboflow.txt")), counts={"cat": (2, 2, 0), "dog": (2, 2, 0)}, split="given", notes=(READ,))  # fmt: skip
        yield Case(f"Roboflow's {form} in a folder", table(f"_annotations.{form}.json", text, *names), counts=PAIRS, notes=(READ,))  # fmt: skip
    half = table("train/_annotations.coco.json", coco((0, 1), (0, 2), names=("a.jpg", "b.jpg")), "train/a.jpg", "train/b.jpg")  # fmt: skip
    yield Case("Roboflow's COCO with two classes in an image", half, error="set task=multi_label")
    cvat = table("annotations/instances_default.json", coco((0, 1), (1, 2), names=("a.png", "b.png")), "images/default/a.png", "images/default/b.png")  # fmt: skip
    yield Case(
        "CVAT's COCO",
        cvat,
        counts=EACH,
        notes=("the labels are those of annotations/instances_default.json", READ),
    )
    yield Case("CVAT's COCO as data.root", cvat, root="annotations/instances_default.json", counts=EACH)
    yield Case("Label Studio's COCO", table("result.json", coco((0, 1), (1, 2), names=("images/1-a.png", "images/2-b.png")), "images/1-a.png", "images/2-b.png"), counts=EACH, notes=("the labels are those of result.json",))  # fmt: skip
    yield Case("COCO's splits", both(*(table(f"annotations/instances_{split}2017.json", coco((0, 1), (1, 2), names=(f"{split}a.png", f"{split}b.png")), f"{split}2017/{split}a.png", f"{split}2017/{split}b.png") for split in ("train", "val"))), counts={"cat": (1, 1, 0), "dog": (1, 1, 0)}, split="given")  # fmt: skip


def other_files() -> Iterator[Case]:
    yield case("Datumaro's", datumaro((0,), (1,)), file="t.json", counts=EACH, notes=("read as a file of Datumaro's: an image has the class written for it",))  # fmt: skip
    yield case("Datumaro's boxes", datumaro((0, 0), (1,), kind="bbox"), file="t.json", counts=EACH, notes=(READ,))  # fmt: skip
    yield case("Datumaro's, two classes in an image", datumaro((0, 1), (1,)), file="t.json", error="the first: cat, dog; set task=multi_label")  # fmt: skip
    yield case("Datumaro's, an image of nothing", datumaro((0,), ()), file="t.json", counts={"cat": (1, 0, 0)}, notes=("1 entry names an image and no class",))  # fmt: skip
    yield case("Datumaro's without classes", '{"items": [], "categories": {}}', file="t.json", error="Datumaro's without classes")  # fmt: skip
    yield Case("Datumaro's folder", table("annotations/default.json", datumaro((0,), (1,), names=("a.png", "b.png")), "images/default/a.png", "images/default/b.png"), counts=EACH, notes=("the labels are those of annotations/default.json",))  # fmt: skip
    yield Case("Datumaro's splits", both(*(table(f"annotations/{split}.json", datumaro((0,), (1,), names=(f"{split}a.png", f"{split}b.png")), f"images/{split}/{split}a.png", f"images/{split}/{split}b.png") for split in ("train", "val"))), counts={"cat": (1, 1, 0), "dog": (1, 1, 0)}, split="given")  # fmt: skip
    yield case("Label Studio's choices", studio(choice("cat"), choice("dog")), file="t.json", counts=EACH)
    yield case("Label Studio's boxes", studio(box("cat", "cat"), box("dog")), file="t.json", counts=EACH, notes=(READ,))  # fmt: skip
    yield case("Label Studio's boxes of two classes", studio(box("cat", "dog"), box("dog")), file="t.json", error="the first: cat, dog")  # fmt: skip
    yield case("Label Studio's choices of several", studio(choice("cat", "dog"), choice("dog")), file="t.json", options={"separator": "auto"}, notes=("1 of 2 images have several labels",))  # fmt: skip
    yield case("Label Studio's cancelled tasks", studio(choice("cat"), choice("dog"), was_cancelled=True), file="t.json", error="Label Studio's without classes")  # fmt: skip
    yield case("VoTT's boxes", json.dumps({"assets": {n: {"asset": {"name": f"{n}.png"}, "regions": [{"tags": [label]}] * 2} for n, label in (("a", "cat"), ("b", "dog"))}}), file="t.json", counts=EACH)  # fmt: skip
    azure = [{"id": n, "originalImageUri": f"https://x.blob/i-{n}/{n}.png?sv=1", "tags": [{"tagId": "1", "tagName": label}]} for n, label in (("a", "cat"), ("b", "dog"))]  # fmt: skip
    yield case("Custom Vision's API", json.dumps(azure), file="t.json", counts=EACH)
    yield case("images and annotations of somebody else", '{"images": ["i/a.png", "i/b.png"], "annotations": ["cat", "dog"]}', file="t.json", error="COCO's without classes")  # fmt: skip
    yield case("columns called images and labels", '{"images": ["i/a.png", "i/b.png"], "labels": ["cat", "dog"]}', file="t.json")  # fmt: skip


def cvat(*marks: tuple[str, ...], kind: str = "tag") -> str:
    """CVAT's XML with the classes of the images 0.jpg, 1.jpg, ..."""
    images = (f"<image id='{n}' name='{n}.jpg' width='24'>{''.join(f'<{kind} label={one!r} source={n!r}/>' for one in some)}</image>" for n, some in enumerate(marks))  # fmt: skip
    return f"<?xml version='1.0'?>\n<annotations><version>1.1</version>{''.join(images)}</annotations>".replace("=0", "='0'").replace("=1", "='1'").replace("=2", "='2'")  # fmt: skip


def xml_files() -> Iterator[Case]:
    here = many("images/{}.jpg", count=2)
    yield Case("CVAT's XML of tags", both(here, table("annotations.xml", cvat(("cat",), ("dog",)))), counts=EACH, notes=("the labels are those of annotations.xml", "an image has the class written for it"))  # fmt: skip
    yield Case("CVAT's XML of boxes as data.root", both(here, table("annotations.xml", cvat(("cat", "cat"), ("dog",), kind="box"))), root="annotations.xml", counts=EACH, notes=(READ,))  # fmt: skip
    yield Case("CVAT's XML of two classes in an image", both(here, table("annotations.xml", cvat(("cat", "dog"), ("dog",), kind="polygon"))), root="annotations.xml", error="set task=multi_label")  # fmt: skip
    yield Case("CVAT's XML, an image of nothing", both(many("images/{}.jpg", count=3), table("annotations.xml", cvat(("cat",), ("dog",), ()))), root="annotations.xml", counts=EACH, notes=("1 entry names an image and no class",))  # fmt: skip
    yield Case("CVAT's XML without classes", both(here, table("annotations.xml", cvat((), ()))), root="annotations.xml", error="is a table of XML")  # fmt: skip
    yield Case("XML of something else", both(here, table("annotations.xml", "<rss><image name='0.jpg'/></rss>")), root="annotations.xml", error="is a table of XML")  # fmt: skip
    yield Case("XML that is cut off", both(here, table("annotations.xml", "<annotations><image")), root="annotations.xml", error="is a table of XML")  # fmt: skip


def beside() -> Iterator[Case]:
    labels = "file,label\n0.jpg,cat\n1.jpg,dog\n2.jpg,cat\n3.jpg,dog\n"
    said = ("no class folders: the labels are those of",)
    for name, text in (
        ("labels.csv", labels), ("train.csv", labels), ("labels.tsv", labels.replace(",", "\t")),
        ("annotations.txt", "0.jpg cat\n1.jpg dog\n2.jpg cat\n3.jpg dog\n"), ("my pets.csv", labels),
        ("meta/labels.csv", labels), ("labels.jsonl", "\n".join(json.dumps({"image": f"{n}.jpg", "label": ("cat", "dog")[n % 2]}) for n in range(4))),
        ("labels.json", json.dumps({f"{n}.jpg": ("cat", "dog")[n % 2] for n in range(4)})),
        ("labels.json", json.dumps({"cat": ["0.jpg", "2.jpg"], "dog": ["1.jpg", "3.jpg"]})),
    ):  # fmt: skip
        yield Case(f"{name} ({text[:9]!r}) beside a folder of its images", both(many("images/{}.jpg"), table(name, text)), counts=PAIRS, notes=said)  # fmt: skip
    yield Case("labels.csv among its images", both(many("{}.jpg"), table("labels.csv", labels)), counts=PAIRS, notes=said)  # fmt: skip
    yield Case("labels.csv among its images in a wrapper", both(many("pets/{}.jpg"), table("pets/labels.csv", labels)), counts=PAIRS, notes=("pets is not taken for a class", "the labels are those of labels.csv"))  # fmt: skip
    yield Case("labels.csv of a zip file", zipped("x.zip", *(f"x/images/{n}.jpg" for n in range(4)), **{"x/labels.csv": labels.encode()}), root="x.zip", counts=PAIRS, notes=said)  # fmt: skip
    yield Case("a class for all of them and labels.csv", both(many("{}.jpg"), table("labels.csv", labels)), options={"class_name": "pet"}, counts={"pet": ONE})  # fmt: skip
    yield Case("labels.csv that names half of the images", both(many("{}.jpg", count=8), table("labels.csv", labels)), counts=PAIRS, notes=("4 images are not in labels.csv: left out",))  # fmt: skip
    yield Case("labels.csv that lacks one of many images", both(many("{}.jpg", count=12), table("labels.csv", "file,label\n" + "".join(f"{n}.jpg,{'cat' if n % 2 else 'dog'}\n" for n in range(11)))), notes=("1 image is not in labels.csv: left out",))  # fmt: skip
    yield Case("captions.csv with a text for each image", both(many("{}.jpg", count=12), table("captions.csv", "file,caption\n" + "".join(f"{n}.jpg,the {n}th text\n" for n in range(12)))), error="captions.csv, if that lists their labels")  # fmt: skip
    yield Case("two tables that say different things", both(many("{}.jpg"), table("a.csv", labels), table("b.csv", labels.replace("cat", "cow"))), error="if that lists their labels")  # fmt: skip
    yield Case("a table of labels and one of sizes", both(many("{}.jpg"), table("a.csv", labels), table("sizes.csv", "width,height\n1,2\n3,4\n")), counts=PAIRS)  # fmt: skip
    yield Case("a table of several labels", both(many("{}.jpg"), table("a.csv", "file,labels\n0.jpg,cat|dog\n1.jpg,dog\n2.jpg,cat\n3.jpg,dog\n")), error="set task=multi_label")  # fmt: skip
    yield Case("a table of several labels, all of them", both(many("{}.jpg"), table("a.csv", "file,labels\n0.jpg,cat|dog\n1.jpg,dog\n2.jpg,cat\n3.jpg,dog\n")), options={"separator": "auto"}, notes=("1 of 4 images have several labels",))  # fmt: skip
    kaggle = both(many("train/{}.jpg"), many("test/t{}.jpg"), table("train.csv", labels), table("sample_submission.csv", "file,label\nt0.jpg,cat\nt1.jpg,cat\n"))  # fmt: skip
    yield Case("Kaggle's folders and train.csv", kaggle, counts=PAIRS, notes=("test holds images without labels: left out",))  # fmt: skip
    yield Case("Kaggle's train folder", kaggle, root="train", error="train.csv, if that lists their labels")
    by_split = both(*(both(many(f"{split}/{split}{{}}.jpg"), table(f"{split}.csv", labels.replace("\n", f"\n{split}").removesuffix(split))) for split in ("train", "val")))  # fmt: skip
    yield Case("train.csv and val.csv beside their folders", by_split, counts={"cat": (2, 2, 0), "dog": (2, 2, 0)}, split="given", notes=("the labels are those of train.csv and val.csv",))  # fmt: skip
    one = both(many("train/t{}.jpg", "val/v{}.jpg"), table("labels.csv", "file,label,split\n" + "".join(f"{split[0]}{n}.jpg,{'cat' if n % 2 else 'dog'},{split}\n" for split in ("train", "val") for n in range(4))))  # fmt: skip
    yield Case("one table for train and val", one, counts={"cat": (2, 2, 0), "dog": (2, 2, 0)}, split="given")
    yield Case("numbers of classes and a text of their names", both(many("{}.jpg"), table("labels.csv", labels.replace("cat", "0").replace("dog", "1")), table("classes.txt", "cat\ndog\n")), counts=PAIRS, notes=("class names are those of classes.txt",))  # fmt: skip
    yield Case("boxes of YOLO beside images with numbers", both(many("images/{}.jpg"), *(table(f"labels/{n}.txt", f"{n % 2} 0.5 0.5 0.2 0.2\n") for n in range(4))), counts={"0": HALF, "1": HALF}, notes=("an image has the class of the boxes beside it",))  # fmt: skip
    yield Case("class folders and labels.csv of them", both(many("cat/{}.png", "dog/d{}.png"), table("labels.csv", "file,label\ncat/0.png,x\ndog/d0.png,y\n")), counts=TWO, notes=("labels.csv lists labels and is not read",))  # fmt: skip
    yield Case("splits of class folders and train.csv", both(many("train/cat/{}.png", "train/dog/{}.png", "val/cat/{}.png", "val/dog/{}.png"), table("train.csv", "file,label\ntrain/cat/0.png,cat\n")), counts=GIVEN, notes=("train.csv is not read",))  # fmt: skip


def in_folders() -> Iterator[Case]:
    """Tables within splits, and beside a folder that may be a class."""

    def labels(before: str = "", one: str = "cat", other: str = "dog") -> str:
        return "file,label\n" + "".join(f"{before}{n}.jpg,{other if n % 2 else one}\n" for n in range(4))

    for folder in ("", "images/"):
        yield Case(f"labels.csv in train and in val, images in {folder!r}", both(*(both(many(f"{split}/{folder}{{}}.jpg"), table(f"{split}/labels.csv", labels())) for split in ("train", "val"))), counts={"cat": (2, 2, 0), "dog": (2, 2, 0)}, split="given", notes=("no class folders: the labels are those of train/labels.csv and val/labels.csv",))  # fmt: skip
        yield Case(f"labels.csv in train alone, images in {folder!r}", both(many(f"train/{folder}{{}}.jpg", f"test/{folder}{{}}.jpg"), table("train/labels.csv", labels())), counts=PAIRS, notes=(f"test/{folder}".rstrip("/") + " holds images without labels: left out",))  # fmt: skip
    half = {"cat": HALF, "dog": HALF}
    yield Case("a table beside one folder of no class", both(many("shots/{}.jpg"), table("labels.csv", labels("shots/"))), counts=half, notes=("shots is not taken for a class: the labels are those of labels.csv",))  # fmt: skip
    yield Case("a table in one folder of no class", both(many("shots/{}.jpg"), table("shots/labels.csv", labels())), counts=half, notes=("shots is not taken for a class",))  # fmt: skip
    yield Case("a table of one class beside one class folder", both(many("cat/{}.jpg"), table("labels.csv", labels("cat/", "Felis", "Felis"))), counts={"cat": ONE}, notes=("labels.csv lists labels and is not read",))  # fmt: skip
    yield Case("a table of one class in one class folder", both(many("cat/{}.jpg"), table("cat/labels.csv", labels("", "Felis", "Felis"))), counts={"cat": ONE})  # fmt: skip
    yield Case("checksums beside one class folder", both(many("cat/{}.jpg"), table("sums.txt", "".join(f"d41d8cd98f00b204e9800998ecf8427{n}  cat/{n}.jpg\n" for n in range(4)))), counts={"cat": ONE})  # fmt: skip


def alike() -> Iterator[Case]:
    """Lists beside images that are no tables of their labels."""
    images = many("{}.jpg", count=12)

    def rows(line: str) -> str:
        return "".join(
            line.replace("#", str(n)).replace("@", "cat" if n % 2 else "dog") + "\n" for n in range(12)
        )

    for name, text in (
        ("md5sums.txt", rows("d41d8cd98f00b204e9800998ecf8427#  #.jpg")), ("SHA256SUMS.txt", rows(f"{'0a' * 31}#  #.jpg")),
        ("captions.txt", rows("#.jpg a photo of a cat in a box")), ("captions.csv", "image,caption\n" + rows("#.jpg,a cat that runs # times")),
        ("urls.txt", rows("#.jpg https://x.y/#.jpg")), ("urls.csv", "image,url\n" + rows("#.jpg,https://x.y/@.jpg")),
        ("predictions.csv", "image,class\n" + rows("#.jpg,@")), ("my_submission.csv", "image,label\n" + rows("#.jpg,@")),
        ("out.csv", "path,label,probability\n" + rows("#.jpg,@,0.7")), ("out.csv", "path,class,Confidence\n" + rows("#.jpg,@,0.7")),
        ("exif.csv", "SourceFile,Make,Model\n" + rows("#.jpg,Apple,iPhone")), ("sizes.csv", "file,width,height\n" + rows("#.jpg,640,480")),
        ("dates.csv", "file,date\n" + rows("#.jpg,2023-01-0#")), ("renamed.csv", "old,label\n" + rows("#.jpg,IMG_#.jpg")),
        ("manifest.json", json.dumps({"icons": [{"src": f"{n}.jpg", "sizes": "1x1", "type": "image/jpeg"} for n in range(12)]})),
        ("index.json", json.dumps({f"{n}.jpg": f"text {n}" for n in range(12)})), ("package.json", json.dumps({"name": "x", "version": "1"})),
        ("list.txt", rows("#.jpg")), ("log.txt", "started\nended\n"), ("x.ipynb", '{"cells": []}'), ("ids.csv", "id,label\n" + rows("9#9,@")),
    ):  # fmt: skip
        yield Case(f"{name} ({text[:16]!r}) is no table of labels", both(images, table(name, text)), error="holds images but no class folders")  # fmt: skip
    labels = "image,label\n" + rows("#.jpg,@")
    half = {"cat": (4, 2, 0), "dog": (4, 2, 0)}
    for name, text in (
        ("labels_copy.csv", labels), ("labels.json", json.dumps({f"{n}.jpg": "cat" if n % 2 else "dog" for n in range(12)})),
        ("md5sums.txt", rows("d41d8cd98f00b204e9800998ecf8427#  #.jpg")), ("predictions.csv", labels.replace("cat", "cow")), ("exif.csv", "SourceFile,Make\n" + rows("#.jpg,Apple")),
        ("urls.txt", rows("#.jpg https://x.y/#.jpg")), ("README.md", "# Pets\n"), ("labels.xlsx", "x"),
    ):  # fmt: skip
        yield Case(f"labels.csv beside {name} and images", both(images, table("labels.csv", labels), table(name, text)), counts=half, notes=("the labels are those of",))  # fmt: skip
    for name in (
        "Dateiname;Klasse",
        "Image Path,Class Name",
        "file,species",
        "photo,ground_truth",
        "filename\tcategory",
    ):
        text = f"{name}\n" + rows("#.jpg,@").replace(",", next(mark for mark in ",;\t" if mark in name))
        yield Case(f"pets.csv of {name!r} beside images", both(images, table("pets.csv", text)), counts=half, notes=("those of pets.csv",))  # fmt: skip
    yield Case("paths and labels without names of columns beside images", both(images, table("pets.csv", rows("#.jpg,@"))), counts=half, notes=("those of pets.csv",))  # fmt: skip
    yield Case("one class without names of columns beside images", both(images, table("pets.csv", rows("#.jpg,cat"))), error="pets.csv, if that lists their labels")  # fmt: skip


def labelling_tools() -> Iterator[Case]:
    """All of them."""
    for kind in (coco_files, other_files, xml_files, beside, in_folders, alike):
        yield from kind()
