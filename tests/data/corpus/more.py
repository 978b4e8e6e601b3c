# ruff: noqa: E501 - a case a line reads better
"""More of each kind: other languages and spellings, other litter, tables of other makers, other archives."""

from __future__ import annotations

import io
import tarfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    GIVEN,
    TESTED,
    THREE,
    TWO,
    Case,
    below,
    both,
    files,
    image_bytes,
    link,
    many,
    table,
    tarred,
    zipped,
)

CAT_DOG = {"cat": (1, 0, 0), "dog": (1, 0, 0)}


def more_splits() -> Iterator[Case]:
    for train, val in (
        ("1_train", "2_val"), ("train 2024", "valid 2024"), ("Training", "Validierung"), ("Trainingsdaten", "Validierungsdaten"),
        ("训练集", "验证集"), ("学習", "検証"), ("entrenamiento", "validación"), ("treino", unicodedata.normalize("NFD", "validação")),
        ("entraînement", "validation"), ("обучение", "валидация"), ("train", "cross-validation"), ("train", "Cross Val"),
        ("Images for training", "Images for validation"), ("TRAIN.imgs", "VALID.imgs"), ("[train]", "[val]"),
    ):  # fmt: skip
        yield Case(f"splits {train} and {val}", many(*below(train), *below(val)), counts=GIVEN, split="given")
    for train, test in (
        ("entrenamiento", "prueba"),
        ("训练", "测试"),
        ("Trainingsdaten", "Testdaten"),
        ("trainval", "test-2"),
    ):
        yield Case(f"splits {train} and {test}", many(*below(train), *below(test)), counts=TESTED)
    yield Case("Training Images, valid and testing", many(*below("Training Images"), *below("valid"), *below("testing")),
               counts=THREE, split="given")  # fmt: skip
    yield Case("a class called 1", many("1/{}.png"), counts={"1": (3, 1, 0)})
    yield Case(
        "classes of numbers",
        many("0/{}.png", "1/{}.png"),
        counts={"0": (3, 1, 0), "1": (3, 1, 0)},
        silent=True,
    )
    yield Case("classes test 1, control 1", many("test 1/{}.png", "control 1/{}.png"),
               counts={"control 1": (3, 1, 0), "test 1": (3, 1, 0)})  # fmt: skip


def more_layouts() -> Iterator[Case]:
    yield Case("class folders in a generic folder of each split", many(*below("DATA/TRAIN/IMAGES"), *below("DATA/VALID/IMAGES")),
               counts=GIVEN, split="given", notes=("DATA is the only folder", "IMAGES is the only folder in VALID"))  # fmt: skip
    yield Case("images of one class in a generic folder of each split", many("train/images/{}.png", "val/images/{}.png"),
               options={"class_name": "cat"}, counts={"cat": (4, 4, 0)}, split="given")  # fmt: skip
    yield Case(
        "nine wrappers",
        many(*below("a/b/c/d/e/f/g/h/i")),
        counts=TWO,
        notes=("a/b/c/d/e/f/g/h/i is the only folder",),
    )
    yield Case("two sets side by side", many(*below("dataset1"), *below("dataset2")), counts={"dataset1": (6, 2, 0), "dataset2": (6, 2, 0)},
               notes=("dataset1 and dataset2 are taken for classes, but hold the same folders (cat, dog)",))  # fmt: skip
    yield Case("splits in a language that we do not know", many(*below("harjoitus"), *below("testaus")),
               notes=("harjoitus and testaus are taken for classes",))  # fmt: skip
    yield Case(
        "classes with the same one folder",
        many("cat/images/{}.png", "dog/images/{}.png"),
        counts=TWO,
        silent=True,
    )
    boxes = "boxes for object detection"
    yield Case("YOLO's layout", both(many("train/images/{}.jpg", "valid/images/{}.jpg"), files("train/labels/0.txt", "data.yaml")),
               error=boxes)  # fmt: skip
    yield Case("COCO's layout", both(many("train/{}.jpg"), table("train/boxes.coco.json", "{}")), error=boxes)
    yield Case(
        "Pascal VOC's layout",
        both(many("JPEGImages/{}.jpg"), files("Annotations/0.xml")),
        error=boxes,
    )
    for name in ("labels.csv", "train.csv", "annotations.tsv"):
        yield Case(f"{name} beside unsorted images", both(many("train/{}.jpg", "test/{}.jpg"), table(name, "id,breed\n0,pug\n")),
                   error=f"{name}, if that lists their labels")  # fmt: skip
    yield Case("a table beside a folder of images", both(many("images/{}.jpg"), table("labels.csv", "id,breed\n0,pug\n")),
               error="labels.csv, if that lists their labels")  # fmt: skip
    yield Case("an image as data.root", files("a.PNG"), root="a.PNG", error="is an image; give its folder")
    for name in ("x.7z", "x.rar", "x.tar.zst"):
        yield Case(f"{name} as data.root", table(name, b"7z"), root=name, error="archives; unpack them")
    yield Case(
        "a folder of Parquet files",
        table("data/train.parquet", b"PAR1"),
        error="holds no images (1 .parquet)",
    )
    yield Case("metadata.csv in train, and an unlabelled test",
               both(table("train/metadata.csv", "file_name,label\na.png,cat\nb.png,dog\n", "train/a.png", "train/b.png"), many("test/{}.png")),
               counts=CAT_DOG, notes=("test holds images without labels",))  # fmt: skip
    yield Case("two folders that link to each other", both(many(*CLASSES), link("cat/d", "../dog"), link("dog/c", "../cat")),
               counts={"cat": (6, 2, 0), "dog": (6, 2, 0)})  # fmt: skip


