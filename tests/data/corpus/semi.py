# ruff: noqa: E501 - a case a line reads better; letters that look like others are the point
"""Folders of which a part is labelled, and splits in more languages."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.corpus.case import GIVEN, ONE, TESTED, THREE, TWO, Case, below, many

TRAIN = "is taken for train: it holds class folders"
SPLITS = (
    ("treniranje", "testiranje"), ("učna množica", "testna množica"), ("trénovanie", "testovanie"),
    ("тренувальні", "тестові"), ("ฝึก", "ทดสอบ"), ("प्रशिक्षण", "परीक्षण"), ("entrenament", "test"),
    ("Trainingsset", "Testset"), ("uczący", "testowy"), ("mokymas", "testavimas"), ("apmācība", "testēšana"),
    ("huan luyen", "kiem tra"), ("data latih", "data uji"), ("Eğitim Seti", "Test Seti"),
    ("egitim_verisi", "test_verisi"), ("zbiór treningowy", "zbiór testowy"), ("训练用", "测试用"),
)  # fmt: skip


def semi() -> Iterator[Case]:
    """Every case."""
    for one, other in SPLITS:
        yield Case(f"splits called {one} and {other}", many(*below(one), *below(other)), counts=TESTED)
    for one, other in (
        ("entrenament", "validació"),
        ("huấn luyện", "xac thuc"),
        ("treniranje", "validacija"),
    ):
        yield Case(f"splits called {one} and {other}", many(*below(one), *below(other)), counts=GIVEN)
    left_out = "unlabeled is not one of the splits: left out"
    yield Case("labeled, unlabeled and test", many(*below("labeled"), *below("test"), "unlabeled/{}.png"), counts=TESTED, notes=(f"labeled {TRAIN}", left_out))  # fmt: skip
    yield Case("labeled, unlabeled and an unlabelled test", many(*below("labeled"), "test/{}.png", "unlabeled/{}.png"), counts=TWO, notes=("test holds images without labels: left out",))  # fmt: skip
    yield Case("labeled, unlabeled, val and test", many(*below("labeled"), *below("val"), *below("test"), "unlabeled/{}.png"), counts=THREE, split="given")  # fmt: skip
    for one, other in (("train_labeled", "train_unlabeled"), ("labelled_train", "unlabelled_train"), ("Labeled 10%", "Unlabeled 90%")):  # fmt: skip
        yield Case(f"{one}, {other} and test", many(*below(one), *below("test"), f"{other}/{{}}.png"), counts=TESTED, notes=(f"{one} {TRAIN}",))  # fmt: skip
    for one, other in (("annotated", "unannotated"), ("tagged", "untagged"), ("etiquetado", "no_etiquetado"), ("gelabelt", "ungelabelt"), ("étiquetées", "non étiquetées"), ("labeled_10", "unlabeled_90"), ("labeled data", "unlabeled data")):  # fmt: skip
        yield Case(f"{one} beside {other}", many(*below(one), f"{other}/{{}}.png"), counts=TWO, notes=("holds no class folders: left out",))  # fmt: skip
    yield Case("labeled and unlabeled without a split", many("labeled/{}.png", "unlabeled/{}.png"), counts={"labeled": ONE, "unlabeled": ONE})  # fmt: skip
    yield Case("classes able and unable, of folders", many("able/a/{}.png", "able/b/{}.png", "unable/{}.png"), counts={"able": (6, 2, 0), "unable": ONE})  # fmt: skip
    yield Case("labeled, unlabeled, train and test", many(*below("train"), *below("test"), *below("labeled"), "unlabeled/{}.png"), error="labeled lies beside")  # fmt: skip
    programs = {
        "a Capture One session": ("Capture", "Selects", "Output", "Trash"),
        "Immich": ("library", "upload", "thumbs"),
        "PhotoPrism": ("originals", "storage", "import"),
        "an export of Instagram": ("posts", "stories", "profile"),
    }  # fmt: skip
    for program, names in programs.items():
        yield Case(f"the folders of {program}", many(*(f"{name}/{{}}.png" for name in names)), counts=dict.fromkeys(sorted(names), ONE), notes=(f"are called like the folders of {program}",))  # fmt: skip
        two = names[:2]
        yield Case(f"two classes called like folders of {program}", many(*(f"{name}/{{}}.png" for name in two)), counts=dict.fromkeys(sorted(two), ONE), silent=program != "Immich")  # fmt: skip
    cities = ("DE/Berlin/{}/{{}}.png", "FR/Paris/{}/{{}}.png")
    yield Case("countries and cities before classes", many(*(city.format(name) for city in cities for name in ("ok", "hole"))), counts={"DE": (6, 2, 0), "FR": (6, 2, 0)}, notes=("DE and FR are taken for classes, but hold the same folders (hole, ok)",))  # fmt: skip
    yield Case("cities and countries of two classes", many("ok/DE/Berlin/{}.png", "hole/DE/Berlin/{}.png"), counts={"hole": ONE, "ok": ONE}, notes=("images in folders below a class count as that class: hole (DE), ok (DE)",))  # fmt: skip
    yield Case("ACDSee's originals", many("cat/{}.jpg", "cat/[Originals]/{}.jpg", "dog/{}.jpg"), counts=TWO, silent=True)  # fmt: skip
    for name in ("DJI_202305011200_001_Flight", "DJI_202305011200_001"):
        other = name.replace("_001", "_002")
        yield Case(f"folders of a drone, {name}", many(f"{name}/DJI_{{}}.JPG", f"{other}/DJI_{{}}.JPG"), counts={name: ONE, other: ONE}, notes=("are taken for classes; take them out",))  # fmt: skip
