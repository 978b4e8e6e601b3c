"""Folders of programs that make images or train on them, of benchmarks, and of downloads."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.corpus.case import (
    CLASSES,
    GIVEN,
    ONE,
    TWO,
    Case,
    below,
    both,
    called,
    files,
    many,
    table,
    zipped,
)

MEMBERS = ("train/cat/0.png", "train/dog/0.png")


def generated() -> Iterator[Case]:
    """Every case."""
    yield from _programs()
    yield from _benchmarks()
    yield from _archives()


def _programs() -> Iterator[Case]:
    for main in ("img", "images", "image"):
        for reg in ("reg", "Reg", "regularization", "regularisation_images", "reg_img"):
            yield Case(
                f"Kohya's {main} beside {reg}",
                many(f"{main}/10_sks cat/{{}}.png", f"{reg}/1_cat/{{}}.png"),
                counts={"10_sks cat": ONE},
                notes=(f"{reg} holds images of Kohya's regularization: left out",),
            )
    yield Case(
        "Kohya's folders of several classes",
        both(
            many("img/10_cat/{}.png", "img/5_dog/{}.png", "reg/1_animal/{}.png"),
            files("log/x", "model/last.safetensors"),
        ),
        counts={"10_cat": ONE, "5_dog": ONE},
    )
    yield Case("classes img and reg", many("img/{}.png", "reg/{}.png"), counts={"img": ONE, "reg": ONE})
    yield Case(
        "OneTrainer's masks",
        many("cat/{}.png", "cat/{}-masklabel.png", "dog/{}.png"),
        notes=("4 images look like the mask or thumbnail",),
    )
    days = ("2024-01-01", "2024-01-02")
    yield Case(
        "Fooocus' outputs",
        many(*(f"outputs/{day}/{day}_12-00-0{{}}_1234.png" for day in days)),
        counts=dict.fromkeys(days, ONE),
        notes=("2024-01-01, 2024-01-02 are taken for classes",),
    )
    yield Case(
        "Fooocus' outputs beside classes",
        many(*CLASSES, "outputs/2024-01-01/a{}.png"),
        counts={**TWO, "outputs": ONE},
        notes=("outputs is taken for a class",),
    )
    yield Case(
        "Hydra's outputs beside classes",
        both(
            many(*CLASSES),
            files("outputs/2024-01-01/10-00-00/.hydra/config.yaml", "outputs/2024-01-01/10-00-00/sheet.png"),
        ),
        counts=TWO,
        silent=True,
    )
    yield Case(
        "A1111's outputs",
        many(
            "outputs/txt2img-images/{}.png",
            "outputs/txt2img-grids/grid-{}.png",
            "outputs/img2img-images/{}.png",
        ),
        notes=("img2img-images, txt2img-grids, txt2img-images are taken for classes",),
    )
    for name in (
        "drive-download-20230101T120000Z-001",
        "data-download-1",
        "iCloud Photos",
        "wetransfer_abc_2023-01-01_1200",
        "OneDrive_1_1-1-2023",
        "Photos-001",
        "Takeout 2",
    ):
        yield Case(
            f"a download {name} beside classes",
            many(*CLASSES, f"{name}/x{{}}.png"),
            counts={**TWO, name: ONE},
            notes=(f"{name} is taken for a class",),
        )


def _benchmarks() -> Iterator[Case]:
    said = "of one data set and hold class folders (cat, dog), so they are no classes"
    for kind, names in (
        ("shots", ("1shot", "5shot")),
        ("shots", ("shot_1", "shot_16")),
        ("draws (seeds)", ("seed0", "seed1")),
        ("shares", ("1%", "10%")),
        ("shares", ("1percent", "10percent")),
    ):
        for inside in ("", "train/", "images/train/"):
            yield Case(
                f"{' and '.join(names)} of classes in {inside!r}",
                many(*(f"{name}/{inside}{one}" for name in names for one in CLASSES)),
                problems=(f"are called like {kind} {said}",),
            )
    yield Case(
        "classes one shot and two shots",
        many("1 shot/{}.png", "2 shots/{}.png"),
        counts={"1 shot": ONE, "2 shots": ONE},
    )
    letters = ("a/abbey", "a/airport", "b/bakery", "c/canyon")
    places = {name.partition("/")[2]: ONE for name in letters}
    took = ("the folders below letters are taken for the classes: a/abbey, a/airport, b/bakery",)
    yield Case(
        "Places365's letters",
        many(*(f"data_large/{name}/{{}}.jpg" for name in letters)),
        counts=places,
        notes=took,
    )
    yield Case(
        "SUN397's letters",
        both(
            many(*(f"SUN397/{name}/sun_{{}}.jpg" for name in letters)),
            table("SUN397/ClassName.txt", "/a/abbey\n"),
        ),
        counts=places,
        notes=took,
    )
    yield Case(
        "Places365's letters in splits",
        many(*(f"{split}/{name}/{{}}.jpg" for split in ("train", "val") for name in letters)),
        counts=dict.fromkeys(places, (4, 4, 0)),
        notes=took,
    )
    yield Case(
        "letters of sign language", many("a/{}.png", "c/x{}.png"), counts={"a": ONE, "c": ONE}, silent=True
    )
    yield Case(
        "letters with folders of something else",
        many("A/person1/{}.png", "A/person2/{}.png", "B/person1/{}.png"),
        counts={"A": (6, 2, 0), "B": ONE},
    )


def _archives() -> Iterator[Case]:
    for name in ("backup.zip", "dataset.zip", "my-photos-old.zip"):
        yield Case(
            f"{name} beside train and val",
            both(many(*below("train"), *below("val")), zipped(name, *MEMBERS)),
            counts=GIVEN,
            notes=(f"{name} is an archive beside folders of splits: not read",),
        )
    for name in ("backup.zip", "photos_backup_2023.zip", "dataset.zip", "old.zip"):
        yield Case(
            f"{name} beside class folders",
            both(many(*CLASSES), zipped(name, *MEMBERS)),
            counts=TWO,
            notes=(f"{name} is an archive, which is not read beside folders",),
        )
    for suffix, what in (
        (".mds", "databases"),
        (".lance", "databases"),
        (".tfrec", "databases"),
        (".frame_idx", "databases"),
        (".record", "databases"),
    ):
        yield Case(
            f"{suffix} files alone",
            called(b"\0\1\2", f"data/0{suffix}"),
            error=f"{suffix} file is one of {what}",
        )
