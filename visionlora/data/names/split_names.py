"""Which names of folders, and words in tables, mean train, val or test."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

SPLITS = ("train", "val", "test")

_SPLIT_WORDS = {
    "train": "train", "training": "train", "trainset": "train", "trainval": "train",
    "val": "val", "valid": "val", "validate": "val", "validation": "val", "valset": "val",
    "dev": "val", "devset": "val", "development": "val", "eval": "val", "evaluation": "val",
    "test": "test", "testing": "test", "testset": "test", "holdout": "test",
    "crossvalidation": "val", "crossval": "val", "trn": "train", "tst": "test",
    # German, Spanish, Portuguese, French, Chinese, Japanese, Russian, Ukrainian, Italian, Dutch, Swedish,
    # Polish, Turkish, Indonesian, Korean, Arabic; then these and others once more, as they are also said
    "trainingsdaten": "train", "validierung": "val", "validierungsdaten": "val", "testdaten": "test",
    "entrenamiento": "train", "validación": "val", "validacion": "val", "prueba": "test", "pruebas": "test",
    "treino": "train", "treinamento": "train", "validação": "val", "validacao": "val", "teste": "test",
    "entraînement": "train", "entrainement": "train", "apprentissage": "train", "addestramento": "train",
    "训练": "train", "验证": "val", "测试": "test",
    "訓練": "train", "学習": "train", "検証": "val", "テスト": "test",
    "обучение": "train", "валидация": "val", "тест": "test", "навчання": "train",
    "trainingsbilder": "train", "trainingsmenge": "train", "trainingssatz": "train", "testbilder": "test",
    "validierungsbilder": "val", "validierungsmenge": "val", "testmenge": "test", "testsatz": "test",
    "prova": "test", "validazione": "val",
    "convalida": "val", "validatie": "val", "validering": "val", "walidacja": "val",
    "träning": "train", "trening": "train", "eğitim": "train", "egitim": "train", "doğrulama": "val",
    "dogrulama": "val", "pelatihan": "train", "latih": "train", "validasi": "val", "uji": "test",
    "驗證": "val", "測試": "test", "評価": "val",
    "학습": "train", "훈련": "train", "검증": "val", "평가": "val",
    "테스트": "test", "시험": "test", "تدريب": "train", "تحقق": "val", "اختبار": "test",
    "heldout": "test", "trainieren": "train", "validieren": "val", "testen": "test", "trainen": "train",
    "valideren": "val", "opleiding": "train", "træning": "train", "träningsdata": "train",
    "valideringsdata": "val", "treningsdata": "train", "koulutus": "train", "opetus": "train",
    "validointi": "val", "testi": "test", "тренировка": "train", "тренировочная": "train",
    "тренировочные": "train", "обучающая": "train", "обучающие": "train", "валидационная": "val",
    "валидационные": "val", "проверочная": "val", "тестовая": "test", "тестовые": "test",
    "тестування": "test", "валідація": "val", "treningowe": "train", "treningowy": "train",
    "walidacyjne": "val", "walidacyjny": "val", "testowe": "test", "testowy": "test", "antrenament": "train",
    "antrenare": "train", "validare": "val", "testare": "test", "trénink": "train", "trénování": "train",
    "trénovací": "train", "učení": "train", "validace": "val", "validační": "val", "ověření": "val",
    "testování": "test", "testovací": "test", "tanító": "train", "tanítás": "train", "validációs": "val",
    "validáció": "val", "teszt": "test", "εκπαίδευση": "train", "επικύρωση": "val", "δοκιμή": "test",
    "אימון": "train", "אימות": "val", "בדיקה": "test", "آموزش": "train", "اعتبارسنجی": "val",
    "آزمون": "test", "testdata": "test", "评估": "val",
    "latihan": "train", "ujian": "test", "geçerleme": "val",
    "gecerleme": "val", "allenamento": "train", "avaliação": "val", "evaluación": "val", "教師": "train",
    "开发": "val", "huấnluyện": "train", "kiểmtra": "test", "xácthực": "val",
    "huanluyen": "train", "kiemtra": "test", "xacthuc": "val", "treniranje": "train",
    "testiranje": "test", "validacija": "val", "provjera": "val", "učna": "train", "učni": "train",
    "testna": "test", "testni": "test", "validacijska": "val", "trénovanie": "train", "trénovacia": "train",
    "testovanie": "test", "testovacia": "test", "validácia": "val", "тренувальні": "train",
    "тренувальна": "train", "навчальні": "train", "тестові": "test", "валідаційні": "val", "ฝึก": "train",
    "ฝึกสอน": "train", "ทดสอบ": "test", "ตรวจสอบ": "val", "प्रशिक्षण": "train", "परीक्षण": "test",
    "सत्यापन": "val", "entrenament": "train", "validació": "val", "validacio": "val", "entrenar": "train",
    "trainingsset": "train", "validierungsset": "val", "uczący": "train", "uczące": "train",
    "treeni": "train", "treenaus": "train", "mokymas": "train", "mokymo": "train", "testavimas": "test",
    "testavimo": "test", "apmācība": "train", "testēšana": "test", "treenimine": "train",
    "testimine": "test", "εκπαίδευσης": "train", "ελέγχου": "test",
}  # fmt: skip
GENERIC = frozenset(
    (
        "set", "data", "dataset", "datasets", "images", "image", "imgs", "img", "pictures", "pics", "photos",
        "split", "splits", "folder", "files", "file", "samples", "subset", "jpg", "jpeg", "png", "raw", "all",
        "archive", "jpegimages", "leftimg8bit", "default", "final", "mini", "full",
        "bilder", "fotos", "daten", "datos", "dados", "dati", "données",
        "imágenes", "imagens", "immagini", "данные", "图片", "图像", "数据", "圖片", "數據", "画像", "データ",
        "이미지", "데이터", "выборка", "набор", "zbiór", "dane", "zdjęcia", "kuvat",
        "képek", "obrázky",
    )
)  # fmt: skip
"""Words in the name of a folder that say nothing about what is in it."""


_IN_TWO = re.compile(r"(cross|held|hold|hu[ấa]n|ki[ểe]m|x[áa]c)[\W_]+(val|out|luy[ệe]n|tra|th[ựu]c)")
"""Words of splits that are also written as two."""
_BETWEEN = re.compile(r"[^\w\u0900-\u0dff\u0e00-\u0eff]+|_+")
"""Between words; the vowels of Indian letters and of Thai are no letters to Python."""
_EVALUATIONS = ("eval", "evalua", "avalia", "評価", "평가", "评估")
_ENDING = re.compile(r"(\d|集|数据|數據|图片|圖片|画像|データ|セット|用|데이터|이미지|셋|용)+$")
"""Of words of splits: train2017, test1, and what says data or images where words are not apart."""


_UNLABELLED = frozenset(
    (
        "unlabelled", "unlabeled", "unsup", "unannotated", "unknown", "extra", "pred", "predict",
        "prediction", "predictions", "inference", "contrast", "negatives", "negative", "anchors", "anchor",
        "retention",
    )
)  # fmt: skip


_PARTS = {"fold", "kfold", "part", "parts", "batch", "chunk", "shard", "section", "volume", "vol"}
_NUMBER = re.compile(r"[\W_]*(\d+|((?<![^\W_])|(?<=images))[a-z])$")
_IN_CELLS = {
    "tr": "train", "va": "val", "te": "test", "unassigned": "train",
    "publictest": "val", "privatetest": "test",
}  # fmt: skip
"""In a column of splits; folders called so may be anything. Vertex AI's unassigned are for whoever trains, of
FER2013's tests the public one chooses."""


