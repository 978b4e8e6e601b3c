"""What the studio computes, in a process of its own: the page answers meanwhile.

Functions of plain values, so that they can be sent there and back.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console

from visionlora.adapters import adapters_off, scaled
from visionlora.command import compose
from visionlora.data import ImageDataset, ImageFile, scan_images, survey
from visionlora.data.check.findings import Finding
from visionlora.data.config import DataConfig
from visionlora.data.files.archive import unpacked
from visionlora.data.files.walk import walk
from visionlora.data.images.decode import BadImage
from visionlora.data.names.wordnet import definition, more_usual_meaning
from visionlora.data.tables.several_labels import SeveralLabels
from visionlora.errors import VisionLoraError
from visionlora.evaluation.folder_check import FolderCheck, check_folder
from visionlora.evaluation.heat_maps import heat_maps
from visionlora.exporting.config import ExportConfig
from visionlora.exporting.export import export_adapter
from visionlora.models import WeightsMetadata, list_backbones, load_backbone
from visionlora.models.arithmetic_config import CombineConfig
from visionlora.models.backbone import POCKET
from visionlora.models.combine_adapters import combine_adapters
from visionlora.models.config import MergeConfig, ModelConfig
from visionlora.models.download import cache_path
from visionlora.models.merge_weights import write_merged
from visionlora.models.registry import default_weights
from visionlora.models.restore import TrainedModel, has_several_labels, restore
from visionlora.options import takes
from visionlora.settings import build, groups_of, top_level
from visionlora.studio.projects import TABLES
from visionlora.text import brief
from visionlora.training.config import RunConfig, read_config
from visionlora.value_text import shown

USUAL = (
    "squeezenet1_0", "mobilenet_v3_large", "efficientnet_b0", "resnet18", "resnet50", "convnext_tiny", "vgg19"
)  # fmt: skip
"""Networks that are named first."""


def networks() -> list[dict[str, Any]]:
    """Every network, those first that are usual or here, with its size in megabytes."""
    found = [{"name": POCKET, "here": True, "mb": 3, "usual": True}]
    for name in (*USUAL, *(one for one in list_backbones() if one not in USUAL)):
        weights = default_weights(name)
        size = round(weights.meta.get("_file_size", 0))
        here = cache_path(weights.url).is_file()
        found.append({"name": name, "here": here, "mb": size, "usual": name in USUAL})
    return sorted(found, key=lambda one: (not one["here"], not one["usual"]))


@lru_cache(maxsize=4)
def outputs(network: str) -> list[dict[str, str]]:
    """A network's outputs: name, WordNet id, what it shows, and what the name more often means."""
    _require_network(network)
    if network == POCKET:
        backbone = load_backbone(POCKET, progress=False)
        categories, wnids = backbone.categories, backbone.wnids
    else:
        about = WeightsMetadata.of_imagenet(network)
        categories, wnids = about.categories, about.wnids
    return [
        {
            "name": name, "wnid": wnid, "definition": definition(wnid),
            "instead_of": more_usual_meaning(wnid, name) if wnid else "",
        }
        for name, wnid in zip(categories, wnids, strict=True)
    ]  # fmt: skip


def settings() -> list[dict[str, Any]]:
    """Every option of a training by group, with its help: the ones that the command line has."""

    def entry(key: Any) -> dict[str, str]:
        default = key.default if isinstance(key.default, str) else shown(key.default)
        return {
            "name": key.name,
            "default": "" if default == "???" else default,
            "takes": takes(key.hint, key.rule),
            "help": key.rule.help,
        }

    own = [entry(key) for key in top_level(RunConfig) if key.name == "seed"]
    groups = [
        {
            "name": group.name,
            "help": " ".join((group.cls.__doc__ or "").split("\n\n")[0].split()),
            "keys": [entry(key) for key in group.keys if not _is_ours(key.name)],
        }
        for group in groups_of(RunConfig)
        if group.name != "resume"
    ]
    return [{"name": "general", "help": "", "keys": own}, *groups]


def _is_ours(key: str) -> bool:
    """Whether the studio sets an option itself, or has no use for it."""
    ours = ("root", "name", "class_name", "class_from", "separator")
    return key == "trainer.progress" or key in [f"data.{name}" for name in ours]


def validate(arguments: Sequence[str]) -> None:
    """Check the command line of a training.

    Raises:
        VisionLoraError: an option that does not exist, or a value that it does not take.
    """
    from visionlora.train import COMMAND

    read_config(compose(COMMAND, arguments))


def check(root: str, network: str, others: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What is known about a project's images before training, with file names for images."""
    _require_network(network)
    asked = FolderCheck(data=DataConfig(root=root), model=ModelConfig(name=network), others=others)
    _, report = check_folder(asked, Console(quiet=True))
    classes = [
        {"name": row.name, "counts": dict(row.counts), "output": asdict(row.output) if row.output else None}
        for row in report.classes
    ]
    return {
        "layout": report.layout,
        "notes": list(report.notes),
        "classes": classes,
        "findings": [_finding(one) for one in report.findings],
    }


def _require_network(name: str) -> None:
    if name != POCKET and name not in list_backbones():
        raise VisionLoraError(f"the studio has no network {brief(name)}")


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "severity": one.severity, "kind": one.kind, "title": one.title, "advice": one.advice,
        "lines": list(one.lines), "similar": one.similar,
        "groups": [
            [{"file": image.path.name, "label": image.label, "role": image.role, "remark": image.remark}
             for image in group]
            for group in one.groups
        ],
    }  # fmt: skip


