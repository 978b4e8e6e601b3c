# ruff: noqa: E501 - a case a line reads better
"""Boxes in a file for each image: YOLO's, with names and splits elsewhere, and those of other tools."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import CLASSES, ONE, PAIRS, TWO, Case, Make, both, image_bytes, many, table

READ = "no class folders: an image has the class of the boxes beside it"


def yolo(folder: str, *numbers: str, name: str = "", more: str = "") -> Make:
    """Writes YOLO's files of boxes, one for each text of the numbers of classes."""
    lines = ("".join(f"{number} 0.5 0.5 0.25 0.25{more}\n" for number in one) for one in numbers)
    return both(*(table(f"{folder}/{name}{n}.txt", text) for n, text in enumerate(lines)))


def yolo_boxes() -> Iterator[Case]:
    here = many("images/{}.jpg")
    boxes = yolo("labels", "0", "1", "00", "11")
    named = {
        "data.yaml": "nc: 2\nnames: [cat, dog]\n",
        "dataset.yaml": "names:\n  0: cat\n  1: dog\n  2: cow\n",
        "classes.txt": "cat\ndog\n",
        "obj.names": "cat\ndog\n",
        "labels/classes.txt": "cat\ndog\ncow\n",
    }
    for name, text in named.items():
        yield Case(
            f"YOLO's boxes, names in {name}",
            both(here, boxes, table(name, text)),
            counts=PAIRS,
            notes=(READ, f"class names are those of {Path(name).name}: 0 is cat, 1 is dog"),
        )
    yield Case(
        "YOLO's boxes with confidences",
        both(here, yolo("labels", "0", "1", "0", "1", more=" 0.9"), table("classes.txt", "cat\ndog\n")),
        counts=PAIRS,
    )
    yield Case(
        "YOLO's outlines",
        both(here, yolo("labels", "0", "1", "0", "1", more=" 0.9 0.1"), table("classes.txt", "cat\ndog\n")),
        counts=PAIRS,
    )
    yield Case(
        "YOLO's boxes, an image of nothing",
        both(
            many("images/{}.jpg", count=8), yolo("labels", *"0101010", ""), table("classes.txt", "cat\ndog\n")
        ),
        counts={"cat": (3, 1, 0), "dog": (2, 1, 0)},
        notes=("1 image has no boxes: left out",),
    )
    yield Case(
        "YOLO's boxes of nothing", both(here, yolo("labels", "", "", "", "")), error="labels looks like boxes"
    )
    yield Case(
        "YOLO's boxes of two classes in an image",
        both(here, yolo("labels", "01", "1", "0", "1")),
        error="which are several classes in an image: task=multi_label learns them, or cut the objects out",
    )
    yield Case(
        "YOLO's boxes of several classes",
        both(here, yolo("labels", "01", "1", "0", "1"), table("classes.txt", "cat\ndog\n")),
        options={"separator": "auto"},
        notes=("1 of 4 images have several labels", "0 is cat, 1 is dog"),
    )
    yield Case(
        "labels that are several numbers beside their names",
        both(
            here,
            table("t.csv", "file,labels\n0.jpg,0|1\n1.jpg,1\n2.jpg,0\n3.jpg,1\n"),
            table("classes.txt", "cat\ndog\n"),
        ),
        root="t.csv",
        options={"separator": "auto"},
        notes=("1 of 4 images have several labels", "0 is cat, 1 is dog"),
    )
    splits = both(
        many("train/images/t{}.jpg", "valid/images/v{}.jpg"),
        yolo("train/labels", *"0101", name="t"),
        yolo("valid/labels", *"0101", name="v"),
    )
    halves = {"cat": (2, 2, 0), "dog": (2, 2, 0)}
    yield Case(
        "Roboflow's YOLO",
        both(splits, table("data.yaml", "train: ../train/images\nnames: ['cat', 'dog']\n")),
        counts=halves,
        split="given",
        notes=(READ,),
    )
    yield Case(
        "Ultralytics' folders",
        both(
            many("images/train/t{}.jpg", "images/val/v{}.jpg"),
            yolo("labels/train", *"0101", name="t"),
            yolo("labels/val", *"0101", name="v"),
            table("data.yaml", "path: .\nnames:\n  0: cat\n  1: dog\n"),
        ),
        counts=halves,
        split="given",
        notes=(READ,),
    )
    yield Case(
        "LabelImg's YOLO",
        both(many("{}.jpg"), yolo(".", *"0101"), table("classes.txt", "cat\ndog\n")),
        counts=PAIRS,
        notes=(READ,),
    )
    yield Case(
        "darknet's data",
        both(
            many("obj/{}.jpg", count=8),
            yolo("obj", *"01010101"),
            table("obj.names", "cat\ndog\n"),
            table("train.txt", "".join(f"data/obj/{n}.jpg\n" for n in range(6))),
            table("valid.txt", "data/obj/6.jpg\ndata/obj/7.jpg\n"),
        ),
        counts=TWO,
        split="given",
        notes=("the split is that of train.txt, valid.txt", "obj is not taken for a class"),
    )
    yield Case(
        "YOLO's boxes in class folders",
        both(many(*CLASSES), yolo("cat", *"0000"), yolo("dog", *"1111")),
        counts=TWO,
    )
    yield Case(
        "texts of numbers beside images",
        both(many("{}.jpg"), *(table(f"{n}.txt", f"{n} 12 13 14 15\n") for n in range(4))),
        error="holds images but no class folders",
    )
    yield Case(
        "captions beside images of no class",
        both(many("{}.jpg"), *(table(f"{n}.txt", "a cat on a mat\n") for n in range(4))),
        error="holds images but no class folders",
    )
    yield Case(
        "VOC's lists of splits",
        both(
            many("VOC2007/JPEGImages/{}.jpg", count=8),
            *(
                table(
                    f"VOC2007/Annotations/{n}.xml",
                    f"<annotation><object><name>{('cat', 'dog')[n % 2]}</name></object></annotation>",
                )
                for n in range(8)
            ),
            *(
                table(f"VOC2007/ImageSets/Main/{name}.txt", "".join(f"{n}\n" for n in some))
                for name, some in (
                    ("train", range(6)),
                    ("val", (6, 7)),
                    ("trainval", range(8)),
                    ("cat_train", (1, 3)),
                )
            ),
        ),
        counts=TWO,
        split="given",
        notes=("the split is that of train.txt, val.txt",),
    )
    for tool, name, text in (
        ("SuperAnnotate", "{}.jpg___objects.json", '{"instances": [{"className": "@"}]}'),
        ("Dataloop", "json/{}.json", '{"annotations": [{"label": "@"}]}'),
        ("V7", "annotations/{}.json", '{"version": "2.0", "annotations": [{"name": "@", "tag": {}}]}'),
    ):
        yield Case(
            f"{tool}'s files",
            both(
                many("{}.jpg" if tool == "SuperAnnotate" else "items/{}.jpg"),
                *(table(name.format(n), text.replace("@", ("cat", "dog")[n % 2])) for n in range(4)),
            ),
            counts=PAIRS,
            notes=(READ,),
        )