def more_litter() -> Iterator[Case]:
    for name in (
        ".Spotlight-V100", ".fseventsd", ".AppleDouble", "Network Trash Folder", "Temporary Items", "found.000", "RECYCLER",
        "$Recycle.Bin", "#Recycle", "@Recently-Snapshot", "@Transcode", "@SynoEAStream", "~snapshot",
        "_vti_cnf", "wandb", "mlruns", "tb_logs", "node_modules", "Picasaoriginals", "SYNOPHOTO_THUMB", ".trashed-123",
        "Pictures.photoslibrary", "Catalog Previews.lrdata", "WindowsImageBackup", ".stversions", ".dropbox.cache",
    ):  # fmt: skip
        yield Case(f"{name} among classes and in one", both(many(*CLASSES), files(f"{name}/a.png", f"cat/{name}/b.png")),
                   counts=TWO, silent=True)  # fmt: skip
    yield Case(
        "a virtual environment",
        both(many(*CLASSES), files("env/pyvenv.cfg", "env/lib/logo.png")),
        counts=TWO,
        silent=True,
    )
    for name in ("@home", "found", "runs", "recycling"):
        yield Case(
            f"a class called {name}",
            many(f"{name}/{{}}.png", "dog/{}.png"),
            counts={name: (3, 1, 0), "dog": (3, 1, 0)},
        )


