# ruff: noqa: E501 - a case a line reads better; letters that look like others are the point
"""Tables, names of classes and zip files in code pages, lists of images that nobody reads, and the folders of
archives and of papers."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    EACH,
    HALF,
    ONE,
    TWO,
    Case,
    Make,
    both,
    image_bytes,
    many,
    table,
    tables,
)

WORDS = {
    "cp1251": ("Windows-1251", "кошка", "собака"),
    "koi8-r": ("KOI8-R", "кошка", "собака"),
    "cp866": ("DOS code page 866", "кошка", "собака"),
    "shift-jis": ("Shift-JIS", "金魚", "いぬ"),
    "euc-jp": ("EUC-JP", "さかな", "いぬ"),
    "gbk": ("GBK", "猫", "苹果"),
    "big5": ("Big5", "檔案", "蘋果樹"),
    "euc-kr": ("EUC-KR", "고양이", "강아지와 자동차"),
    "cp437": ("DOS code page 437", "Käfer", "Löwe"),
    "mac-roman": ("Mac Roman", "Käfer", "Löwe"),
    "cp1253": ("Windows-1253", "γάτα", "σκύλος"),
    "cp1252": ("Windows-1252", "Käfer", "São Paulo"),
}
case = tables("code page")


def code_pages() -> Iterator[Case]:
    """Every case."""
    for page, (called, one, other) in WORDS.items():
        body = f"i/a.png,{one}\ni/b.png,{other}\n"
        named = {one: (1, 0, 0), other: (1, 0, 0)}
        yield case(f"a table in {page}", f"path,label\n{body}".encode(page), counts=named, notes=(f"read as {called};",))  # fmt: skip
        yield case(f"JSON lines in {page}", f'{{"path": "i/a.png", "label": "{one}"}}\n{{"path": "i/b.png", "label": "{other}"}}\n'.encode(page), file="t.jsonl", counts=named)  # fmt: skip
        yield Case(f"names of numbers in {page}", both(many("0/{}.png", "1/{}.png"), table("classes.txt", f"{one}\n{other}\n".encode(page))), counts={one: ONE, other: ONE})  # fmt: skip
        if page not in ("mac-roman", "koi8-r"):
            yield Case(f"a zip file of names in {page}", _zip(one.encode(page), other.encode(page)), root="x.zip", counts={one: ONE, other: ONE})  # fmt: skip
    for page, head in (("euc-kr", "파일명,라벨"), ("gbk", "文件名,标签"), ("big5", "檔名,標籤"), ("euc-jp", "ファイル,ラベル"), ("cp1251", "файл,класс")):  # fmt: skip
        yield case(f"names of columns in {page} alone", f"{head}\ni/a.png,cat\ni/b.png,dog\n".encode(page))
    yield Case("a list of train that PowerShell wrote", both(many(*CLASSES), table("train.txt", "".join(f"cat/{n}.png\r\ndog/{n}.png\r\n" for n in range(3)).encode("utf-16")), table("val.txt", "cat/3.png\r\ndog/3.png\r\n".encode("utf-16"))), counts={"cat": (3, 1, 0), "dog": (3, 1, 0)}, split="given")  # fmt: skip
    yield Case("classes.txt that Notepad wrote as Unicode", both(many("0/{}.png", "1/{}.png"), table("classes.txt", "cat\r\ndog\r\n".encode("utf-16"))), counts=TWO)  # fmt: skip
    yield from _unread()
    yield from _not_classes()


def _zip(one: bytes, other: bytes) -> Make:
    """A zip file of two class folders with these bytes, and no word of their encoding."""

    def make(folder: Path) -> None:
        path = folder / "x.zip"
        stands = {"#" * len(one): one, "%" * len(other): other}
        with zipfile.ZipFile(path, "w") as archive:
            for name in stands:
                for number in range(4):
                    archive.writestr(f"{name}/{number}.png", image_bytes())
        content = path.read_bytes()
        for name, coded in stands.items():
            content = content.replace(f"{name}/".encode(), coded + b"/")
        path.write_bytes(content)

    return make


def _unread() -> Iterator[Case]:
    said = "lists images and is not read; all images are used"
    for name in ("blacklist.txt", "bad_images.txt", "excluded.csv", "to_remove.txt", "corrupted.json", "whitelist.txt"):  # fmt: skip
        yield Case(f"{name} beside class folders", both(many(*CLASSES), table(name, '["cat/0.png",\n"dog/1.png"]')), counts=TWO, notes=(f"{name} {said}",))  # fmt: skip
    yield Case("duplicates.txt beside images and labels.csv", both(many("images/{}.png", count=2), table("labels.csv", "file,label\n0.png,cat\n1.png,dog\n"), table("duplicates.txt", "0.png\n")), counts=EACH, notes=(f"duplicates.txt {said}",))  # fmt: skip
    yield Case("bad.txt and good.txt, the images of each class", both(many("images/{}.png", count=8), table("bad.txt", "".join(f"{n}.png\n" for n in range(4))), table("good.txt", "".join(f"{n}.png\n" for n in range(4, 8)))), counts={"bad": ONE, "good": ONE})  # fmt: skip
    yield Case("notes called bad.txt beside class folders", both(many(*CLASSES), table("bad.txt", "dark ones\n")), counts=TWO)  # fmt: skip


def _not_classes() -> Iterator[Case]:
    for name in ("Untitled", "Untitled(1)", "Papierkorb", "Corbeille", "Archive", "Sans titre", "回收站"):
        yield Case(f"an album {name} beside class folders", many(*CLASSES, f"{name}/x{{}}.png"), counts={**TWO, name: ONE}, notes=(f"{name} is taken for a class",))  # fmt: skip
    for names in (("LRbicx2", "LRbicx4", "GTmod12"), ("LR_bicubic_X2", "LR_bicubic_X4"), ("bicubic_x2", "bicubic_x3")):  # fmt: skip
        yield Case(f"super-resolution's {' and '.join(names)}", many(*(f"Set5/{name}/x{{}}.png" for name in names)), counts=dict.fromkeys(names, ONE), notes=("but are called like magnifications",))  # fmt: skip
    for names in (("box1", "box2"), ("fox 1", "fox 2"), ("max2", "min2")):
        yield Case(f"classes {' and '.join(names)} are no magnifications", many(*(f"{name}/{{}}.png" for name in names)), counts=dict.fromkeys(names, ONE), silent=True)  # fmt: skip
    truth = "ISIC2018_Task3_Training_GroundTruth"
    yield Case("ISIC's images and ground truth", both(many("ISIC2018_Task3_Training_Input/I{}.jpg"), table(f"{truth}/{truth}.csv", "image,MEL,NV\n" + "".join(f"I{n},{float(n % 2)},{float(1 - n % 2)}\n" for n in range(4)))), counts={"MEL": HALF, "NV": HALF})  # fmt: skip
    yield case("columns is_cat and is_dog", "path,is_cat,is_dog\ni/a.png,1,0\ni/b.png,0,1\n", notes=("behind is_",), counts=EACH)  # fmt: skip
    yield Case("images and resized, each in a folder of its name", many("images/images/cat/{}.png", "images/images/dog/{}.png", "resized/resized/cat_{}.png", "resized/resized/dog_{}.png"), notes=("if those folders are the classes, move them up",))  # fmt: skip