def images_of_archive(path: str, most_bytes: int, name: str, classes: bool) -> list[tuple[str, str, str]]:
    """The images of a zip or tar file: path, name and class, "" where nothing in it names one.

    It is unpacked beside the file: the upload's folder is removed with everything in it, the cache is not.

    Args:
        path: of the file.
        most_bytes: that it may unpack to.
        name: of the file, as people know it.
        classes: whether its folders, or a table in it, say the classes.

    Raises:
        VisionLoraError: it is damaged, leads outside of itself, unpacks to more than ``most_bytes``, has
            images with several labels, or folders that contradict each other.
    """
    folder = Path(path)
    try:
        folder, _ = unpacked(Path(path), most_bytes, into=Path(path).parent)
        images = _labelled(folder) if classes else list(scan_images([folder]))
    except SeveralLabels as error:
        raise VisionLoraError(
            f"{name}: an image of it has several labels, and this page trains one label an image; unpack it, "
            "and in a terminal use visionlora train task=multi_label data.root=TABLE.csv"
        ) from error
    except VisionLoraError as error:
        raise VisionLoraError(str(error).replace(str(folder), name).replace(path, name)) from error
    return [(str(image.path), image.path.name, image.label or "") for image in images]


def _labelled(folder: Path) -> list[ImageFile]:
    """The images of a folder with their classes, or all of one folder without any."""
    try:
        found, _ = survey(folder, class_name=None, val_fraction=0.25, seed=0)
    except VisionLoraError:
        images, others = walk(folder)
        together = len({path.parent for path in images}) == 1
        if together and not any(path.suffix.casefold() in TABLES for path in others):
            return [ImageFile(path) for path in images]
        raise
    return [image for split in (found.train, found.val, found.test) for image in split]


@lru_cache(maxsize=2)
def _restored(adapter: str, changed: float) -> TrainedModel:
    trained = restore(adapter)
    if has_several_labels(trained.about):
        raise VisionLoraError(
            f"{adapter} gives an image several labels (task=multi_label), which this page does not show; use "
            "visionlora predict"
        )
    return trained


def _model(adapter: str) -> TrainedModel:
    return _restored(adapter, (Path(adapter) / "adapter_config.json").stat().st_mtime)


def _one_image(trained: TrainedModel, image: str) -> ImageDataset:
    dataset = ImageDataset([ImageFile(Path(image), None)], trained.backbone.preprocessing)
    try:
        dataset[0]
    except BadImage as error:  # the page knows it under no path
        raise VisionLoraError(f"this image cannot be read: {error.reason}") from error
    return dataset


def image_logits(adapter: str, image: str, strengths: Sequence[float] = (0.0, 1.0)) -> dict[str, Any]:
    """The logits of an image at each strength of the adapter, 1 being as it was saved.

    The frozen network has no outputs for classes that were added to its head: there a logit is null.
    """
    trained = _model(adapter)
    dataset = _one_image(trained, image)
    inputs = dataset.collate([dataset[0]])["images"]
    logits = {}
    with torch.inference_mode():
        for strength in strengths:
            if strength == 0:
                with adapters_off(trained.network):
                    row = trained.network(inputs)[0]
            else:
                with scaled(trained.network, strength):
                    row = trained.network(inputs)[0]
            values: list[float | None] = [round(value, 4) for value in row.tolist()]
            if strength == 0:
                values[trained.old_outputs :] = [None] * (len(values) - trained.old_outputs)
            logits[f"{strength:g}"] = values
    return {"names": list(trained.head.outputs), "logits": logits, "classes": list(trained.classes)}


def explain(adapter: str, image: str) -> dict[str, Any]:
    """Where the frozen and the adapted network look for their answers (Grad-CAM): JPEGs as data URIs.

    Raises:
        VisionLoraError: the network's last layers have no places to show.
    """
    trained = _model(adapter)
    dataset = _one_image(trained, image)
    maps = heat_maps(trained.network, dataset, [0], trained.head.outputs, trained.old_outputs)
    if isinstance(maps, str):
        raise VisionLoraError(maps)
    (one,) = maps
    return {
        when: None if seen is None else {"image": _uri(seen[0]), "name": seen[1]}
        for when, seen in (("before", one.before), ("now", one.after))
    }


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def merge(adapter: str, output: str) -> None:
    """Write the network with the adapter merged in."""
    write_merged(MergeConfig(adapter=adapter, output=output), Console(quiet=True))


def combine(adapters: Sequence[str], weights: Sequence[float], method: str, output: str) -> None:
    """Write one adapter that holds what several do.

    Raises:
        VisionLoraError: a method or weight that does not exist, or adapters that do not go together.
    """
    given = {"adapters": list(adapters), "weights": list(weights), "method": method, "output": output}
    combine_adapters(build(CombineConfig, given), Console(quiet=True))


def export(run: str, output: str, images: str | None) -> None:
    """Write the network as ONNX, with its preprocessing inside.

    It is compared with PyTorch on ``images``, a folder; None: on the run's own.
    """
    options = ExportConfig(adapter=run, output=output, preprocess="all", images=images)
    export_adapter(options, Console(quiet=True))
