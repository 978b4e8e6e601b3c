"""How the columns of tables are called that hold paths, labels and splits."""

from __future__ import annotations

import re

# The better one first, where a table has several.
PATH_COLUMNS = (
    "path", "file_path", "filepath", "image_path", "img_path", "relative_path", "file_name", "filename",
    "fname", "image_file", "image_filename", "image_name", "imagename", "img_name", "file", "image", "images",
    "img", "photo", "picture", "image_id", "img_id", "image_url", "id_code", "uuid", "id",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "class", "classes", "class_name", "classname", "category", "category_name",
    "label_name", "common_name", "scientific_name", "species", "breed", "variety", "genus", "type", "kind",
    "choice", "display_name", "diagnosis", "dx", "disease", "taxon", "animal", "plant", "object", "klasse",
    "clase", "classe", "etiqueta", "ground_truth", "gt", "tag", "tags", "target", "annotation", "y",
    "level", "grade", "severity", "landmark_id", "individual_id", "class_id", "label_id",
    "category_id", "tag_name", "diagnostic", "binomial", "latin_name", "taxon_name", "cultivar", "cell_type",
    "finding", "defect", "emotion", "verdict", "outcome", "truth", "y_true", "consensus", "final_diagnosis",
)  # fmt: skip
_LABELS_ELSEWHERE = (
    "kategorie", "bezeichnung", "etiquette", "espèce", "espece", "especie", "classificazione", "soort",
    "gatunek", "вид", "catégorie", "étiquette", "categoría", "categoria", "rótulo", "etichetta",
    "categorie", "klasa", "kategoria", "etykieta", "etiket", "kategori", "klass", "класс", "категория",
    "sınıf",  # noqa: RUF001 - Turkish
    "метка", "клас", "标签", "類別", "类别", "分类", "標籤", "ラベル", "クラス", "カテゴリ", "라벨", "레이블",
    "클래스", "تصنيف", "فئة", "kelas", "jenis", "nhãn", "lớp", "loài", "třída", "druh", "trieda", "osztály",
    "faj", "címke", "κλάση", "είδος", "luokka", "laji", "sorte", "specie", "art", "razred", "vrsta", "oznaka",
    "mærke", "merke", "clasă", "etichetă", "classificació", "espècie", "ป้าย", "ประเภท", "वर्ग", "תווית",
    "סוג", "מחלקה", "分類", "種類", "種", "종류", "분류", "برچسب", "نوع",
)  # fmt: skip
"""The same in other languages."""
LABELS_ANYWHERE = (*LABEL_COLUMNS, *_LABELS_ELSEWHERE)
RANKS = frozenset(("kingdom", "phylum", "order", "family"))
"""Beside two of these a class is one of taxonomy: Mammalia."""
WEAK = "name"
"""Of a label, or of something else: after the endings below."""
LABEL_ENDINGS = ("label", "labels", "class", "category", "species", "breed", "classname", "labelname")
"""What the name of a column ends in that holds labels, where no column has one of the names above."""
PLURALS = ("labels", "tags", "classes", "categories", "genres", "genre", "attributes", "objects", "findings")
"""The same where an image has any number of labels."""
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "phase", "usage", "fold", "kfold")
FLAGS = {
    "val": ("is_valid", "is_val", "valid", "validation"),
    "test": ("is_test",),
    "train": ("is_train", "is_training", "is_training_image"),
}
_KNOWN = {name.replace("_", "") for name in (*PATH_COLUMNS, *LABELS_ANYWHERE, WEAK, *SPLIT_COLUMNS)}
FOLDERS = ("folder", "foldername", "dir", "dirname", "directory", "directoryname", "relativepath")
"""What the name of a column ends in that holds the folder of the file in another column."""


def key_of(name: str) -> str:
    """What two spellings of a column's name have in common: ``Image Path``, ``image_path``, ``imagePath``.

    Of a nested one the last part, unless it is known as a whole (``label.name``).
    """
    whole, last = (re.sub(r"[\W_]+", "", part.casefold()) for part in (name, name.rpartition(".")[2]))
    return whole if whole in _KNOWN else last
