# ruff: noqa: E501 - a case a line reads better
"""Images whose names say their classes, which data.class_from=names reads."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.corpus.case import GIVEN, ONE, TWO, Case, below, both, many, table, zipped

NAMES = {"class_from": "names"}


def named() -> Iterator[Case]:
    """Read by their names, and what to do where nobody said so."""
    for what, names in (
        ("Kaggle's cats and dogs", ("cat.{}.jpg", "dog.{}.jpg")),
        ("words and numbers", ("cat_{}.png", "dog_{}.png")),
        ("copies of Windows", ("cat ({}).png", "dog ({}).png")),
        ("numbers first", ("1{}_cat.png", "2{}_dog.png")),
        ("dates first", ("2021-05-0{}-cat.png", "2021-06-0{}-dog.png")),
    ):
        yield Case(f"names: {what}", many(*names), options=NAMES, counts=TWO, notes=("data.class_from=names: the class is what stands",))  # fmt: skip
        yield Case(f"names: {what}, in splits", many(*(f"{split}/{name}" for split in ("train", "val") for name in names)), options=NAMES, counts=GIVEN, split="given")  # fmt: skip
        yield Case(f"names: {what}, in a folder", many(*(f"images/{name}" for name in names)), options=NAMES, counts=TWO)  # fmt: skip
        yield Case(f"names: {what}, not said", many(*names), error="data.class_from=names makes these the classes")  # fmt: skip
    yield Case("names: an unlabelled test", many("train/cat.{}.jpg", "train/dog.{}.jpg", "test1/{}.jpg"), options=NAMES, counts=TWO, notes=("test1 holds images whose names say no class: left out",))  # fmt: skip
    yield Case("names: Oxford's pets", many("images/Abyssinian_{}.jpg", "images/great_pyrenees_{}.jpg"), options=NAMES, counts={"Abyssinian": ONE, "great_pyrenees": ONE})  # fmt: skip
    yield Case("names: ImageNet's", many("n01440764_{}.JPEG", "n01443537_{}.JPEG"), options=NAMES, counts={"n01440764": ONE, "n01443537": ONE})  # fmt: skip
    yield Case("names: COIL's objects", many("obj1__{}.png", "obj2__{}.png"), options=NAMES, counts={"obj1": ONE, "obj2": ONE})  # fmt: skip
    yield Case(
        "names: digits", many("7-000{}.png", "8-000{}.png"), options=NAMES, counts={"7": ONE, "8": ONE}
    )
    yield Case("names: in an archive", zipped("x.zip", *(f"{name}.{n}.jpg" for name in ("cat", "dog") for n in range(4))), root="x.zip", options=NAMES, counts=TWO)  # fmt: skip
    yield Case("names: in folders that are no classes", many("batch1/cat_{}.png", "batch2/dog_{}.png"), options=NAMES, counts=TWO)  # fmt: skip
    yield Case("names: one without a class", both(many("cat_{}.png", "dog_{}.png"), many("readme{}x.png", count=1)), options=NAMES, error="readme0x.png has no class before the number in its name, as cat_0.png has (1 of 9 images)")  # fmt: skip
    yield Case(
        "names: numbers alone", many("{}.png"), options=NAMES, error="say no classes, such as cat.0.jpg"
    )
    yield Case("names: another one each", many("{}_5.png"), options=NAMES, error="say no classes")
    yield Case(
        "names: class folders", many("cat/{}.png", "dog/{}.png"), options=NAMES, error="say no classes"
    )
    yield Case("names: a class that is spelled twice", many("Cat_{}.png", "cat_1{}.png"), options=NAMES, problems=("are one class in two spellings",))  # fmt: skip
    yield Case("names: a table of labels", table("t.csv", "path,label\na.png,cat\n", "a.png"), root="t.csv", options=NAMES, error="data.class_from=names is for a folder of images with one label each")  # fmt: skip
    yield Case("names: Hugging Face's table", table("metadata.csv", "file_name,label\na.png,cat\n", "a.png"), options=NAMES, error="say the classes; leave out data.class_from=names")  # fmt: skip
    yield Case("names: with several labels", many("cat_{}.png"), options={**NAMES, "separator": "auto"}, error="with one label each")  # fmt: skip
    yield Case("names: none", both(many(*below("train")), many("test/a.txt")), options=NAMES, error="say no classes")  # fmt: skip
    yield Case("names of splits alone", both(many("images/Train_{}.jpg", "images/Test_{}.jpg"), table("train.csv", "image_id,healthy,rust\nTrain_0,1,0\nTrain_1,0,1\n")), counts={"healthy": (1, 0, 0), "rust": (1, 0, 0)}, notes=("6 images are not in train.csv: left out",))  # fmt: skip
    yield Case("names beside an example of a submission", both(many("train/cat.{}.jpg", "train/dog.{}.jpg", "test1/{}.jpg"), table("sampleSubmission.csv", "id,label\n1,0\n2,0\n")), error="what they show, data.class_name=NAME, or move them into class folders; their names begin with cat and dog: data.class_from=names")  # fmt: skip
