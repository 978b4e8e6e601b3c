"""Everything that can be known about a folder of images before training, a network's part in it too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from visionlora.data.check.findings import Finding, FolderReport, Output
from visionlora.data.check.inspect import inspect_folder
from visionlora.data.check.outliers import Stray, far_from_class, ranked
from visionlora.data.config import DataConfig
from visionlora.data.copies.duplicates import Comparison
from visionlora.data.copies.same_image import same_images
from visionlora.data.files.walk import watched
from visionlora.data.images.decode import ImageFile
from visionlora.data.images.fingerprint import Fingerprint
from visionlora.data.index.fingerprints import Early, Views, fingerprints
from visionlora.data.index.kept_features import with_kept_features
from visionlora.data.layout.folders import find, scan_images
from visionlora.data.names.split_names import SPLITS
from visionlora.data.splits.make_splits import FoundImages, ImageFolder, make_folder
from visionlora.data.tables.several_labels import require_several
from visionlora.errors import VisionLoraError, about
from visionlora.lazy import garbage_kept
from visionlora.models.class_outputs import describe_outputs, without_output
from visionlora.models.config import ModelConfig
from visionlora.models.known import (
    AUTO,
    AUTO_CHOICE,
    POCKET,
    POCKET_FILE,
    known_outputs,
    pocket_preprocessing,
)
from visionlora.paths import cache_directory
from visionlora.report.progress import progress
from visionlora.text import listed

_KEYS = {
    "anchors": "retention.anchors", "negatives": "contrast.anchors", "retention": "retention.root",
    "contrast": "contrast.root",
}  # fmt: skip
SMALL = 2000
"""Images up to which ``strays=auto`` looks for mislabelled ones, with pocket."""
_WITH_POCKET = "mislabelled images were looked for with pocket, a small network; strays=true uses {}"

MOST_NAMED = 3
"""Classes in a sentence."""

_NOT_SEARCHED = Finding(
    "note", "stray", f"mislabelled images were not looked for: there are more than {SMALL:,} images",
    "strays=true looks for them; a network then computes each image's features",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FolderCheck:
    """What is checked, and how far.

    Attributes:
        data: which folder.
        model: whose outputs the class names are looked up in; its weights are not downloaded for that.
        others: what other images are for -> their folders.
        seed: of the split.
        strays: whether images far from all others of their class are looked for; ``auto``: in small folders,
            by pocket, whatever ``model`` is: a network of ImageNet's takes minutes.
        cache: whether fingerprints are kept for the next check.
        separator: between the labels of an image (``data.separator``); None: it has one. With several, no
            output of a network is looked up, and no image is taken for mislabelled.
    """

    data: DataConfig
    model: ModelConfig
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seed: int = 0
    strays: bool | str = "auto"
    cache: bool = True
    separator: str | None = None

    @property
    def looks_for_strays(self) -> bool:
        """Whether it looks for images that are far from all others of their class."""
        return bool(self.strays) and self.separator is None

    @property
    def judge(self) -> ModelConfig:
        """The network that says which images are far from the others."""
        return ModelConfig(name=POCKET) if self.strays == "auto" else self.model

    @property
    def cache_folder(self) -> Path | None:
        """Where fingerprints and features are kept; None: nowhere."""
        return cache_directory() if self.cache else None


def check_folder(
    check: FolderCheck, console: Console, early: Early | None = None
) -> tuple[ImageFolder, FolderReport]:
    """The folder, and what was found in it.

    Args:
        check: what is looked at.
        console: where progress is shown.
        early: of :func:`visionlora.data.ahead.read_early`.

    Raises:
        VisionLoraError: nothing can be found, or an unknown network.
    """
    found, others = _find(check, console)
    known = _outputs_of(check.model) if check.separator is None else None
    outputs = {} if known is None else describe_outputs(found.classes, *known)
    ours = [found.images.get(split, ()) for split in SPLITS]
    files = [image.path for some in (*ours, *others.values()) for image in some]
    # Whoever reads the images hands over what pocket will look at; more would not fit the memory.
    with_views = check.looks_for_strays and _is_pocket(check.judge) and len(files) <= SMALL
    views = Views(pocket_preprocessing()) if with_views else None
    with progress(console, "reading images") as advance:
        seen = fingerprints(files, check.cache_folder, advance, views, early)
    comparison = Comparison()
    folder, problems = make_folder(
        found, val_fraction=check.data.val_fraction, seed=check.seed,
        copies_among=lambda paths: same_images(paths, seen, comparison),
    )  # fmt: skip
    if known is None:
        problems += _one_label_each(folder)
    strays, findings, notes = _strays(check, folder, seen, views, console)
    report = inspect_folder(
        folder, seen, comparison, problems=problems, others=others, outputs=outputs, strays=strays
    )
    if known is not None:
        notes = [*_said_of_auto(check.model, outputs), *notes]
    return folder, replace(report, findings=(*report.findings, *findings), notes=(*report.notes, *notes))


def _find(check: FolderCheck, console: Console) -> tuple[FoundImages, dict[str, Sequence[ImageFile]]]:
    """The images of the folder, and those of the other folders by what they are for."""
    data = check.data
    others: dict[str, Sequence[ImageFile]] = {}
    with progress(console, "looking for images", "files") as advance, watched(advance), garbage_kept():
        found = find(
            data.root, class_name=data.class_name, separator=check.separator, class_from=data.class_from
        )
        for role, folders in check.others.items():
            if folders:
                with about(_KEYS[role]):
                    others[role] = scan_images(folders)
    return found, others


def _strays(
    check: FolderCheck, folder: ImageFolder, seen: Mapping[Path, Fingerprint], views: Views | None,
    console: Console,
) -> tuple[list[Stray], list[Finding], list[str]]:  # fmt: skip
    """Images far from all others of their class; a finding where none were looked for; and what to say."""
    images = [image for split in SPLITS for image in getattr(folder, split)]
    readable = [place for place, image in enumerate(images) if seen[image.path].error is None]
    if not check.looks_for_strays or not readable:
        return [], [], []
    if check.strays == "auto" and len(readable) > SMALL:
        return [], [_NOT_SEARCHED], []
    features = _features([images[place].path for place in readable], check, console, views)
    look = ranked if check.strays == "auto" else far_from_class
    far = look(features, [images[place].label or "" for place in readable])
    notes = []
    if check.strays == "auto" and check.model.name != POCKET:
        notes.append(_WITH_POCKET.format(AUTO_CHOICE if check.model.name == AUTO else check.model.name))
    return [replace(one, place=readable[one.place]) for one in far], [], notes


def _features(
    paths: Sequence[Path], check: FolderCheck, console: Console, views: Views | None
) -> NDArray[np.float32]:
    """What the network makes of the images; what pocket makes of them is kept for the next check."""
    model = check.judge

    def compute(some: Sequence[Path]) -> NDArray[np.float32]:
        # PyTorch takes longer to import than thousands of images take to read.
        from visionlora.evaluation.check_network import features_of

        return features_of(some, model, console, views.of(some) if views else None)

    if not _is_pocket(model):
        return compute(paths)
    weights = hashlib.blake2b(POCKET_FILE.read_bytes(), digest_size=6).hexdigest()
    return with_kept_features(paths, check.cache_folder, f"{POCKET}-{weights}", compute)


def _is_pocket(model: ModelConfig) -> bool:
    return model.name == POCKET and model.weights == ModelConfig.weights


def _one_label_each(folder: ImageFolder) -> list[str]:
    """A problem where no image has several labels."""
    try:
        require_several(folder.root, (*folder.train, *folder.val))
    except VisionLoraError as error:
        return [str(error)]
    return []


def _said_of_auto(model: ModelConfig, outputs: Mapping[str, Output]) -> list[str]:
    """Where ``model=auto`` has no weights yet: which classes it takes for others if they cannot be had."""
    if model.name != AUTO:
        return []
    known = [name for name, output in outputs.items() if output.key is not None]
    other = without_output(known, *_outputs_of(ModelConfig(name=POCKET)))
    if not other:
        return []
    from visionlora.models.sources import is_here  # which imports PyTorch

    if is_here(AUTO_CHOICE):
        return []
    return [
        f"the outputs are those of {AUTO_CHOICE}, which training downloads first; without a connection "
        f"model=auto takes pocket, which has none for {listed(other, MOST_NAMED)}"
    ]


def _outputs_of(model: ModelConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = None if model.factory else known_outputs(model.name, model.weights)
    if known is not None:
        return known
    from visionlora.evaluation.check_network import outputs_of

    return outputs_of(model)
