# ruff: noqa: E501 - a case a line reads better; letters that look like others are the point
"""Folders of which a part is labelled, and splits in more languages."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.corpus.case import CLASSES, GIVEN, ONE, TESTED, THREE, TWO, Case, below, both, many, table

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
    for one, other in (("annotated", "unannotated"), ("etiquetado", "no_etiquetado"), ("gelabelt", "ungelabelt"), ("étiquetées", "non étiquetées"), ("labeled_10", "unlabeled_90"), ("labeled data", "unlabeled data")):  # fmt: skip
        yield Case(f"{one} beside {other}", many(*below(one), f"{other}/{{}}.png"), counts=TWO, notes=("holds no class folders: left out",))  # fmt: skip
    yield Case("labeled and unlabeled without a split", many("labeled/{}.png", "unlabeled/{}.png"), counts={"labeled": ONE, "unlabeled": ONE})  # fmt: skip
    yield Case("tagged and untagged animals", many("tagged/a{}.png", "tagged/left/b{}.png", "tagged/right/c{}.png", "untagged/{}.png"), counts={"tagged": (9, 3, 0), "untagged": ONE})  # fmt: skip
    yield Case("marked and unmarked eggs, of folders", many("marked/a/a{}.png", "marked/b/b{}.png", "unmarked/{}.png"), counts={"marked": (6, 2, 0), "unmarked": ONE})  # fmt: skip
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
    yield from _from_names()
    yield from _patients()
    yield Case("ACDSee's originals", many("cat/{}.jpg", "cat/[Originals]/{}.jpg", "dog/{}.jpg"), counts=TWO, silent=True)  # fmt: skip
    for name in ("DJI_202305011200_001_Flight", "DJI_202305011200_001"):
        other = name.replace("_001", "_002")
        yield Case(f"folders of a drone, {name}", many(f"{name}/DJI_{{}}.JPG", f"{other}/DJI_{{}}.JPG"), counts={name: ONE, other: ONE}, notes=("are taken for classes; take them out",))  # fmt: skip


def _from_names() -> Iterator[Case]:
    """Names of images in which something stands behind the number, the same in all."""
    options: dict[str, object] = {"class_from": "names"}
    for name in ("{}-{{}}-x.png", "{}.{{}}.aug.png", "{}_{{}}_crop.png", "{} ({{}}) edited.png"):
        made = many(*(name.format(one) for one in TWO))
        yield Case(f"names like {name.format('cat')}", made, options=options, counts=TWO, notes=("the class is what stands before the first",))  # fmt: skip
    one = many("IMG_{}_cat.png", "IMG_{}_dog.png")
    yield Case("names that begin alike and end otherwise", one, options=options, counts=TWO, notes=("behind the number",))  # fmt: skip
    yield Case("names of one class alone", many("x-{}-cat.png"), options=options, counts={"cat": ONE})


def _patients() -> Iterator[Case]:
    """Folders of which a table has a line each."""
    folders = many(*(f"P{number}/{{}}.png" for number in range(1, 5)))
    four = {f"P{number}": ONE for number in range(1, 5)}
    doubt = (
        "has a line for each folder (P1: benign), and the same for several of them: patients or things?",
    )
    plain = "patient,diagnosis\nP1,benign\nP2,malignant\nP3,benign\nP4,malignant\n"
    wide = "patient_id,age,sex,diagnosis\nP1,20,m,benign\nP2,30,f,malignant\nP3,20,m,benign\nP4,40,f,malignant\n"  # fmt: skip
    for name, text in (("patients.csv", plain), ("clinical.csv", wide)):
        yield Case(
            f"folders of patients beside {name}", both(folders, table(name, text)), counts=four, notes=doubt
        )
    ranks = "id,name,class\nP1,lion,mammal\nP2,tiger,mammal\nP3,bear,mammal\nP4,owl,bird\n"
    yield Case("folders of codes beside their names and kinds", both(folders, table("x.csv", ranks)), counts=four, notes=("x.csv may say what the classes are (P1: lion)",))  # fmt: skip
    names = "P1,cat\nP2,dog\nP3,owl\nP4,fox\n"
    yield Case("folders of codes beside their names", both(folders, table("codes.csv", names)), counts=four, notes=("codes.csv may say what the classes are (P1: cat)",))  # fmt: skip
    yield Case("folders of words beside a table of them", both(many(*CLASSES), table("x.csv", "cat,pet\ndog,pet\n")), counts=TWO)  # fmt: skip
