"""Everything that can be known about a folder of images before training, a network's part in it too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from visionlora.data.config import DataConfig
from visionlora.data.duplicates import Comparison
from visionlora.data.findings import Finding, FolderReport, Output
from visionlora.data.folders import find, scan_images
from visionlora.data.index import Early, Views, fingerprints
from visionlora.data.inspect import inspect_folder
from visionlora.data.kept_features import with_kept_features
from visionlora.data.outliers import Stray, far_from_class
from visionlora.data.same_image import same_images
from visionlora.data.several_labels import require_several
from visionlora.data.split_names import SPLITS
from visionlora.data.splits import ImageFolder, make_folder
from visionlora.data.walk import watched
from visionlora.errors import VisionLoraError, about
from visionlora.lazy import garbage_kept
from visionlora.models.class_outputs import describe_outputs
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


def check_folder(
    data: DataConfig,
    model: ModelConfig,
    others: Mapping[str, Sequence[str]],
    seed: int,
    strays: bool | str,
    cache: bool,
    console: Console,
    separator: str | None = None,
    early: Early | None = None,
) -> tuple[ImageFolder, FolderReport]:
    """The folder, and what was found in it.

    Args:
        data: which folder.
        model: whose outputs the class names are looked up in; its weights are not downloaded for that.
        others: what other images are for -> their folders.
        seed: of the split.
        strays: whether images far from all others of their class are looked for; ``auto``: in small folders,
            by pocket, whatever ``model`` is: a network of ImageNet's takes minutes.
        cache: whether fingerprints are kept for the next check.
        console: where progress is shown.
        separator: between the labels of an image (``data.separator``); None: it has one. With several, no
            output of a network is looked up, and no image is taken for mislabelled.
        early: of :func:`visionlora.data.ahead.read_early`.

    Raises:
        VisionLoraError: nothing can be found, or an unknown network.
    """
    with progress(console, "looking for images", "files") as advance, watched(advance), garbage_kept():
        found = find(data.root, class_name=data.class_name, separator=separator, class_from=data.class_from)
        other_images = {}
        for role, folders in others.items():
            with about(_KEYS[role]):
                other_images.update({role: scan_images(folders)} if folders else {})
    known = _outputs_of(model) if separator is None else None
    outputs = {} if known is None else describe_outputs(found.classes, *known)
    ours = [found.images.get(split, ()) for split in SPLITS]
    files = [image.path for some in (*ours, *other_images.values()) for image in some]
    strays = strays if separator is None else False
    asked = ModelConfig(name=POCKET) if strays == "auto" else model
    # Whoever reads the images hands over what pocket will look at; more would not fit the memory.
    with_views = strays and _is_pocket(asked) and len(files) <= SMALL
    views = Views(pocket_preprocessing()) if with_views else None
    with progress(console, "reading images") as advance:
        kept = cache_directory() if cache else None
        seen = fingerprints(files, kept, advance, views, early)
    comparison = Comparison()
    folder, problems = make_folder(
        found, val_fraction=data.val_fraction, seed=seed,
        copies_among=lambda paths: same_images(paths, seen, comparison),
    )  # fmt: skip
    said: list[str] = []
    if known is not None:
        said += _said_of_auto(model, outputs)
    else:
        problems += _one_label_each(folder)
    images = [image for split in SPLITS for image in getattr(folder, split)]
    readable = [place for place, image in enumerate(images) if seen[image.path].error is None]
    left_out = strays == "auto" and len(readable) > SMALL
    far: list[Stray] = []
    if strays and readable and not left_out:
        if strays == "auto" and model.name != POCKET:
            said.append(_WITH_POCKET.format(AUTO_CHOICE if model.name == AUTO else model.name))
        labelled = [images[place] for place in readable]
        features = _features([image.path for image in labelled], asked, cache, console, views)
        far = far_from_class(features, [image.label or "" for image in labelled])
    report = inspect_folder(
        folder,
        problems=problems,
        others=other_images,
        outputs=outputs,
        strays=[replace(one, place=readable[one.place]) for one in far],
        seen=seen,
        comparison=comparison,
    )
    findings = (*report.findings, _NOT_SEARCHED) if left_out else report.findings
    return folder, replace(report, findings=findings, notes=(*report.notes, *said))


def _features(
    paths: Sequence[Path], model: ModelConfig, cache: bool, console: Console, views: Views | None
) -> NDArray[np.float32]:
    """What the network makes of the images; what pocket makes of them is kept for the next check."""

    def compute(some: Sequence[Path]) -> NDArray[np.float32]:
        # PyTorch takes longer to import than thousands of images take to read.
        from visionlora.evaluation.strays import features_of

        return features_of(some, model, console, views.of(some) if views else None)

    if not _is_pocket(model):
        return compute(paths)
    weights = hashlib.blake2b(POCKET_FILE.read_bytes(), digest_size=6).hexdigest()
    return with_kept_features(paths, cache_directory() if cache else None, f"{POCKET}-{weights}", compute)


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
    small = describe_outputs(outputs, *_outputs_of(ModelConfig(name=POCKET)))
    other = [name for name, output in outputs.items() if small[name].key is None and output.key is not None]
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
    from visionlora.evaluation.strays import outputs_of

    return outputs_of(model)
