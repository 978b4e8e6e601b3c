"""Which names of folders, and words in tables, mean train, val or test."""

from __future__ import annotations

import re
import unicodedata

SPLITS = ("train", "val", "test")

_SPLIT_WORDS = {
    "train": "train", "training": "train", "trainset": "train", "trainval": "train",
    "val": "val", "valid": "val", "validate": "val", "validation": "val", "valset": "val",
    "dev": "val", "devset": "val", "development": "val", "eval": "val", "evaluation": "val",
    "test": "test", "testing": "test", "testset": "test", "holdout": "test",
    "crossvalidation": "val", "crossval": "val",
    # German, Spanish, Portuguese, French, Italian, Chinese, Japanese, Russian
    "trainingsdaten": "train", "validierung": "val", "validierungsdaten": "val", "testdaten": "test",
    "entrenamiento": "train", "validación": "val", "validacion": "val", "prueba": "test", "pruebas": "test",
    "treino": "train", "treinamento": "train", "validação": "val", "validacao": "val", "teste": "test",
    "entraînement": "train", "entrainement": "train", "apprentissage": "train", "addestramento": "train",
    "训练": "train", "训练集": "train", "验证": "val", "验证集": "val", "测试": "test", "测试集": "test",
    "訓練": "train", "学習": "train", "検証": "val", "テスト": "test",
    "обучение": "train", "валидация": "val", "тест": "test",
}  # fmt: skip
GENERIC = frozenset(
    (
        "set", "data", "dataset", "datasets", "images", "image", "imgs", "img", "pictures", "pics", "photos",
        "split", "splits", "folder", "files", "file", "samples", "subset", "jpg", "jpeg", "png", "raw", "all",
        "archive", "jpegimages",
    )
)  # fmt: skip
"""Words in the name of a folder that say nothing about what is in it."""


def split_name(text: str) -> str | None:
    """``train``, ``val`` or ``test`` for any usual spelling of it ("Training set"); None: anything else."""
    split, rest = split_and_rest(text)
    return None if rest else split


def split_and_rest(text: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name speaks of, and its words that say something else."""
    text = re.sub(r"cross[\W_]+val", "crossval", unicodedata.normalize("NFC", _apart(text).casefold()))
    words = [word for word in re.split(r"[\W_]+", text) if word]
    split: str | None = None
    rest: list[str] = []
    for word in words:
        named = _SPLIT_WORDS.get(re.sub(r"\d+$", "", word))  # train2017, test1
        if named and split is None:
            split = named
        elif word not in GENERIC:
            rest.append(word)
    if split is not None:  # 1_train, 2_val
        rest = [word for word in rest if not word.isdigit()]
    return split, tuple(rest)


def _apart(text: str) -> str:
    """``trainingSet`` in two words, where the second says nothing; ``trainA`` stays one."""
    first, second = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).partition(" ")[::2]
    return f"{first} {second}" if second.casefold() in GENERIC else text
