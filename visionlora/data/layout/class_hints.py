"""What to say of class folders that may not be what their user means."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.files.walk import entries, has_images, names_in
from visionlora.data.layout.masks import are_masks_beside, describe_sets, mask_files
from visionlora.data.layout.pairs import describe_lone, describe_same_names, describe_shards
from visionlora.data.layout.wrappers import down_to_several, inside_of
from visionlora.data.names.spellings import folded, joined
from visionlora.data.names.split_names import GENERIC, SPLITS, split_and_rest, split_name
from visionlora.data.names.words_of_names import first_words
from visionlora.text import Doubt, in_words, listed

_MONTHS = r"(jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
_UNNAMED = re.compile(
    r"(instance|class|reg|regularization)[ _-]ima?ge?s"
    r"|(new folder|untitled folder|neuer ordner|nouveau dossier|nueva carpeta|新建文件夹).*"
    r"|(untitled|unbenannt|ohne titel|sans titre|sin t[ií]tulo|senza titolo)([ _-]?\(?\d+\)?)?"
    r"|papierkorb|corbeille|papelera( de reciclaje)?|cestino|lixeira|prullenbak|kosz|корзина"
    r"|回收站|垃圾桶|ゴミ箱|휴지통|archived?|duplicates?|deleted|(un|no)[ _-]?label(l?ed)?"
    r"|un-?sorted|to[ _-]?(do|sort|predict|label)|pred(ict)?|inference"
    r"|(patient|subject|participant|specimen|scan|study|series|session|person|sample)s?[ _-]?\d+"
    r"|(scene|sequence|seq|clip|video)[ _-]?\d+"
    r"|(txt2img|img2img|extras)([ _-](images|grids|samples))?|(drive|data)[ _-]download[ _-].*|takeout.*"
    r"|(icloud|google)[ _-]?(photos|fotos).*|wetransfer.*|onedrive_.*|photos-\d+"
    r"|masks|segmentations|annotations|ground[ _-]?truths?"
    r"|runs?|results?|outputs?|predictions?|augment(ed|ations?)|back-?ups?|te?mp|previews?|thumb(nail)?s?"
    r"|photos from \d{4}|(19|20)\d\d|(19|20)\d\d[._-]?(0[1-9]|1[0-2])([._-]?[0-3]\d)?([ _].*)?"
    r"|(photos|foto[s]?|fotky|zdjęcia|фото) (von|de|del|dal|van|från|z|za) \d{4}"
    rf"|[0-3]?\d\.[01]?\d\.(19|20)\d\d.*|(.*, )?([0-3]?\d\.? )?{_MONTHS} ([0-3]?\d, )?(19|20)\d\d"
    r"|(?=.*\d)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|(?=.*\d)[0-9a-f]{32,64}"
    r"|(?-i:[1-9]\d\d[A-Z_][A-Z0-9_]{4})|dji_\d{12}_\d{3}(_.*)?",  # a camera's: 100APPLE, 102_PANA; a drone's
    re.IGNORECASE,
)
_ALBUM = frozenset(
    (
        "camera", "roll", "uploads", "screenshots", "saved", "my", "pictures", "photos", "images", "eigene",
        "meine", "bilder", "downloads", "favorites", "favourites", "bursts", "recents", "exports", "exported",
        "edited", "icloud", "whatsapp", "telegram", "instagram", "darktable", "lightroom", "part", "of",
        "dcim", "download", "facebook", "snapchat", "messenger", "viber", "signal",
    )
)  # fmt: skip
"""Words of the names that telephones, clouds and editors give folders."""
_NOT_ALONE = {"camera", "roll", "saved", "my", "eigene", "meine", "part", "of"}
_COPY = re.compile(
    r"(?:(?:copy of|kopie von|copia de|copie de|copia di|cópia de) )?(.+?)"
    r"(?:(?: [-—] | |[_.-])(?:copy|kopie|副本|コピー|복사본|копия|kopia|kopya|kopi|másolat"
    r"|copia|copie|cópia|old|alt|new|neu|backup|bak|\d"
    r"|(?:desktop|laptop)-[a-z0-9]{7}|augmentations?|augmented|aug|flipped|rotated|resized|cropped|processed|extra|more))?"
    r"(?: ?\((?:\d+|.*conflict.*|.*konflikt.*)\))?",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"\.(_.*|git|svn|hg|dvc|venv|env|vscode|idea|trash.*|spotlight.*|fseventsd|apple.*|documentrevisions.*"
    r"|thumb.*|@.*|st(versions|folder)|dropbox.*|te?mp.*|snapshots?|zfs|picasa.*|comments|recycle.*|sync.*"
    r"|huggingface|ipynb_checkpoints|.*cache.*)",
    re.IGNORECASE,
)
"""Folders that programs hide, and that no user means."""
_FOLD = re.compile(r"(k|cv)?[ _-]?folds?[ _-]?\d{1,2}|cv[ _-]?\d{1,2}", re.IGNORECASE)
_REPEATS = re.compile(r"\d+_.*")
_BESIDE = (".caption", ".txt", ".npz")
_ASKED = 20
"""So many images of a class are looked at for what all are called like."""
_SHOWN = 3


def describe_classes(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """Notes about class folders that may not be what their user means.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    names = [folder.name for folder in classes]
    notes = [*_below(classes), *describe_lone(classes), *describe_shards(list(classes))]
    notes += [*_splits_in_train(classes), *describe_sets(classes), *_repeats(classes)]
    notes += _splits_in_names(classes)
    if len(classes) == 1 and (called := first_words([path for paths in classes.values() for path in paths])):
        notes.append(
            f"{names[0]} is the only class, and its images begin with {in_words(called)}; "
            "data.class_from=names makes these the classes"
        )
    unnamed = [
        folder.name for folder in classes
        if _is_unnamed(folder.name) or folder.parent.name.casefold() == "dcim"
    ]  # fmt: skip
    if unnamed:
        what = "is taken for a class; take it out of the folder if it is not one"
        if len(unnamed) > 1:
            what = "are taken for classes; take them out of the folder if they are not"
        notes.append(f"{listed(unnamed, _SHOWN)} {what}")
    masks = [path for paths in classes.values() for path in mask_files(paths)]
    if masks:
        are = "1 image looks" if len(masks) == 1 else f"{len(masks)} images look"
        notes.append(
            f"{are} like the mask or thumbnail of another image ({masks[0].name}); take them out of the "
            "folder, or they count as images of their class"
        )
    return notes


