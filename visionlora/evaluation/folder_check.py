"""Everything that can be known about a folder of images before training, a network's part in it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from visionlora.data.config import DataConfig
from visionlora.data.features import image_features
from visionlora.data.findings import FolderReport
from visionlora.data.fingerprint import Fingerprint
from visionlora.data.folders import scan_images, survey
from visionlora.data.images import ImageFile
from visionlora.data.index import fingerprints
from visionlora.data.inspect import inspect_folder
from visionlora.data.outliers import Stray, far_from_class
from visionlora.data.outputs import describe_outputs
from visionlora.data.split_names import SPLITS
from visionlora.data.splits import ImageFolder
from visionlora.errors import VisionLoraError
from visionlora.models import Backbone, find_class, load_backbone
from visionlora.models.backbone import AUTO, AUTO_CHOICE, POCKET
from visionlora.models.config import ModelConfig
from visionlora.models.registry import final_layer
from visionlora.models.sources import check_source, describe, is_here
from visionlora.paths import cache_directory
from visionlora.report.progress import progress

SMALL = 2000
"""Images up to which ``strays=auto`` asks a network about each of them."""


def check_folder(
    data: DataConfig,
    model: ModelConfig,
    others: Mapping[str, Sequence[str]],
    seed: int,
    strays: bool | str,
    cache: bool,
    console: Console,
) -> tuple[ImageFolder, FolderReport]:
    """The folder, and what was found in it.

    Args:
        data: which folder.
        model: whose outputs the class names are looked up in; its weights are not downloaded for that.
        others: what other images are for -> their folders.
        seed: of the split.
        strays: whether images far from all others of their class are looked for; ``auto``: in small folders.
        cache: whether fingerprints are kept for the next check.
        console: where progress is shown.

    Raises:
        VisionLoraError: nothing can be found, or an unknown network.
    """
    folder, problems = survey(
        data.root, class_name=data.class_name, val_fraction=data.val_fraction, seed=seed
    )
    other_images = {role: scan_images(folders) for role, folders in others.items() if folders}
    outputs = describe_outputs(folder.classes, *_outputs_of(model), find_class)
    images = [image for split in SPLITS for image in getattr(folder, split)]
    files = images + [image for some in other_images.values() for image in some]
    with progress(console, "reading images") as advance:
        seen = fingerprints([image.path for image in files], cache_directory() if cache else None, advance)
    report = inspect_folder(
        folder,
        problems=problems,
        others=other_images,
        outputs=outputs,
        strays=_strays(images, model, strays, seen, console),
        seen=seen,
    )
    return folder, report


def _outputs_of(model: ModelConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and WordNet ids of a network's outputs."""
    check_source(model.name, others=(AUTO, POCKET))
    if model.name == POCKET or model.weights not in ("imagenet", "none") or model.factory:
        backbone = load_backbone(model.name, model.weights, progress=False)
        return backbone.categories, backbone.wnids
    about = describe(AUTO_CHOICE if model.name == AUTO else model.name)
    return about.categories, about.wnids


def _strays(
    images: Sequence[ImageFile],
    model: ModelConfig,
    wanted: bool | str,
    seen: Mapping[Path, Fingerprint],
    console: Console,
) -> list[Stray]:
    """Images far from all others of their class, by their places."""
    places = [place for place, image in enumerate(images) if seen[image.path].error is None]
    if wanted is False or not places or (wanted == "auto" and len(places) > SMALL):
        return []
    backbone = _network(model, wanted)
    last = backbone.model.get_submodule(final_layer(backbone.model, len(backbone.categories)))
    with progress(console, f"{backbone.name} looks for mislabelled images") as advance:
        paths = [images[place].path for place in places]
        features = image_features(backbone.model, last, backbone.preprocessing, paths, advance)
    found = far_from_class(features, [images[place].label or "" for place in places])
    return [Stray(places[one.place], one.own, one.other, one.nearest) for one in found]


def _network(model: ModelConfig, wanted: bool | str) -> Backbone:
    """The network that features come from: the named one, if it need not be downloaded, else pocket."""
    name = AUTO_CHOICE if model.name == AUTO else model.name
    published = name != POCKET and model.weights == "imagenet"
    if published and not is_here(name):
        if wanted == "auto":
            return load_backbone(POCKET, progress=False)
        raise VisionLoraError(
            f"strays=true needs the weights of {name}, which are not here; train with it once"
        )
    return load_backbone(name, model.weights, progress=False)
