# ruff: noqa: E501 - a case a line reads better
"""Files beside images and class folders that say their classes, and what is neither."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.corpus.case import CLASSES, GIVEN, ONE, TWO, Case, below, both, called, many, table, zipped

LABELS = ("cat", "dog") * 4
NUMBERED = many("0/{}.png", "1/a{}.png")


def beside() -> Iterator[Case]:
    """Every case."""
    yield from _one_each()
    yield from _names()
    yield from _within()


def _one_each() -> Iterator[Case]:
    said = ("an image has the class that the file beside it says",)
    for suffix, text in (
        ("csv", "class\n{}\n"), ("csv", "id,species,x\n1,{},2\n"), ("tsv", "label\tx\n{}\t2\n"), ("yaml", "label: {}\n"),
        ("yaml", "width: 3\nclass: '{}'\n"), ("yml", "category: {}\n"), ("xml", "<image><class>{}</class></image>"),
        ("xml", "<a><size>3</size><label> {} </label></a>"), ("json", '{{"label": "{}"}}'),
    ):  # fmt: skip
        files = [table(f"images/{n}.{suffix}", text.format(LABELS[n])) for n in range(8)]
        yield Case(
            f"a .{suffix} beside each image: {text!r}",
            both(many("images/{}.png", count=8), *files),
            counts=TWO,
            notes=said,
        )
    for what, text in (
        ("markup", "<p>{}</p>"),
        ("a table of several rows", "class\n{}\nx\n"),
        ("a list of JSON", '["{}"]'),
    ):
        files = [table(f"images/{n}.txt", text.format(LABELS[n])) for n in range(8)]
        yield Case(
            f"{what} beside each image says no class",
            both(many("images/{}.png", count=8), *files),
            error="holds images but no class folders",
        )


def _names() -> Iterator[Case]:
    for head in ("name", "class", "label", "class_name", "Category"):
        yield Case(
            f"names of numbers below {head}",
            both(NUMBERED, table("classes.csv", f"{head}\ncat\ndog\n")),
            counts=TWO,
            notes=("class names are those of classes.csv: 0 is cat, 1 is dog",),
        )
    for file in (
        "class_names.npy",
        "label_encoder.pkl",
        "classes.py",
        "labels.xml",
        "labels.docx",
        "classes.xlsx",
    ):
        yield Case(
            f"numbers beside {file}",
            both(NUMBERED, called(b"x", file)),
            counts={"0": ONE, "1": ONE},
            notes=(f"classes are numbers (0, 1); {file} may have their names: it is not read",),
        )
    yield Case(
        "classes beside class_names.npy", both(many(*CLASSES), called(b"x", "class_names.npy")), counts=TWO
    )
    said = "monkey_labels.txt may say what the classes are (n0: alouatta_palliata): it is not read"
    yield Case("codes of classes and a table of their names", both(many("training/n0/{}.jpg", "training/n1/a{}.jpg"), table("monkey_labels.txt", "Label, Latin Name, Images\nn0   , alouatta_palliata\t, 131\nn1   , erythrocebus_patas\t, 139\n")), counts={"n0": ONE, "n1": ONE}, notes=(said,))  # fmt: skip
    yield Case("codes of classes and no names", both(many("n0/{}.jpg", "n1/a{}.jpg"), table("sizes.txt", "n0, 3\n")), counts={"n0": ONE, "n1": ONE})  # fmt: skip
    yield Case("a table of species and numbers", both(many("train/{}.jpg", count=8), table("train.csv", "binomial,class_id,file_path\n" + "".join(f"Vipera {LABELS[n]},{n % 2},{n}.jpg\n" for n in range(8)))), counts={"Vipera cat": ONE, "Vipera dog": ONE})  # fmt: skip
    yield Case("PAD-UFES' parts and its metadata", both(many("imgs_part_1/PAT_{}_1.png", "imgs_part_2/PAT_{}_2.png"), table("metadata.csv", "patient_id,smoke,diagnostic,img_id\n" + "".join(f"P{n // 2},False,{LABELS[n]},PAT_{n % 4}_{1 + n // 4}.png\n" for n in range(8)))), counts=TWO, notes=("column patient_id has 4 values for 8 images",))  # fmt: skip
    for names in (("imgs_part_1", "imgs_part_2"), ("batch1", "batch2"), ("images_a", "images_b")):
        yield Case(f"parts {' and '.join(names)} and no table", many(f"{names[0]}/{{}}.png", f"{names[1]}/x{{}}.png"), counts=dict.fromkeys(names, ONE), notes=("but are called like parts of one data set",))  # fmt: skip
    for copy in (
        "cat - 副本",
        "cat - コピー",
        "cat - 복사본",
        "cat — копия",
        "cat - Kopia",
        "cat-DESKTOP-AB12CD3",
    ):
        yield Case(f"a copy {copy} beside cat", many(f"{copy}/x{{}}.png", *CLASSES), counts={**TWO, copy: ONE}, notes=(f"taken for two classes: cat and {copy}",))  # fmt: skip


def _within() -> Iterator[Case]:
    members = [
        f"data/{split}/{name}/{split}{n}.png"
        for split in ("train", "val")
        for name in ("cat", "dog")
        for n in range(4)
    ]
    yield Case(
        "a folder in a zip file", zipped("x.zip", *members), root="x.zip/data", counts=GIVEN, split="given"
    )
    yield Case(
        "the train in a zip file",
        zipped("x.zip", *members),
        root="x.zip/data/train",
        counts=TWO,
        split="made",
        notes=("val lies beside it and is not used",),
    )
    yield Case(
        "no such folder in a zip file",
        zipped("x.zip", *members),
        root="x.zip/nothing",
        error="there is no folder",
    )
    days = ("2023-05-01", "2023-05-02", "2023-05-03")
    said = "are taken for classes, but hold the same folders (cat, dog)"
    yield Case(
        "days that hold class folders",
        many(*(name for day in days for name in below(day))),
        problems=(f"2023-05-01 and 2023-05-02 {said}",),
    )
    yield Case(
        "people who hold class folders",
        many(*below("alice"), *below("bob")),
        notes=(f"alice and bob {said}",),
    )
