"""The tasks of the quality benchmark, as image folders: what to learn and what not to forget."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionlora.errors import VisionLoraError
from visionlora.paths import shipped

REAL = shipped("../shared/real")
NETWORK = "squeezenet1_0"
STYLES = ("noto", "fluent-color", "twemoji", "fxemoji")
SINGLE = ("tiger", "ambulance", "pineapple")
# Subjects that are not ImageNet classes, drawn by the project's own code.
UNKNOWN = ("heart", "moon", "sun", "key", "cherries", "tulip", "gold-star", "maple-leaf")
UNKNOWN_STYLES = {
    "train": ("flat", "line-art", "cartoon", "watercolour", "crayon"),
    "val": ("gradient", "paper-cut", "pastel", "mosaic"),
}


@dataclass(frozen=True)
class Task:
    """One thing to learn.

    Attributes:
        name: short, as in the records.
        title: one line for tables.
        root: folder with train and val, each of class folders; val is in styles that train lacks.
        head: keep, extend or new.
        weights: the network's weight file, or "none".
        anchors: folder of unlabelled photos for distillation; none of them is in ``retention``.
        retention: class folders of photos to measure forgetting on.
        contrast_anchors: folders of drawings of other things for training.
        contrast: folder of drawings of other things to measure false positives on.
    """

    name: str
    title: str
    root: Path
    head: str
    weights: str
    anchors: Path
    retention: Path
    contrast_anchors: tuple[Path, ...] = ()
    contrast: Path | None = None
    network: str = NETWORK


def make_tasks(
    folder: Path, real: Path = REAL, network: str = NETWORK, weights: Path | None = None
) -> dict[str, Task]:
    """Make the tasks' folders below ``folder``: links to the real images, and drawings made here.

    Args:
        folder: where to make them.
        real: the folder of real weights and images.
        network: a network with ImageNet's 1,000 outputs, as ``model.name`` takes it.
        weights: its file; None: the one in ``real``, which has SqueezeNet's.

    Raises:
        VisionLoraError: the real images or the weights are missing.
    """
    if network != NETWORK and (weights is None or not weights.is_file()):
        raise VisionLoraError(f"give the ImageNet weights of {network} with --weights FILE, not {weights}")
    weights = weights or real / f"{NETWORK}-imagenet.safetensors"
    for needed in (weights, real / "illustrated", real / "photos"):
        if not needed.exists():
            raise VisionLoraError(
                f"{needed} is missing; give the folder of real weights and images with --real FOLDER"
            )
    halves = folder / "anchors", folder / "retention"
    for place, photos in enumerate(sorted((real / "photos").iterdir())):
        link(halves[place % 2] / photos.name, photos)
    photos_for = {
        "network": network,
        "weights": str(weights.absolute()),
        "anchors": halves[0],
        "retention": halves[1],
    }
    tasks = [
        *_illustrated(folder, real, photos_for),
        _goldfish(real, photos_for),
        *_single(folder, real, photos_for),
        *_unknown(folder, photos_for),
    ]
    return {task.name: task for task in tasks}


def _illustrated(folder: Path, real: Path, photos: dict) -> Iterable[Task]:
    for count in (1, 2, 4):
        root = folder / f"illustrated-{count}"
        for style in STYLES[:count]:
            for image in sorted((real / "illustrated" / "train").glob(f"*/{style}.png")):
                link(root / "train" / image.parent.name / image.name, image)
        for image in sorted((real / "illustrated" / "unseen").glob("*/*.png")):
            # With few styles some classes have no training drawing, so they get no validation drawing.
            if (root / "train" / image.parent.name).is_dir():
                link(root / "val" / image.parent.name / image.name, image)
        styles = "1 style" if count == 1 else f"{count} styles"
        yield Task(f"illustrated-{count}", f"illustrated, {styles} for training", root, "keep", **photos)


def _goldfish(real: Path, photos: dict) -> Task:
    drawn = shipped("data/goldfish")
    return Task(
        "goldfish",
        "illustrated goldfish alone",
        drawn,
        "keep",
        contrast_anchors=(drawn / "contrast" / "anchor", real / "illustrated" / "train"),
        contrast=real / "illustrated" / "unseen",
        **photos,
    )


def _single(folder: Path, real: Path, photos: dict) -> Iterable[Task]:
    for name in SINGLE:
        root = folder / f"one-{name}"
        link(root / "data" / "train" / name, real / "illustrated" / "train" / name)
        link(root / "data" / "val" / name, real / "illustrated" / "unseen" / name)
        for other in sorted((real / "illustrated" / "unseen").iterdir()):
            if other.name != name:
                link(root / "others" / other.name, other)
                link(root / "anchors" / other.name, real / "illustrated" / "train" / other.name)
        yield Task(
            f"one-{name}",
            f"{name} alone: four training drawings, a fifth for validation",
            root / "data",
            "keep",
            contrast_anchors=(root / "anchors",),
            contrast=root / "others",
            **photos,
        )


def _unknown(folder: Path, photos: dict) -> Iterable[Task]:
    root = folder / "unknown"
    draw_unknown(root)
    for head in ("new", "extend"):
        title = f"{len(UNKNOWN)} drawn classes that ImageNet lacks, head {head}"
        yield Task(f"unknown-{head}", title, root, head, **photos)


def draw_unknown(root: Path) -> None:
    """Draw the classes that ImageNet lacks, in different styles for training and validation."""
    from scripts.draw.canvas import finish
    from scripts.draw.contrast import SUBJECTS, pose
    from scripts.draw.grounds import GROUNDS
    from scripts.draw.shapes import Drawing, moved
    from scripts.draw.styles import STYLES as DRAWN

    for split, styles in UNKNOWN_STYLES.items():
        for subject in UNKNOWN:
            for style in styles:
                path = root / split / subject / f"{style}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                rng = np.random.default_rng(zlib.crc32(f"{split}/{subject}/{style}".encode()))
                stance = pose(subject, rng)
                placed = moved(
                    tuple(SUBJECTS[subject]()),
                    scale=stance.scale, turn=stance.turn, flip=stance.flip, shift=stance.shift,
                )  # fmt: skip
                ground = GROUNDS[stance.ground](stance.paper, rng)
                finish(DRAWN[style](Drawing((*ground, *placed), stance.paper), rng)).save(path)


def our_config(task: Task, lr: float, seed: int, anchors: bool, settings: Sequence[str] = ()) -> Any:
    """The product's configuration: its defaults, with the task's and trial's settings and ``settings``."""
    from visionlora.command import compose
    from visionlora.train import COMMAND

    given = [
        f"data.root={task.root}", f"model.name={task.network}", f"model.weights={task.weights}",
        f"model.head={task.head}", f"optimizer.lr={lr}", f"seed={seed}", "trainer.progress=false",
        f"retention.anchors={_list([task.anchors] if anchors else [])}",
        # Without photos as anchors there are none to choose the strength on either.
        f"retention.root={task.retention if anchors and task.head != 'new' else 'null'}",
        f"contrast.anchors={_list(task.contrast_anchors) if anchors and task.contrast_anchors else 'auto'}",
        f"contrast.root={task.contrast or 'null'}",
        *([] if anchors else ["contrast.budget=null"]),
        *settings,
    ]  # fmt: skip
    return compose(COMMAND, given)


def _list(folders: Iterable[Path]) -> str:
    return f"[{','.join(map(str, folders))}]"


def link(place: Path, target: Path) -> None:
    """Make a symbolic link, and the folders above it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target.resolve())
