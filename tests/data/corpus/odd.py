# ruff: noqa: E501, RUF001 - a case a line reads better; letters of other alphabets are the point
"""Pipes and devices among images, masks of splits, folders of work, and what nobody has labelled."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    GIVEN,
    ONE,
    PAIRS,
    TESTED,
    TWO,
    Case,
    Make,
    below,
    both,
    called,
    files,
    link,
    many,
    table,
)


def pipe(name: str) -> Make:
    """Writes a named pipe, which who opens it waits at for ever."""
    return lambda folder: os.mkfifo(folder / name)


def listener(name: str) -> Make:
    """Writes a socket."""

    def make(folder: Path) -> None:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket has at most 107 letters
        try:
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(name)
        finally:
            os.chdir(here)

    return make


def special() -> Iterator[Case]:
    """Files that cannot be read to their end."""
    kinds: dict[str, Callable[[str], Make]] = {
        "a pipe": pipe, "a socket": listener, "/dev/zero": lambda name: link(name, "/dev/zero")
    }  # fmt: skip
    numbers = many("0/{}.png", "1/{}.png")
    for kind, make in kinds.items():
        for name in ("labels.csv", "train.txt", "train.json", "classes.txt", "notes", "images.json", "x.tar"):
            yield Case(
                f"{kind} called {name} beside class folders", both(many(*CLASSES), make(name)), counts=TWO
            )
        for name in (
            "labels.csv",
            "labels.json",
            "annotations.xml",
            "0.xml",
            "0.json",
            "0.txt",
            "split.csv",
            "labels.csv.gz",
        ):
            yield Case(
                f"{kind} called {name} beside images",
                both(many("{}.png"), make(name)),
                error="holds images but no class folders",
            )
        for name in ("classes.txt", "names.json", "data.yaml", "obj.names"):
            yield Case(
                f"{kind} called {name} beside numbers", both(numbers, make(name)), counts={"0": ONE, "1": ONE}
            )
        for name in ("metadata.csv", "metadata.jsonl", "_classes.csv"):
            yield Case(f"{kind} called {name}", both(many(*CLASSES), make(name)), error="cannot read")
        yield Case(
            f"{kind} called Recycled/desktop.ini",
            both(many(*CLASSES, "Recycled/{}.png"), make("Recycled/desktop.ini")),
            counts={**TWO, "Recycled": ONE},
        )
    yield Case(
        "a list of splits that is a pipe is named",
        both(many(*CLASSES), pipe("train.txt")),
        notes=("train.txt is not read: it is not an ordinary file",),
    )
    yield Case(
        "CUB's images.txt as a pipe",
        both(many(*CLASSES), table("train_test_split.txt", "1 1\n2 0\n"), pipe("images.txt")),
        notes=("train_test_split.txt is not read: there is no images.txt",),
    )


def folders_beside() -> Iterator[Case]:
    for masks in (
        "train_masks",
        "train_mask",
        "Train-Masks",
        "train_labels",
        "masks_train",
        "train_annotations",
    ):
        yield Case(
            f"{masks} beside train and test",
            many("train/{}.jpg", f"{masks}/{{}}_m.png", "test/{}.jpg"),
            error="train holds images but no class folders",
        )
    yield Case(
        "train_masks beside splits of classes",
        many(*below("train"), "train_masks/cat/{}.png", *below("val")),
        counts=GIVEN,
        notes=("train_masks is not one of the splits: left out",),
    )
    for name in ("new/", "src/x.py", "classes/classes.json", "metadata.csv/x", "annotations/x.xml"):
        yield Case(
            f"images beside {name}",
            both(many("{}.jpg"), files(name)),
            error="holds images but no class folders",
        )
        yield Case(
            f"images of one class beside {name}",
            both(many("{}.jpg"), files(name)),
            options={"class_name": "cat"},
            counts={"cat": ONE},
        )
        yield Case(
            f"images and labels.csv beside {name}",
            both(
                many("{}.jpg"),
                files(name),
                table("labels.csv", "file,label\n0.jpg,cat\n1.jpg,dog\n2.jpg,cat\n3.jpg,dog\n"),
            ),
            counts=PAIRS,
        )
    for one, other in (
        ("labelled", "unlabelled"),
        ("labeled", "unlabeled"),
        ("Labeled", "Unlabeled"),
        ("sup", "unsup"),
    ):
        yield Case(
            f"{one} beside {other}",
            many(*below(one), f"{other}/{{}}.png"),
            counts=TWO,
            notes=(f"{other} lies beside {one} and holds no class folders: left out",),
        )
        yield Case(
            f"{one} beside {other} in train",
            many(*below(f"train/{one}"), f"train/{other}/{{}}.png", *below("test")),
            counts=TESTED,
            notes=(f"train: {other} lies beside {one}: left out",),
        )
    yield Case(
        "classes labelled and unlabelled",
        many("labelled/{}.png", "unlabelled/{}.png"),
        counts={"labelled": ONE, "unlabelled": ONE},
        notes=("unlabelled is taken for a class",),
    )
    yield Case(
        "classes happy, of folders, and unhappy",
        many("happy/a/{}.png", "happy/b/{}.png", "unhappy/{}.png"),
        counts={"happy": (6, 2, 0), "unhappy": ONE},
        notes=("happy (a, b)",),
    )
    work = both(
        many("data/raw/cat/{}.png", "data/raw/dog/{}.png", count=10),
        files("notebooks/a.ipynb", "src/a.py", "models/a.pt"),
    )
    yield Case(
        "a folder of work",
        work,
        counts={"cat": (8, 2, 0), "dog": (8, 2, 0)},
        notes=("data/raw is the only folder with images: entered",),
    )
    yield Case(
        "a folder of work with figures",
        both(work, many("reports/figures/{}.png")),
        counts={"cat": (8, 2, 0), "dog": (8, 2, 0)},
        notes=("reports lies beside data",),
    )
    for name in ("labels.csv.gz", "labels.tsv.xz", "train.json.zst", "labels.csv.zip"):
        yield Case(
            f"{name} beside a folder of images",
            both(many("images/{}.png"), called(b"\x1f\x8b\x08", name)),
            error=f"{name} may list their labels: unpack it, and give that as data.root",
        )
    yield Case(
        "sheets beside images",
        both(many("{}.png"), files("cars_meta.mat", "cars_train.mat", "cars_test.mat")),
        error="cars_train.mat may list their labels: save it as CSV",
    )


def in_other_languages() -> Iterator[Case]:
    for names in (
        "Datei;Kategorie;Datum", "fichier,catégorie,date", "fichier,étiquette,note", "archivo,categoría,fecha", "arquivo,rótulo,data", "file,etichetta,data",
        "bestand,categorie,datum", "plik,klasa,data", "dosya,sınıf,tarih", "fil,kategori,datum", "файл,класс,дата", "文件名,标签,备注", "ファイル名,クラス,備考", "파일명,라벨,비고", "ملف,تصنيف,تاريخ",
    ):  # fmt: skip
        mark = ";" if ";" in names else ","
        text = f"{names}\n" + "".join(f"{n}.png{mark}{('cat', 'dog')[n % 2]}{mark}x{n}\n" for n in range(4))
        yield Case(
            f"a table of {names}", both(many("i/{}.png"), table("t.csv", text)), root="t.csv", counts=PAIRS
        )


def odd() -> Iterator[Case]:
    """All of them."""
    for kind in (special, folders_beside, in_other_languages):
        yield from kind()