def describe_twice(classes: Iterable[str]) -> list[str]:
    """A note about names that may be one class: ``cat`` and ``cat - Copy``, ``cats`` or ``cat (2)``, ``1``
    and ``01``."""
    names = sorted(classes)
    plain = {name.casefold(): name for name in names}
    same = {joined(name): name for name in reversed(names)}
    pairs = []
    for name in names:
        key = name.casefold()
        shorter = [_COPY.sub(r"\1", key), key.removesuffix("s"), key.removesuffix("es"), key.rstrip(" ._")]
        shorter += [key.lstrip("0") or "0", key.removesuffix(".0")]
        known = next((plain[one] for one in shorter if one != key and one in plain), same[joined(name)])
        if known != name and folded(known) != folded(name):  # else two_spellings refuses them
            pairs.append(f"{known} and {name}")
    if not pairs:
        return []
    return [f"taken for two classes: {listed(pairs, _SHOWN)}; if they are one, put them into one folder"]


def _repeats(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """``10_cat`` and ``2_cat`` with captions or latents beside the images: Kohya's repeats."""
    numbered = {folder.name: paths for folder, paths in classes.items() if _REPEATS.fullmatch(folder.name)}
    names = [
        name for name, paths in numbered.items()
        if any(path.with_suffix(end).exists() for path in paths for end in _BESIDE)
    ]  # fmt: skip
    if not names:
        return []
    said = f"{listed(names, _SHOWN)} look like folders of Kohya: the number stays in the name of the class"
    return [
        f"{said}, and captions are not read; rename the folders if the network knows the class without it"
    ]


def describe_hidden(folder: Path) -> list[str]:
    """A note about folders of images whose names begin with a dot (``.NET``), beside class folders."""
    hidden = [name for name in sorted(names_in(folder)) if name[0] == "." and not _HIDDEN.fullmatch(name)]
    hidden = [name for name in hidden if (folder / name).is_dir() and has_images(folder / name)]
    if not hidden:
        return []
    are = "begins with a dot and is left out, as hidden folders are; rename it if it is a class"
    if len(hidden) > 1:
        are = "begin with a dot and are left out, as hidden folders are; rename them if they are classes"
    return [f"{listed(hidden, _SHOWN)} {are}"]


def describe_alike(classes: Mapping[Path, Sequence[Path]]) -> tuple[list[str], list[str]]:
    """(problems, notes) where class folders hold the same folders, which then may be the classes, or images
    of the same names: a problem where one of these folders is called like a split, or all are called like
    days or albums."""
    said, same = _same_folders(list(classes))
    if not said:
        return [], describe_same_names(classes)
    names = [folder.name for folder in classes]
    called = any(split_name(name) for name in (*names, *same)) or all(map(_is_unnamed, names))
    return (said, []) if called else ([], said)


def _same_folders(folders: Sequence[Path]) -> tuple[list[str], list[str]]:
    """What to say where folders hold the same folders, and how these are called."""
    inside = []
    for folder in folders:
        inside.append(entries(down_to_several(folder)))
        if inside[-1].images:
            return [], []
    if len(inside) < 2:
        return [], []
    same = sorted(set.intersection(*({folder.name for folder in one.folders} for one in inside)))
    if len(same) < 2 or are_masks_beside(same):
        return [], []
    some = f"{', '.join(same[:3])}{', ...' if len(same) > 3 else ''}"
    said = Doubt(
        f"{folders[0].name} and {folders[1].name} are taken for classes, but hold the same folders ({some}); "
        "if those are the classes, move them up, give one of the folders as data.root, or if they are splits "
        "call them train and val"
    )
    return [said], same


def refuse_half_splits(folders: Sequence[Path]) -> list[str]:
    """A problem where a folder called train holds class folders, and is taken for a class among others."""
    for folder in (one for one in folders if split_name(one.name) and len(folders) > 1):
        inside = entries(folder)
        filled = [one.name for one in inside.folders if has_images(one)]
        if len(filled) > 1 and not inside.images:
            other = next(one for one in folders if one != folder)
            return [
                f"{folder} holds folders ({listed(filled, _SHOWN)}) as a split does, but {other.name} lies "
                "beside it, and would be a class; move that elsewhere, or give one of the two as data.root"
            ]
    return []


def refuse_folds(folders: Sequence[Path]) -> list[str]:
    """A problem where class folders are called like the folds of a cross-validation."""
    folds = [folder for folder in folders if _FOLD.fullmatch(folder.name) and has_images(folder)]
    if len(folds) < 2:
        return []
    names = listed([folder.name for folder in folds], _SHOWN)
    return [
        f"{names} are called like folds of a cross-validation, which are no classes; make of them one folder "
        f"train and one val of class folders, or give only one fold: data.root={folds[0]}"
    ]


def _is_unnamed(name: str) -> bool:
    """Whether a name says how images came here rather than what they show."""
    words = set(re.findall(r"[^\W\d_]+", name.casefold()))
    album = words <= _ALBUM and (len(words) > 1 or not words <= _NOT_ALONE)
    return album or _UNNAMED.fullmatch(name.strip("_")) is not None


def _below(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """Class folders with folders in them, whose names nobody learns: doubtful where one has nothing but
    several of them."""
    below: dict[Path, set[str]] = {}
    direct: list[Path] = []
    for folder, paths in classes.items():
        depth = len(folder.parts)
        below[folder] = {path.parts[depth] for path in paths if len(path.parts) > depth + 1}
        direct += [folder] if any(len(path.parts) == depth + 1 for path in paths) else []
    said = [f"{one.name} ({listed(sorted(inner), _SHOWN)})" for one, inner in below.items() if inner]
    same = set.intersection(*below.values()) if len(below) > 1 and not direct else set()
    if not said or len(same) > 1 or _say_nothing(classes, below):  # describe_alike speaks of several
        return []
    note = (
        f"images in folders below a class count as that class: {listed(said, _SHOWN)}; if those folders are "
        "the classes, move them up"
    )
    several = [
        one for one, inner in below.items()
        if one not in direct and (len(inner) > 1 or len(entries(inside_of(one, "")).folders) > 1)
    ]  # fmt: skip
    return [Doubt(note) if several else note]


def _say_nothing(classes: Mapping[Path, Sequence[Path]], below: Mapping[Path, set[str]]) -> bool:
    """Whether all that class folders hold is one folder with their images: ``cat/images``, ``dog/dog``."""
    one = all(len(inner) == 1 and inner <= {*GENERIC, top.name} for top, inner in below.items())
    return one and all(
        len(path.parts) == len(top.parts) + 2 for top, paths in classes.items() for path in paths
    )


def like_splits(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """(problems, notes) where folders are called like splits, such as ``train_cat`` and ``test_dog``: a
    problem where two of them are called like splits of one thing (``boxes_train``, ``boxes_test``)."""
    splits: dict[str, str] = {}
    by_rest: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        split, rest = split_and_rest(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
        if split is not None:
            splits.setdefault(split, name)
            by_rest[rest].setdefault(split, name)
    if not {"train"} < set(splits):
        lone = [name for name in names if split_name(name) and len(names) > 1 and not _may_be_class(name)]
        what = "is taken for a class; if it is a split, take it out, or make folders train/<class>"
        return [], [f"{lone[0]} {what}"] if lone else []
    sure = next((one for rest, one in by_rest.items() if rest and {"train"} < set(one)), splits)
    some = " and ".join(sure[split] for split in SPLITS if split in sure)
    advice = "call the folders train/<class>, test/<class>"
    said = f"{some} are taken for classes; if they are splits, {advice}"
    return ([said], []) if sure is not splits else ([], [Doubt(said)])


def _may_be_class(name: str) -> bool:
    """Whether a name that means a split names things as often: trains, what is valid."""
    return split_name(name) == "train" or name.casefold() in ("valid", "dev", "evaluation", "development")


def _splits_in_names(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """``cat/train_0.jpg`` beside ``cat/test_0.jpg``."""
    asked = [path for paths in classes.values() for path in paths[:: len(paths) // _ASKED + 1]]
    first: dict[str | None, str] = {}
    for path in asked:
        word = re.match(r"[^\W\d_]+", path.name)
        first.setdefault(split_name(word[0]) if word else None, path.name)
    if None in first or not {"train"} < set(first):
        return []
    names = " and ".join(first[split] for split in SPLITS if split in first)
    said = f"images are called like splits ({names}), which are not taken from names"
    return [Doubt(f"{said}; move them into train/<class> and test/<class>, or list them in a table")]


def _splits_in_train(folders: Iterable[Path]) -> list[str]:
    """``train/test`` beside ``train/cat``."""
    names = [one.name for one in folders if split_name(one.parent.name) and split_name(one.name)]
    if not names:
        return []
    what = "is taken for a class; if it is a split, move it up"
    if len(names) > 1:
        what = "are taken for classes; if they are splits, move them up"
    return [f"{listed(names, _SHOWN)} in train {what}"]