def cell_split(text: str) -> str | None:
    """:func:`split_name` of what a cell says."""
    return _IN_CELLS.get(text.casefold()) or split_name(text)


def split_name(text: str) -> str | None:
    """``train``, ``val`` or ``test`` for any usual spelling of it ("Training set"); None: anything else."""
    split, rest = split_and_rest(text)
    return None if rest else split


def split_and_rest(text: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name speaks of, and its words that say something else."""
    text = _IN_TWO.sub(r"\1\2", unicodedata.normalize("NFC", _apart(text).casefold()))
    words = [word for word in _BETWEEN.split(text) if word]
    split: str | None = None
    rest: list[str] = []
    for word in words:
        named = _SPLIT_WORDS.get(re.sub(_ENDING, "", word))
        if named and split is None:
            split = named
        elif word not in GENERIC and word.rstrip("0123456789") not in GENERIC:
            rest.append(word)
    if split is not None:  # 1_train, 2_val
        rest = [word for word in rest if not word.isdigit()]
    return split, tuple(rest)


def _apart(text: str) -> str:
    """``trainingSet`` or ``FER2013Train`` in two words, where the second is known; ``trainA`` stays one."""
    first, second = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).partition(" ")[::2]
    return f"{first} {second}" if second.casefold() in {*GENERIC, *_SPLIT_WORDS} else text


def named_splits(folders: Sequence[Path]) -> dict[Path, str]:
    """The folders that are called like a split: ``training_set``, or ``seg_train`` beside ``seg_test``."""
    short = {folder: split for folder in folders if (split := cell_split(folder.name))}
    if len(short) == len(folders) and {"train"} < set(short.values()):  # tr and te; FER2013's two tests
        return short
    plain = {folder: split for folder in folders if (split := split_name(folder.name))}
    if plain:
        return plain
    by_rest: dict[tuple[str, ...], dict[Path, str]] = defaultdict(dict)
    for folder in folders:
        split, rest = split_and_rest(folder.name)
        if split:
            by_rest[rest][folder] = split
    # One of them alone is a class: bullet_train, test_tube.
    return next((named for named in by_rest.values() if {"train"} < set(named.values())), {})


def is_evaluation(name: str) -> bool:
    """Whether a name that means val means test where another folder is val: ``evaluation``."""
    return any(word in name.casefold() for word in _EVALUATIONS)


def are_parts(names: Sequence[str]) -> bool:
    """Whether folders are called like parts of one data set: ``images_part_1``, ``images_part_2``."""
    stems = {_NUMBER.sub("", name.casefold()) for name in names}
    last = re.split(r"[\W_]+", next(iter(stems), ""))[-1]
    return len(names) > 1 and len(stems) == 1 and last in _PARTS | GENERIC


def is_unlabelled(name: str) -> bool:
    """Whether a folder of this name holds images that nobody has labelled, or its name says nothing."""
    words = set(re.split(r"[\W_]+", name.casefold()))
    return bool(words & _UNLABELLED) or words <= GENERIC
