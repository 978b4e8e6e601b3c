"""A folder of adapters, for people to look through: a table for the terminal and a page."""

from __future__ import annotations

import base64
import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text
from safetensors import SafetensorError, safe_open

from visionlora.adapters import LoraError, read_adapter_config
from visionlora.errors import VisionLoraError
from visionlora.files import replacing
from visionlora.report.card_metadata import figures_in, read_header
from visionlora.report.html import page, styles, text
from visionlora.text import for_terminal, percent, printable

SORTS = ("name", "network", "classes", "rank", "size", "learned", "forgotten", "false_positives", "date")
DESCENDING = ("learned", "date", "classes")
"""What is sorted from the highest down."""
CONFIG, TENSORS, PREVIEW, CARD = (
    "adapter_config.json", "adapter_model.safetensors", "preview.png", "README.md",
)  # fmt: skip
MOST_PREVIEW = 2**23
"""Bytes of a preview that is put into a page."""
_PNG = b"\x89PNG\r\n\x1a\n"
_SKIPPED = {"checkpoints", "tensorboard", "train", "val", "test"}


@dataclass(frozen=True)
class GalleryEntry:
    """An adapter directory.

    Attributes:
        path: of it.
        name: where it is, seen from the folder that is listed.
        network: that it adapts, "" where it does not say.
        classes: that it was trained on.
        family: of the adapter, or PEFT's name of it.
        rank: None where it has none.
        size: of its tensors in bytes.
        date: of the run, or of the file, as 2026-11-26.
        figures: as :func:`visionlora.report.card_metadata.figures_of_run` has them.
    """

    path: Path
    name: str
    network: str
    classes: tuple[str, ...]
    family: str
    rank: int | None
    size: int
    date: str
    figures: Mapping[str, Any]

    @property
    def words(self) -> str:
        """Every text of it, in small letters: what a filter looks through."""
        return " ".join((self.name, self.network, self.family, *self.classes)).lower()

    def value(self, key: str) -> Any:
        """What it is sorted by; None: it has none."""
        if key == "classes":
            return len(self.classes)
        return self.figures[key] if key in self.figures else getattr(self, key)


def find_adapters(folder: Path) -> tuple[list[GalleryEntry], list[str]]:
    """The adapters in a folder, at any depth, and what was wrong with others, in words.

    Raises:
        VisionLoraError: there is no such folder, or no adapter in it.
    """
    if not folder.is_dir():
        raise VisionLoraError(f"folder: {folder} is not a folder; give one with runs or adapters in it")
    entries, problems = [], []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        if CONFIG not in files:
            continue
        folders[:] = []  # parts of one adapter lie in it
        try:
            entries.append(_entry(Path(place), folder))
        except (VisionLoraError, LoraError, OSError) as error:
            problems.append(str(error))
    if not entries and not problems:
        raise VisionLoraError(f"folder: {folder} holds no adapter ({CONFIG}); give a folder of runs")
    return entries, problems


def _entry(directory: Path, root: Path) -> GalleryEntry:
    config = read_adapter_config(directory)
    own, header = config["visionlora"], read_header(directory / CARD)
    tensors = directory / TENSORS
    if not tensors.is_file():
        raise VisionLoraError(f"{directory} has no {TENSORS}; copy the whole directory")
    try:
        with safe_open(tensors, "pt"):  # which reads the header and the file's size
            pass
    except SafetensorError as error:
        raise VisionLoraError(f"{tensors} is damaged or cut off ({error}); copy it again") from error
    base = config.get("base_model_name_or_path")
    rank, date = config.get("r"), header.get("date")
    network = own.get("model") or (base if isinstance(base, str) else "")
    # The run's folder says more than the name "adapter" that every run gives.
    place = directory.parent if directory.name == "adapter" and directory != root else directory
    name = os.path.relpath(place, root)
    modified = datetime.date.fromtimestamp(tensors.stat().st_mtime)
    return GalleryEntry(
        path=directory,
        name=place.resolve().name if name == "." else name,
        network=network,
        classes=tuple(own.get("classes") or ()),
        family=own.get("family") or str(config.get("peft_type", "")).lower(),
        rank=rank if isinstance(rank, int) else None,
        size=tensors.stat().st_size,
        date=str(date)[:10] if isinstance(date, (str, datetime.date)) else modified.isoformat(),
        figures=figures_in(header),
    )


def sort_entries(entries: Sequence[GalleryEntry], key: str) -> list[GalleryEntry]:
    """The entries by one of ``SORTS``; those without such a value last."""
    known = [entry for entry in entries if entry.value(key) is not None]
    unknown = [entry for entry in entries if entry.value(key) is None]
    return sorted(known, key=lambda entry: entry.value(key), reverse=key in DESCENDING) + unknown


