"""What a folder of labelled images was recognised as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionlora.data.images.decode import ImageFile


@dataclass(frozen=True)
class Layout:
    """Where the labelled images of each split are.

    Attributes:
        name: the layout in words.
        folders: split -> the folder of its class folders, or of its images where there is one class.
        tables: split -> a table of its images; the split "" is decided in the table.
        inner: class folders hold split folders: class -> split -> folder.
        images: split -> its images, where files beside them say their labels.
        lists: files that may say which images of class folders are of which split.
        beside: files that are no images, in the folder and those that were entered.
        notes: decisions that the user should know of.
    """

    name: str
    folders: Mapping[str, Path] = field(default_factory=dict)
    tables: Mapping[str, Path] = field(default_factory=dict)
    inner: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    images: Mapping[str, Sequence[ImageFile]] = field(default_factory=dict)
    lists: tuple[Path, ...] = ()
    beside: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
