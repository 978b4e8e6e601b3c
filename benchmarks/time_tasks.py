"""The jobs of benchmarks.time_to_result: what a user gives, and images that no job ever sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality_tasks import NETWORK, link
from visionlora.errors import VisionLoraError
from visionlora.paths import shipped

DRAWN = ("noto", "fluent-color", "twemoji", "fxemoji")


@dataclass(frozen=True)
class Job:
    """One thing to learn.

    Attributes:
        name: short, as in the records.
        title: one line for tables.
        network, weights: as ``model.name`` and ``model.weights``.
        root: ``data.root``.
        head: ``model.head``.
        settings: what a user adds to the command, as overrides.
        new: class folders of held-out images of what is learned.
        old: class folders of held-out images of what the network knew; None: nothing is to be kept.
        others: held-out images of other things in the new style, folders called like them; None: not asked.
    """

    name: str
    title: str
    network: str
    weights: str
    root: Path
    head: str
    settings: tuple[str, ...]
    new: Path
    old: Path | None = None
    others: Path | None = None


def make_jobs(folder: Path, real: Path) -> dict[str, Job]:
    """The jobs that are possible with the images below ``real``, by name; their folders are links.

    Raises:
        VisionLoraError: the real weights and images are missing.
    """
    weights = real / f"{NETWORK}-imagenet.safetensors"
    for needed in (weights, real / "illustrated", real / "photos", real / "ordinary"):
        if not needed.exists():
            raise VisionLoraError(f"{needed} is missing; give the folder of real images with --real FOLDER")
    given = NETWORK, str(weights)
    jobs = [
        _pocket_goldfish(folder / "pocket-goldfish"),
        _goldfish(folder / "goldfish", real, given),
        _one_class(folder / "one-class", real, given),
        _many_classes(folder / "142-classes", real, given),
        Job(
            "new-head", "ten classes of photos, 50 each, new head", *given, real / "ordinary" / "train",
            "new", (), real / "ordinary" / "test",
        ),
    ]  # fmt: skip
    return {job.name: job for job in jobs}


def _halves(images: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Those at even and those at odd places in sorted order."""
    ordered = sorted(images)
    return ordered[::2], ordered[1::2]


def _link_all(folder: Path, images: Iterable[Path]) -> Path:
    """The images in folders called like their own."""
    for image in images:
        link(folder / image.parent.name / image.name, image)
    return folder


def _drawn_goldfish(folder: Path) -> tuple[Path, Path, tuple[str, ...]]:
    """The shipped goldfish with half of the validation drawings, the others, and the settings."""
    drawn = shipped("data/goldfish")
    _link_all(folder / "data" / "train", (drawn / "train").glob("*/*"))
    shown, held = _halves((drawn / "val").glob("*/*"))
    _link_all(folder / "data" / "val", shown)
    shown_others, held_others = _halves((drawn / "contrast" / "val").iterdir())
    _link_all(folder / "others", shown_others)
    _link_all(folder / "held-others", held_others)
    settings = "data=goldfish", f"contrast.root={folder / 'others'}"
    return folder / "data", _link_all(folder / "held", held), settings


def _pocket_goldfish(folder: Path) -> Job:
    root, held, settings = _drawn_goldfish(folder)
    shown, held_photos = _halves(shipped("data/pocket_photos/val").glob("*/*"))
    _link_all(folder / "photos", shown)
    settings = *settings, f"retention.root={folder / 'photos'}"
    return Job(
        "pocket-goldfish", "14 drawings of goldfish, pocket", "pocket", "imagenet", root, "keep", settings,
        held, _link_all(folder / "held-photos", held_photos), folder / "held-others",
    )  # fmt: skip


def _goldfish(folder: Path, real: Path, given: tuple[str, str]) -> Job:
    root, held, settings = _drawn_goldfish(folder)
    return Job(
        "goldfish", "14 drawings of goldfish, no photos", *given, root, "keep", settings,
        held, real / "photos", real / "illustrated" / "unseen",
    )  # fmt: skip


def _one_class(folder: Path, real: Path, given: tuple[str, str], name: str = "tiger") -> Job:
    drawings = real / "illustrated" / "train" / name
    _link_all(folder / "data", (drawings / f"{style}.png" for style in DRAWN[:3]))
    held = [drawings / f"{DRAWN[3]}.png", *(real / "illustrated" / "unseen" / name).glob("*.png")]
    return Job(
        "one-class", f"three drawings of one class ({name}), nothing else", *given, folder / "data", "keep",
        (), _link_all(folder / "held", held), real / "photos", real / "illustrated" / "unseen",
    )  # fmt: skip


def _many_classes(folder: Path, real: Path, given: tuple[str, str]) -> Job:
    link(folder / "data" / "train", real / "illustrated" / "train")
    shown, held = _halves((real / "illustrated" / "unseen").glob("*/*.png"))
    _link_all(folder / "data" / "val", shown)
    anchors, labelled = _halves((real / "photos").glob("*/*"))
    shown_photos, held_photos = _halves(labelled)
    settings = (
        f"retention.anchors=[{_link_all(folder / 'anchors', anchors)}]",
        f"retention.root={_link_all(folder / 'retention', shown_photos)}",
    )
    return Job(
        "142-classes", "518 drawings of 142 classes, 151 photos as anchors", *given, folder / "data", "keep",
        settings, _link_all(folder / "held", held), _link_all(folder / "held-photos", held_photos),
    )  # fmt: skip
