# ruff: noqa: RUF001 - a case a line reads better; letters that look like others are the point
"""Tables that say labels in several columns, cells or files, as competitions, tools and registers of species
write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from tests.data.corpus.case import ONE, TWO, Case, both, many, table, tables

LABELS = ("cat", "dog") * 20
EIGHT = tuple(f"i/{number}.png" for number in range(8))
IMAGES = many("i/{}.png", count=8)
PHOTOS = many("photos/{}.jpg", count=8)
case = tables("joined")


def rows(head: str, line: Callable[[int], str], count: int = 8) -> str:
    """A table of ``count`` lines below ``head``."""
    return head + "".join(f"{line(number)}\n" for number in range(count))


def joined() -> Iterator[Case]:
    """Every case."""
    yield from _two_tables()
    yield from _columns()
    yield from _cells()
    yield from _lines()


def _two_tables() -> Iterator[Case]:
    seen = table(
        "observations.csv",
        rows("observationID,mediaID,scientificName,count\n", lambda n: f"o{n},m{n},{LABELS[n]},1"),
    )
    said = "media.csv names the images, and observations.csv says more of them by mediaID: join the two"
    yield Case(
        "Camtrap DP's media and observations",
        both(
            many("media/{}.jpg", count=8),
            table("media.csv", rows("mediaID,filePath\n", lambda n: f"m{n},media/{n}.jpg")),
            seen,
        ),
        notes=(f"media is taken for the one class; {said}",),
    )
    yield Case(
        "Camtrap DP's media in a folder that says nothing",
        both(
            many("images/{}.jpg", count=8),
            table("media.csv", rows("mediaID,filePath\n", lambda n: f"m{n},images/{n}.jpg")),
            seen,
        ),
        error=said,
    )
    yield Case(
        "a count of animals is no name of an image",
        both(PHOTOS, seen),
        root="observations.csv",
        error="no path column among observationID, mediaID, scientificName, count",
    )
    photos = table("photos.csv", rows("photo_id\tobservation_uuid\n", lambda n: f"{n}\tob{n}"))
    yield Case(
        "iNaturalist's photos, observations and taxa",
        both(
            many("images/{}.jpg", count=8),
            photos,
            table(
                "observations.csv",
                rows("observation_uuid\ttaxon_id\tspecies\n", lambda n: f"ob{n}\t{n % 2 + 500}\t{LABELS[n]}"),
            ),
        ),
        error="photos.csv names the images, and observations.csv says more of them by observation_uuid",
    )
    yield Case(
        "a shop's photos and products",
        both(
            many("images/{}.jpg", count=8),
            table("photos.csv", rows("photo_id,business_id\n", lambda n: f"{n},b{n}")),
            table("train.csv", rows("business_id,labels\n", lambda n: f"b{n},{LABELS[n]}")),
        ),
        error="photos.csv names the images, and train.csv says more of them by business_id",
    )
    yield Case(
        "two tables of the same images are not joined",
        both(
            many("images/{}.jpg", count=8),
            table("a.csv", rows("file,label,x\n", lambda n: f"{n}.jpg,{LABELS[n]},{n}")),
            table("b.csv", rows("file,label,x\n", lambda n: f"{n}.jpg,{LABELS[n + 1]},{n}")),
        ),
        error="or data.root=",
    )


def _columns() -> Iterator[Case]:
    for head, names in (
        ("Image,Id", ("new_whale", "w_1")),
        ("name,invasive", ("0", "1")),
        ("id,has_cactus", ("0", "1")),
    ):
        text = rows(f"{head}\n", lambda n, names=names: f"{n}.jpg,{names[n % 2]}")  # type: ignore[misc]
        for file in ("train.csv", "train_labels.csv", "labels.csv"):
            yield Case(
                f"{file} of {head}",
                both(many("train/{}.jpg", count=8), table(file, text)),
                counts=dict.fromkeys(names, ONE),
            )
    yield Case(
        "dates.csv of two columns is none of labels",
        both(
            many("images/{}.jpg", count=8),
            table("dates.csv", rows("file,year\n", lambda n: f"{n}.jpg,{2020 + n % 2}")),
        ),
        error="holds images but no class folders",
    )
    said = "repeats its values, as classes do"
    yield case(
        "products and groups",
        rows("posting_id,image,title,shop\n", lambda n: f"p{n},i/{n}.png,Bag {n},{n % 2}"),
        *EIGHT,
        error=f"(shop {said})",
    )
    yield case(
        "three columns that may be it",
        rows("image_id,root,vowel,grapheme\n", lambda n: f"{n}.png,{n % 2},{n % 3},g{n}"),
        *EIGHT,
        error="(root, vowel repeat their values, as classes do)",
    )
    yield case(
        "shares of classes",
        rows("path,cat,dog\n", lambda n: f"i/{n}.png,0.{7 - n % 2 * 5},0.{3 + n % 2 * 5}"),
        *EIGHT,
        error="cat, dog are shares that add up to 1: write the class with the largest",
    )
    yield case(
        "names of images and classes in one column",
        rows("Image_Label,EncodedPixels\n", lambda n: f"{n}.jpg_Fish,1 2"),
        *EIGHT,
        error="column Image_Label has the names of images and more behind them: part it",
    )
    for one, two in (
        ("ja", "nein"),
        ("oui", "non"),
        ("sí", "no"),
        ("Sim", "Não"),
        ("да", "нет"),
        ("是", "否"),
        ("はい", "いいえ"),
        ("WAHR", "FALSCH"),
    ):
        yield case(
            f"columns of {one} and {two}",
            rows(
                "path,cat,dog\n",
                lambda n, one=one, two=two: f"i/{n}.png,{(one, two)[n % 2]},{(two, one)[n % 2]}",
            ),
            *EIGHT,
            counts=TWO,
        )  # type: ignore[misc]
    split = "0000112200000000"
    for head in ("split", "partition", "eval_status"):
        yield case(
            f"Ludwig's numbers in a column {head}",
            rows(f"path,label,{head}\n", lambda n: f"i/{n}.png,{LABELS[n]},{split[n]}", 12),
            *(f"i/{n}.png" for n in range(12)),
            counts={"cat": (4, 1, 1), "dog": (4, 1, 1)},
            split="given",
            notes=(f"column {head} has 0, 1 and 2: taken for train, val and test",),
        )
    yield case(
        "three folds as numbers",
        rows("path,label,split\n", lambda n: f"i/{n}.png,{LABELS[n]},{n // 2 % 3}", 12),
        *(f"i/{n}.png" for n in range(12)),
        split="made",
        notes=("column split has numbers",),
    )
    lines = [json.dumps({"image": f"{n}.jpg", "prefix": "what is it", "suffix": LABELS[n]}) for n in range(8)]
    yield Case(
        "Roboflow's questions and answers",
        both(
            many("dataset/{}.jpg", count=8),
            table("dataset/_annotations.train.jsonl", "\n".join(lines[:6])),
            table("dataset/_annotations.valid.jsonl", "\n".join(lines[6:])),
        ),
        counts={"cat": (3, 1, 0), "dog": (3, 1, 0)},
        split="given",
    )


def _cells() -> Iterator[Case]:
    said = "4 rows name several images: each has the label of its row"
    for between in ("|", ";", ", ", "\n"):
        yield case(
            f"several images of a product parted by {between!r}",
            rows(
                "product,images,category\n",
                lambda n, between=between: f'p{n},"i/{2 * n}.png{between}i/{2 * n + 1}.png",{LABELS[n]}',
                4,
            ),
            *EIGHT,
            counts=TWO,
            notes=(said,),
        )  # type: ignore[misc]
    yield case(
        "several images of a product as a list",
        rows(
            "product,images,category\n",
            lambda n: f"p{n},\"['i/{2 * n}.png', 'i/{2 * n + 1}.png']\",{LABELS[n]}",
            4,
        ),
        *EIGHT,
        counts=TWO,
        notes=(said,),
    )
    thumbs = table("train.csv", rows("image_id,label,image_width\n", lambda n: f"{n},{LABELS[n]},2378{n}"))
    yield Case(
        "numbers for names with a word behind them",
        both(many("train_thumbnails/{}_thumbnail.png", count=8), thumbs),
        counts=TWO,
        notes=("0 is taken for 0_thumbnail.png",),
    )
    yield Case(
        "names with a word behind them",
        both(
            many("images/a{}x_small.png", count=8),
            table("labels.csv", rows("id,label\n", lambda n: f"a{n}x,{LABELS[n]}")),
        ),
        counts=TWO,
        notes=("a0x is taken for a0x_small.png",),
    )
    yield Case(
        "names with several words behind them",
        both(
            many("images/a{}_left.png", "images/a{}_right.png"),
            table("labels.csv", rows("id,label\n", lambda n: f"a{n},{LABELS[n]}", 4)),
        ),
        error="holds images but no class folders",
    )


def _lines() -> Iterator[Case]:
    yield case(
        "R's names of rows, parted by spaces",
        rows('"path" "label"\n', lambda n: f'"{n + 1}" "i/{n}.png" "{LABELS[n]}"'),
        *EIGHT,
        file="t.txt",
        counts=TWO,
    )
    for between, file in (("\t", "t.tsv"), (",", "t.csv"), (";", "t.csv")):
        yield case(
            f"names of rows before the columns, parted by {between!r}",
            rows(
                f"path{between}label\n",
                lambda n, between=between: between.join((str(n), f"i/{n}.png", LABELS[n])),
            ),
            *EIGHT,
            file=file,
            counts=TWO,
        )  # type: ignore[misc]
    for name, first, line in (
        ("paths for names of rows", "label,size\n", lambda n: f"i/{n}.png,{LABELS[n]},3{n}"),
        (
            "a comma at the end of each line but the first",
            "path,label\n",
            lambda n: f"i/{n}.png,{LABELS[n]},",
        ),
        ("wide commas of a Chinese keyboard", "路径，标签\n", lambda n: f"i/{n}.png，{LABELS[n]}"),
        ("Hive's control signs", "path\x01label\n", lambda n: f"i/{n}.png\x01{LABELS[n]}"),
    ):
        yield case(name, rows(first, line), *EIGHT, counts=TWO)
    one = "has one column without names of images; write the name of the image before each"
    for file, text in (
        ("labels.txt", "cat\ndog\n" * 4),
        ("labels.csv", "label\n" + "cat\ndog\n" * 4),
        ("val_ground_truth.txt", "1\n2\n" * 4),
    ):
        yield Case(
            f"{file}, a label in each line",
            both(many("images/{}.png", count=8), table(file, text)),
            error=f"{file} has a line for each image, and no names: write FILE,LABEL",
        )
        yield Case(
            f"{file}, a label in each line, as data.root",
            both(many("images/{}.png", count=8), table(file, text)),
            root=file,
            error=one,
        )
    said = "i is taken for the one class, and labels.yaml is not read"
    for name, text in (
        ("a table", rows("", lambda n: f"i/{n}.png: {LABELS[n]}")),
        ("a list", rows("", lambda n: f"- file: i/{n}.png\n  label: {LABELS[n]}")),
    ):
        yield Case(
            f"{name} of YAML beside a folder of images",
            both(IMAGES, table("labels.yaml", text)),
            notes=(said,),
        )
    yield Case(
        "a table of train of other images beside a folder",
        both(
            many("herbarium/{}.png", count=8),
            table("train.csv", rows("image_id,label\n", lambda n: f"x{n}y,{LABELS[n]}")),
        ),
        notes=("herbarium is taken for the one class; train.csv lists labels and is not read",),
    )