def filter_entries(entries: Sequence[GalleryEntry], words: str) -> list[GalleryEntry]:
    """The entries that have each of the words somewhere in their texts."""
    return [one for one in entries if all(word in one.words for word in words.lower().split())]


def gallery_table(entries: Sequence[GalleryEntry]) -> Table:
    """One row an adapter; in two lines, so that it fits a terminal of 80 columns."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 1, 0))
    for title in ("adapter\nnetwork", "classes"):
        table.add_column(title, overflow="fold", min_width=10)
    for title in ("family, rank\nsize", "learned", "forgotten", "false\npositives", "date"):
        table.add_column(title, no_wrap=True)
    for one in entries:
        kind = one.family if one.rank is None else f"{one.family}, {one.rank}"
        cells = (
            (one.name, one.network), (_names(one.classes, 2),), (kind, _kibibytes(one.size)),
            *((_figure(one, key),) for key in _FIGURES), (one.date,),
        )  # fmt: skip
        table.add_row(*(_lines(*cell) for cell in cells))
    return table


def _lines(first: str, *others: str) -> Text:
    """Untrusted texts below each other."""
    text = Text(for_terminal(first))
    for other in others:
        text.append(f"\n{for_terminal(other)}", style="dim")
    return text


_FIGURES = {"learned": "learned", "forgotten": "forgotten", "false_positives": "false positives"}


def write_gallery_page(entries: Sequence[GalleryEntry], title: str, sort: str, path: Path) -> None:
    """Write the page, with the previews in it; a script of it sorts, filters and compares.

    Args:
        entries: in the order that they are shown in.
        title: of the page.
        sort: what they are sorted by.
        path: of the file.
    """
    options = "".join(
        f"<option value='{key}:{'down' if key in DESCENDING else 'up'}'{' selected' if key == sort else ''}>"
        f"{key.replace('_', ' ')}</option>"
        for key in SORTS
    )
    tools = (
        "<div class=tools><input id=filter type=search placeholder='filter: class, network, family'>"
        f"<label>sorted by <select id=sort>{options}</select></label>"
        "<button id=compare type=button>compare the ticked ones</button>"
        "<span id=count class=quiet></span></div>"
    )
    note = (
        "Learned: top-1 on new images, as the adapter's card says (*: they also selected its weights). "
        "Forgotten: top-1 lost on old images. -: not measured."
    )
    body = (
        f"<h1><bdi>{text(title)}</bdi></h1><p class=quiet>{note}</p>{tools}"
        f"<div class=gallery>{''.join(map(_card, entries))}</div>"
    )
    script = Path(__file__).with_name("gallery.js").read_text(encoding="utf-8")
    content = page(text(title), styles("folder_page.css", "run_page.css", "gallery.css"), body, script)
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8")


def _card(one: GalleryEntry) -> str:
    values = {key: "" if one.value(key) is None else one.value(key) for key in SORTS}
    data = "".join(f" data-{key}='{text(value)}'" for key, value in values.items())
    rows = {
        "network": one.network,
        "classes": _names(one.classes, 6),
        "family": one.family if one.rank is None else f"{one.family}, rank {one.rank}",
        "size": _kibibytes(one.size),
        **{title: _figure(one, key) for key, title in _FIGURES.items()},
        "date": one.date,
    }
    facts = "".join(f"<dt>{title}</dt><dd><bdi>{text(value)}</bdi></dd>" for title, value in rows.items())
    return (
        f"<article class=adapter{data} data-text='{text(one.words)}'>{_preview(one.path / PREVIEW)}"
        f"<h3><bdi>{text(one.name)}</bdi></h3><dl>{facts}</dl>"
        "<label><input type=checkbox> compare</label></article>"
    )


def _preview(path: Path) -> str:
    """The preview as an image, where it is a PNG file."""
    if path.is_file() and path.stat().st_size <= MOST_PREVIEW:
        content = path.read_bytes()
        if content.startswith(_PNG):
            return f"<img alt='' src='data:image/png;base64,{base64.b64encode(content).decode()}'>"
    return "<div class=none>no preview</div>"


def _names(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return printable(", ".join(names[:most]) + more) or "-"


def _kibibytes(size: int) -> str:
    return f"{size / 1024:,.0f} KiB"


def _figure(one: GalleryEntry, key: str) -> str:
    value = one.figures[key]
    if value is None:
        return "-"
    return f"{percent(value, 1)}{'*' if key == 'learned' and one.figures['selected'] else ''}"
