# ruff: noqa: E501 - a case a line reads better
"""Archives in archives and in folders, as downloads of Kaggle, Google Drive and universities come."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping

from tests.data.corpus.case import (
    EACH,
    ONE,
    PAIRS,
    TESTED,
    TWO,
    Case,
    Make,
    both,
    called,
    files,
    image_bytes,
    many,
    table,
    zipped,
)

Inside = Mapping[str, bytes]


def images(*folders: str, count: int = 4) -> Inside:
    """Images in folders; "" is none."""
    names = [f"{folder}/{number}.png".lstrip("/") for folder in folders for number in range(count)]
    return {name: image_bytes() for name in names}


def zip_of(inside: Inside) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in inside.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_of(inside: Inside) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in inside.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def each(inside: Inside) -> Make:
    """Writes files."""
    return both(*(called(content, name) for name, content in inside.items()))


PETS = ("cat", "dog")
BOTH = {"cat.zip": zip_of(images("")), "dog.zip": zip_of(images(""))}
SPLITS = {"train.zip": zip_of(images("train/cat", "train/dog")), "test.zip": zip_of(images("cat", "dog"))}
LABELS = b"file,label\n0.png,cat\n1.png,dog\n"


def nested() -> Iterator[Case]:
    """In archives, and the same in a folder."""
    for what, inside, expected in (
        ("classes", BOTH, {"counts": TWO, "notes": ("cat.zip, dog.zip are unpacked in",)}),
        ("classes, each in a folder of its name, too", {"cat.zip": zip_of(images("cat")), "dog.zip": zip_of(images("dog"))}, {"counts": TWO}),
        ("classes in a wrapper", {f"pets/{name}": content for name, content in BOTH.items()}, {"counts": TWO}),
        ("classes beside a readme", {**BOTH, "README.md": b"Pets"}, {"counts": TWO}),
        ("class folders of one archive each", {"cat/cat.zip": zip_of(images("")), "dog/dog.zip": zip_of(images(""))}, {"counts": TWO}),
        ("splits", SPLITS, {"counts": TESTED}),
        ("splits of archives of classes", {"train.zip": zip_of(BOTH), "test.zip": zip_of(BOTH)}, {"counts": TESTED}),
        ("one archive of class folders", {"data.tar.gz": tar_of(images(*PETS))}, {"counts": TWO}),
        ("one archive in a wrapper", {"a/b/data.zip": zip_of(images(*PETS)), "a/LICENSE": b"x"}, {"counts": TWO}),
        ("three archives around class folders", {"a.zip": zip_of({"b.zip": zip_of({"c.tar.gz": tar_of(images(*PETS))})})}, {"counts": TWO}),
        ("a table beside images", {"images.zip": zip_of(images("", count=2)), "labels.csv": LABELS}, {"counts": EACH}),
        ("a table in an archive of its own", {"images.zip": zip_of(images("", count=2)), "labels.csv.zip": zip_of({"labels.csv": LABELS})}, {"counts": EACH}),
        ("Kaggle's train and unlabelled test", {"train.zip": zip_of(images("train/cat", "train/dog")), "test1.zip": zip_of(images("test1")), "sampleSubmission.csv": b"id,label\n1,0\n2,0\n"}, {"counts": TWO, "notes": ("test1 holds images without labels",)}),
        ("images and annotations", {"101_ObjectCategories.tar.gz": tar_of(images("101_ObjectCategories/cat", "101_ObjectCategories/dog")), "Annotations.tar": tar_of({"Annotations/cat/a.mat": b"MATLAB"})}, {"counts": TWO}),
        ("archives without images are left out", {**BOTH, "code.zip": zip_of({"train.py": b"x"})}, {"counts": TWO, "notes": ("code.zip without images left out",)}),
        ("one image each", {name: zip_of(images("", count=2)) for name in BOTH}, {"counts": PAIRS}),
        ("a damaged one among others", {**BOTH, "fox.zip": zip_of(images(""))[:-30]}, {"error": "fox.zip: its end is missing"}),
        ("a rar archive among others", {**BOTH, "fox.rar": b"Rar!\x1a\x07\x00"}, {"counts": TWO, "notes": ("1 .rar file is one of archives; unpack them",)}),
        ("rar archives alone", {"cat.rar": b"Rar!\x1a\x07\x00", "dog.7z": b"7z\xbc\xaf\x27\x1c"}, {"error": "are archives; unpack them"}),
        ("one that leads outside", {**BOTH, "fox.zip": zip_of({"../x.png": image_bytes()})}, {"error": "which leads outside of it"}),
        ("classes that may be parts", {f"data{number}.zip": zip_of(images(f"{number}")) for number in (1, 2)}, {"error": "whose names differ only in numbers"}),
        ("shards of a WebDataset", {f"{number:06}.tar": tar_of({"0.jpg": image_bytes("jpg"), "0.cls": b"1"}) for number in range(2)}, {"error": "whose names differ only in numbers"}),
    ):  # fmt: skip
        yield Case(f"archives in a folder: {what}", each(inside), **expected)  # type: ignore[arg-type]
        yield Case(
            f"archives in an archive: {what}", called(zip_of(inside), "x.zip"), root="x.zip", **expected
        )  # type: ignore[arg-type]


def parts() -> Iterator[Case]:
    """A download that was cut into archives."""
    for one, other in (("pets-20210530T101010Z-001.zip", "pets-20210530T101010Z-002.zip"), ("iCloud Photos Part 1 of 2.zip", "iCloud Photos Part 2 of 2.zip"), ("pets.zip", "pets (1).zip")):  # fmt: skip
        yield Case(f"a download in parts, {one}", each({one: zip_of(images("pets/cat")), other: zip_of(images("pets/dog"))}), counts=TWO)  # fmt: skip
    yield Case("a download in parts, NIH's", each({"images_001.tar.gz": tar_of({"images/0.png": image_bytes()}), "images_002.tar.gz": tar_of({"images/1.png": image_bytes()}), "Data_Entry_2017.csv": b"Image Index,Finding Labels\n0.png,cat\n1.png,dog\n"}), counts=EACH)  # fmt: skip
    yield Case("a download that was loaded twice", each({name: zip_of({"cat/0.png": b"x"}) for name in ("pets.zip", "pets (1).zip")}), error="holds 'cat/0.png', which is there already")  # fmt: skip
    yield Case("the last part of an archive of several", each({"x.zip": zip_of(images(*PETS))[400:], "x.z01": b"PK\x03\x04" + bytes(99)}), root="x.zip", error="it is the last part of an archive, with x.z01")  # fmt: skip
    yield Case("archives beside class folders", both(many("cat/{}.png", "dog/{}.png"), zipped("cat.zip", "0.png")), counts=TWO, notes=("1 .zip file is one of archives",))  # fmt: skip
    yield Case("boxes of one class each in an archive", called(zip_of({f"{n}.{kind}": image_bytes() if kind == "png" else f"<annotation><object><name>{name}</name></object></annotation>".encode() for n, name in enumerate(PETS * 2) for kind in ("png", "xml")}), "x.zip"), root="x.zip", counts=PAIRS)  # fmt: skip
    yield Case("a folder of text files and an archive of text", both(files("a.txt"), zipped("x.zip", "a.py")), error="x.zip holds no images")  # fmt: skip
    yield Case("a table in an archive and images beside it", both(many("images/{}.png"), called(zip_of({"labels.csv": LABELS}), "labels.zip")), error="holds images but no class folders")  # fmt: skip
    yield Case("a table of images in two archives", both(called(zip_of(images("", count=1)), "part_a.zip"), called(zip_of({"1.png": image_bytes()}), "part_b.zip"), table("labels.csv", LABELS)), counts=EACH)  # fmt: skip
    yield Case("one class in an archive that is alone", called(zip_of(images("")), "cat.zip"), error="holds images but no class folders")  # fmt: skip
    yield Case("one class in a folder in an archive that is alone", called(zip_of(images("cat")), "x.zip"), counts={"cat": ONE})  # fmt: skip


def parts_and_table() -> Iterator[Case]:
    """Folders of one data set that was too large for one."""
    rows = "".join(f"HAM_{number},ISIC_{number},{'nv' if number % 2 else 'bkl'},histo\n" for number in (*range(4), *range(90, 94)))  # fmt: skip
    for one, other in (("HAM10000_images_part_1", "HAM10000_images_part_2"), ("images_001/images", "images_002/images"), ("batch a", "batch b"), ("Part-I", "Part-J")):  # fmt: skip
        yield Case(f"{one} and {other} beside a table", both(many(f"{one}/ISIC_{{}}.jpg", f"{other}/ISIC_9{{}}.jpg"), table("HAM10000_metadata.csv", f"lesion_id,image_id,dx,dx_type\n{rows}")), counts={"bkl": ONE, "nv": ONE}, notes=("are not taken for classes: the labels are those of HAM10000_metadata.csv",))  # fmt: skip
    yield Case("parts without a table", many("part_1/{}.jpg", "part_2/{}.jpg"), counts={"part_1": ONE, "part_2": ONE})  # fmt: skip
    yield Case("class folders beside a table of the same images", both(many("cat/{}.jpg", "dog/9{}.jpg"), table("meta.csv", "image,label\n0.jpg,a\n90.jpg,b\n")), counts=TWO, notes=("lists labels and is not read",))  # fmt: skip