def more_boxes() -> Iterator[Case]:
    """Spellings of YOLO's files, and what else may say the class."""
    here, names = many("images/{}.jpg"), table("classes.txt", "cat\ndog\n")

    def lines(text: str, folder: str = "labels") -> Make:
        return both(
            *(
                table(f"{folder}/{n}.txt", text.replace("#", str(n % 2)).replace("@", ("cat", "dog")[n % 2]))
                for n in range(4)
            )
        )

    for what, text in (
        ("a mark of bytes and Windows' ends", "\ufeff# .5 .5 .1 .1\r\n"),
        ("numbers with a point", "#.0 .5 .5 .1 .1"),
        ("names", "@ 0.5 0.5 0.1 0.1"),
        ("names and pixels", "@ 10 20 30 40"),
        ("blank lines", "\n# .5 .5 .1 .1\n\n"),
    ):
        yield Case(f"YOLO's boxes with {what}", both(here, names, lines(text)), counts=PAIRS, notes=(READ,))
    for what, text in (
        ("a class of -1", "-1 .5 .5 .1 .1"),
        ("nan", "# nan nan nan nan"),
        ("pixels", "# 10 20 30 40"),
        ("a number without end", "9" * 5000 + " .1 .1 .1 .1"),
    ):
        yield Case(
            f"YOLO's boxes with {what}",
            both(here, names, lines(text)),
            error="holds images but no class folders",
        )
    labels = "file,label\n" + "".join(f"{n}.jpg,{('cat', 'dog')[n % 2]}\n" for n in range(4))
    yield Case(
        "a table beside YOLO's boxes",
        both(here, lines("# .5 .5 .1 .1"), table("labels.csv", labels)),
        counts=PAIRS,
        notes=("the labels are those of labels.csv",),
    )
    yield Case(
        "YOLO's boxes of one class, and names of images that say more",
        both(
            many("cat_{}.jpg", "dog_{}.jpg"),
            *(table(f"{name}_{n}.txt", "0 .5 .5 .1 .1") for name in ("cat", "dog") for n in range(4)),
        ),
        error="data.class_from=names makes these the classes",
    )
    yield Case(
        "YOLO's boxes of one class without its name",
        both(here, lines("0 .5 .5 .1 .1")),
        counts={"0": ONE},
        notes=(READ,),
    )
    yield Case(
        "Roboflow's YOLO, a test of images alone",
        both(
            many("train/images/{}.jpg", "test/images/t{}.jpg"),
            lines("# .5 .5 .1 .1", "train/labels"),
            table("data.yaml", "names: [cat, dog]\n"),
        ),
        counts=PAIRS,
        notes=("4 images have no boxes: left out",),
    )