def more_tables() -> Iterator[Case]:
    images = ("i/a.png", "i/b.png")
    body = "i/a.png,cat\ni/b.png,dog\n"
    for header in (
        "imagePath,className", "Img.File,dog_breed", "path,primary_label", "file,true-class", "picture,klasse", "image id,Taxon",
        "image_uri,bird_species", "IMAGE_ID,Category ID", "key,animal",
    ):  # fmt: skip
        yield Case(
            f"a table of {header}", table("t.csv", f"{header}\n{body}", *images), root="t.csv", counts=CAT_DOG
        )
    for header in ("image,label,label_name", "image_id,class_id,class", "path,target,species", "path,y,name"):
        text = f"{header}\ni/a.png,0,cat\ni/b.png,1,dog\n"
        yield Case(
            f"a table of numbers and names ({header})",
            table("t.csv", text, *images),
            root="t.csv",
            counts=CAT_DOG,
        )
    for name, text in {
        "UTF-16 without a BOM": ("path;label\n" + body.replace(",", ";")).encode("utf-16-le"),
        "UTF-16 of the other byte order": ("path,label\n" + body).encode("utf-16-be"),
        "UTF-16 and tabs": ("path\tlabel\n" + body.replace(",", "\t")).encode("utf-16"),
        "a BOM and quoted semicolons": ('\ufeff"path";"label"\n"i/a.png";"cat"\n"i/b.png";"dog"\n').encode(),
        "bars": ("path|label\n" + body.replace(",", "|")).encode(),
        "a separator at each end": b"path,label,\ni/a.png,cat,\ni/b.png,dog,\n",
        "absolute Windows paths": b"path,label\nC:\\data\\i\\a.png,cat\nC:\\data\\i\\b.png,dog\n",
        "absolute paths of another computer": b"path,label\n/home/x/i/a.png,cat\n/home/x/i/b.png,dog\n",
        "names in capitals": b"path,label\ni/A.PNG,cat\nI/B.PNG,dog\n",
        "a leading ./": b"path,label\n./i/a.png,cat\n./i/b.png,dog\n",
        "a blank line and a comment": b"# made by me\npath,label\n\ni/a.png,cat\ni/b.png,dog\n",
        "boxes": b"filename,width,class,xmin\ni/a.png,1,cat,3\ni/a.png,1,cat,5\ni/b.png,1,dog,3\n",
    }.items():  # fmt: skip
        yield Case(f"a table with {name}", table("t.csv", text, *images), root="t.csv", counts=CAT_DOG)
    yield Case("Caffe's list", table("train.txt", "i/a.png 0\ni/b c.png 1\n", "i/a.png", "i/b c.png"), root="train.txt",
               counts={"0": (1, 0, 0), "1": (1, 0, 0)})  # fmt: skip
    yield Case("a table of escaped names", table("t.csv", "path,label\ni/a%20b.png,cat\n", "i/a b.png"), root="t.csv",
               counts={"cat": (1, 0, 0)})  # fmt: skip
    yield Case("a table of another Unicode form", table("t.csv", "path,label\ni/K\u00e4fer.png,cat\n", unicodedata.normalize("NFD", "i/K\u00e4fer.png")),
               root="t.csv", counts={"cat": (1, 0, 0)}, notes=("1 file was found by name",))  # fmt: skip
    yield Case("a table whose images have one name in several folders",
               table("t.csv", "path,label\n/k/cat/0.png,cat\n/k/dog/0.png,dog\n", "d/cat/0.png", "d/dog/0.png"), root="t.csv", counts=CAT_DOG)  # fmt: skip
    yield Case("a table that names one file twice by name", table("t.csv", "path,label\nx/0.png,cat\ny/0.png,dog\n", "d/0.png"),
               root="t.csv", error="files that do not exist")  # fmt: skip
    for name in ("train.csv", "Training.csv", "labels.csv"):
        yield Case(f"Kaggle's {name} and its unlabelled test", both(many("train_images/{}.jpg", "test_images/{}.jpg"),
                   table(name, "image_id,label\n0.jpg,0\n1.jpg,1\n")), root=name, counts={"0": (1, 0, 0), "1": (1, 0, 0)})  # fmt: skip
    yield Case(
        "a table of addresses",
        table("t.csv", "url,label\nhttps://x.org/a.png,cat\n"),
        root="t.csv",
        error="addresses are not downloaded",
    )
    yield Case(
        "a table without a body", table("t.csv", "path,label\n"), root="t.csv", error="lists no images"
    )
    yield Case(
        "a table with a gap",
        table("t.csv", "path,label\ni/a.png,\n", *images),
        root="t.csv",
        error="lists no images to train with",
    )
    for name, lines in {
        "nested keys": ('{"image": {"path": "a.png"}, "label": {"name": "cat"}}', '{"image": {"path": "b.png"}, "label": {"name": "dog"}}'),
        "a nested label": ('{"file_name": "a.png", "meta": {"species": "cat", "w": 3}}', '{"file_name": "b.png", "meta": {"species": "dog", "w": 4}}'),
        "lists of one": ('{"file_name": "a.png", "labels": ["cat"]}', '{"file_name": "b.png", "labels": ["dog"]}'),
        "deep keys": ('{"a": {"b": {"file": "a.png"}}, "x": {"label": "cat"}}', '{"a": {"b": {"file": "b.png"}}, "x": {"label": "dog"}}'),
    }.items():  # fmt: skip
        yield Case(
            f"metadata.jsonl with {name}",
            table("metadata.jsonl", "\n".join(lines), "a.png", "b.png"),
            counts=CAT_DOG,
        )
    yield Case("metadata.jsonl with two labels", table("metadata.jsonl", '{"file_name": "a.png", "labels": ["cat", "dog"]}\n', "a.png"),
               error="set task=multi_label to learn all of them")  # fmt: skip


def _links(folder: Path) -> None:
    with tarfile.open(folder / "h.tar", "w") as archive:
        for name in ("cat/0.png", "dog/0.png"):
            content = image_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind, target in (
            ("cat/1.png", tarfile.LNKTYPE, "cat/0.png"),
            ("cat/2.png", tarfile.SYMTYPE, "0.png"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)


def more_archives() -> Iterator[Case]:
    members = tuple(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4))
    yield Case(
        "a tar file with links within it", _links, root="h.tar", counts={"cat": (2, 1, 0), "dog": (1, 0, 0)}
    )
    yield Case("a zip file without suffix", both(zipped("x.zip", *members), lambda folder: _rename(folder, "x.zip", "download")),
               root="download", counts=TWO)  # fmt: skip
    yield Case("a zip file called .tar", both(zipped("x.zip", *members), lambda folder: _rename(folder, "x.zip", "x.tar")),
               root="x.tar", counts=TWO)  # fmt: skip
    yield Case("a tar file called .zip", both(tarred("x.tar", *members), lambda folder: _rename(folder, "x.tar", "x.zip")),
               root="x.zip", counts=TWO)  # fmt: skip
    yield Case("a zip file in wrappers", zipped("x.zip", *(f"archive/data/Pets/{name}" for name in members)), root="x.zip",
               counts=TWO, notes=("archive/data/Pets is the only folder",))  # fmt: skip
    yield Case(
        "a zip file of zip files", zipped("x.zip", **{"train.zip": b"PK"}), root="x.zip", error="train.zip"
    )
    yield Case("an empty zip file", zipped("x.zip"), root="x.zip", error="holds no images")
    yield Case(
        "a zip file in which a file is a folder too",
        zipped("x.zip", "cat.png", "cat.png/a.png"),
        root="x.zip",
        error="cannot unpack",
    )


def _rename(folder: Path, old: str, new: str) -> None:
    (folder / old).rename(folder / new)
