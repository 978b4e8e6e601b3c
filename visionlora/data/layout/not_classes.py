"""Folders whose names say that they are no classes: versions, magnifications, the parts of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.files.walk import entries, has_images
from visionlora.data.layout.wrappers import inside_of
from visionlora.data.names.split_names import are_parts, split_name
from visionlora.text import Doubt, first_of, in_words, listed

_VERSION = re.compile(
    r"(?:(?P<stem>.+?)[ _.-]*)?(?<![^\W\d_])(v|ver|version|rev|release)[ _.-]?\d{1,3}([._]\d+)*",
    re.IGNORECASE,
)
_SCALE = re.compile(r"(x|scale[ _-]?)\d{1,3}|\d{1,4}x", re.IGNORECASE)
_LOW_RESOLUTION = re.compile(
    r"(lr|bic|bicubic|bilinear)[ _-]?(bic|bicubic)?[ _-]?(x|mod)[ _-]?\d{1,2}", re.IGNORECASE
)
"""Super-resolution's: ``LRbicx2`` beside ``LRbicx4`` and ``GTmod12``."""
_WELL = re.compile(r"[A-P]([01]\d|2[0-4])")
_DRAWS = {
    "shots": re.compile(r"(\d{1,4}[ _-]?shots?|shots?[ _-]?\d{1,4})", re.IGNORECASE),
    "draws (seeds)": re.compile(r"(seed|trial|repeat|rep)[ _-]?\d{1,4}", re.IGNORECASE),
    "shares": re.compile(r"\d{1,3}(\.\d+)?[ _-]?(%|percent|pct|p)", re.IGNORECASE),
}
"""Of few-shot learning and of learning curves: the same classes in each."""
_OF_PROGRAMS = {
    "the folders of a Capture One session": {"capture", "output", "selects", "trash"},
    "the folders of Immich": {"library", "upload", "thumbs", "profile", "encoded-video", "backups"},
    "the folders of PhotoPrism": {"originals", "import", "storage", "sidecar"},
    "the folders of an export of Instagram": {
        "posts", "stories", "profile", "reels", "archived_posts", "recently_deleted",
    },
}  # fmt: skip
"""Programs that keep one person's photos, with what they call folders; two of these may be classes."""
_SEARCHED = frozenset(("gallery", "query", "queries", "distractors", "distractor", "multiquery"))
"""What search by image (re-identification, retrieval) looks for, and looks in."""
_OF_SEARCH = _SEARCHED | {
    "database", "db", "index", "reference", "references", "gtbbox", "gtquery", "support", "probe", "probes",
}  # fmt: skip
_SHOWN = 3


def refuse_parts(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A problem where folders are the parts of a benchmark, or versions that each hold class folders.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    folders = [folder for folder, paths in classes.items() if paths]
    names = [folder.name for folder in folders]
    if len(folders) < 2:
        return []
    if _are_of_search(names):
        return [_said_of_search(folders)]
    if kind := same_kind(names):
        inside = [_classes_in(folder) for folder in folders]
        if all(len(one) > 1 for one in inside) and set.intersection(*inside):
            some = listed(sorted(set.intersection(*inside)), _SHOWN)
            called = in_words(first_of(names, _SHOWN))
            return [
                f"{called} are called like {kind} of one data set and hold class folders ({some}), "
                f"so they are no classes; give one of them, data.root={folders[-1]}, or put what they hold "
                "into one folder for each class"
            ]
    return []


def describe_parts(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A note where folders are called like versions or magnifications of a thing, or a plate's wells.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    names = [folder.name for folder, paths in classes.items() if paths]
    kind = same_kind(names) or ("parts of one data set" if are_parts(names) else None)
    if kind is None:
        return []
    called = in_words(first_of(names, _SHOWN))
    return [
        Doubt(
            f"{called} are taken for classes, but are called like {kind}; if they are that, give one "
            "of them as data.root, or list the images and their classes in a table"
        )
    ]


def same_kind(names: Sequence[str]) -> str | None:
    """``versions``, ``magnifications``, ``wells of a plate``, ``shots`` or what a program calls its folders;
    None: not all are called so."""
    if len(names) < 2:
        return None
    for kind, known in _OF_PROGRAMS.items():
        if len(names) > 2 and {name.casefold() for name in names} <= known:
            return kind
    if all(map(_SCALE.fullmatch, names)) or sum(map(bool, map(_LOW_RESOLUTION.fullmatch, names))) > 1:
        return "magnifications"
    if all(map(_WELL.fullmatch, names)) and any(name[1] == "0" for name in names):
        return "wells of a plate"
    for kind, pattern in _DRAWS.items():
        if all(map(pattern.fullmatch, names)):
            return kind
    matches = [_VERSION.fullmatch(name) for name in names]
    stems = {(match["stem"] or "").casefold() for match in matches if match}
    return "versions" if all(matches) and len(stems) == 1 else None


def _are_of_search(names: Sequence[str]) -> bool:
    """Whether names are those of search by image, beside splits: ``query``, ``bounding_box_test``."""
    plain = {re.sub(r"[\W\d_]+|images?|imgs?", "", name.casefold()) for name in names}
    parts = plain & _OF_SEARCH
    splits = {name for name in plain - parts if split_name(name.replace("boundingbox", ""))}
    return len(names) > 1 and parts | splits == plain and bool(parts & _SEARCHED)


def _said_of_search(folders: Sequence[Path]) -> str:
    train = next(
        (folder for folder in folders if split_name(folder.name.replace("bounding_box", "")) == "train"), None
    )
    names = in_words(first_of([folder.name for folder in folders], _SHOWN))
    said = f"{names} are the parts of a benchmark (search by image, few-shot learning), no classes"
    if train is not None and not entries(train).images:
        return f"{said}; give the one to train with, data.root={train}"
    return f"{said}; sort the images into a folder for each class or identity, or list them in a table"


def _classes_in(folder: Path) -> set[str]:
    inside = entries(inside_of(inside_of(folder, ""), "train"))
    return set() if inside.images else {one.name for one in inside.folders if has_images(one)}