def files_of_classes() -> Iterator[Case]:
    """A file beside each image that says its class."""
    eight = many("{}.jpg", count=8)
    said = ("an image has the class that the file beside it says",)

    def beside(name: str, text: str, count: int = 8) -> Make:
        return both(
            *(
                table(
                    name.format(n),
                    text.replace("@", ("cat", "dog")[n % 2]).replace("#", str(n % 2)).replace("%", str(n)),
                )
                for n in range(count)
            )
        )

    for name, text in (
        ("{}.txt", "@"), ("{}.cls", "@\n"), ("{}.json", '{"label": "@", "url": "x"}'),
        ("{}.jpg.json", '{"Class Name": "@"}'), ("{}.json", '{"width": 3, "species": "@"}'),
    ):  # fmt: skip
        yield Case(
            f"{name} of {text!r} beside each image", both(eight, beside(name, text)), counts=TWO, notes=said
        )
        yield Case(
            f"{name} of {text!r} in labels",
            both(many("images/{}.jpg", count=8), beside(f"labels/{name}", text)),
            counts=TWO,
            notes=said,
        )
        yield Case(
            f"{name} of {text!r} in class folders",
            both(many(*CLASSES), beside(f"cat/{name}", text, 4)),
            counts=TWO,
        )
    yield Case(
        "a WebDataset that is unpacked",
        both(eight, beside("{}.cls", "#"), table("classes.txt", "cat\ndog\n")),
        counts=TWO,
        notes=(*said, "0 is cat, 1 is dog"),
    )
    yield Case(
        "a WebDataset's shard of classes", _shard, root="s.tar", counts={"0": ONE, "1": ONE}, notes=said
    )
    yield Case(
        "texts of classes in splits",
        both(
            many("train/{}.jpg", "val/{}.jpg"), beside("train/{}.txt", "@", 4), beside("val/{}.txt", "@", 4)
        ),
        counts={"cat": (2, 2, 0), "dog": (2, 2, 0)},
        notes=said,
    )
    yield Case(
        "texts of classes, one is missing",
        both(many("{}.jpg", count=12), beside("{}.txt", "@", 11)),
        counts={"cat": (4, 2, 0), "dog": (4, 1, 0)},
        notes=("1 image has no such file: left out",),
    )
    for what, name, text in (
        ("captions of their own", "{}.txt", "a photo, number %"), ("the caption of DreamBooth", "{}.txt", "a photo of sks dog"),
        ("img2dataset's keys", "{}.json", '{"caption": "text %", "key": "%", "status": "success"}'), ("lists of tags", "{}.json", '{"tags": ["@", "x"]}'),
        ("two lines", "{}.txt", "@\n@"), ("a type that all have", "{}.json", '{"type": "photo"}'),
    ):  # fmt: skip
        yield Case(
            f"no class in a file for each image: {what}",
            both(eight, beside(name, text)),
            error="holds images but no class folders",
        )
    yield Case(
        "texts of classes for half of the images",
        both(many("{}.jpg", count=8), beside("{}.txt", "@", 4)),
        error="holds images but no class folders",
    )


def _shard(folder: Path) -> None:
    with tarfile.open(folder / "s.tar", "w") as archive:
        for n in range(8):
            for suffix, content in (("jpg", image_bytes("jpg")), ("cls", str(n % 2).encode())):
                info = tarfile.TarInfo(f"{n:06}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
