"""Export a trained network: write the file, open it again, compare it with PyTorch, then keep it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from torch import nn

from visionlora.data import ImageFile
from visionlora.errors import VisionLoraError
from visionlora.exporting import onnx_file, other_files
from visionlora.exporting.compare import Comparison, Runner, compare, require_same
from visionlora.exporting.config import ExportConfig
from visionlora.exporting.images import batches, calibration_images, comparison_images
from visionlora.exporting.onnx_file import CannotExport
from visionlora.exporting.prepared import Maps, prepared
from visionlora.exporting.script import onnx_script
from visionlora.files import replacing, reported, require_writable, touched, write_json
from visionlora.models import WeightsMetadata
from visionlora.models.alternatives import IN_PYTHON, Named, weights_obstacle
from visionlora.models.merge_weights import get_model_recipe
from visionlora.models.other_tasks import task_of
from visionlora.models.plain import plain_network
from visionlora.models.restore import TrainedModel, saved_thresholds
from visionlora.models.several_adapters import restore_adapters
from visionlora.models.sources import structure
from visionlora.text import counted, printable


@dataclass(frozen=True)
class Exported:
    """A network on its way into a file.

    Attributes:
        network: plain but for modules that cannot be merged, in eval mode, on the CPU.
        logits: the network; of one for segmentation, its maps of logits.
        about: names and WordNet ids of its outputs, and its preprocessing.
        recipe: the call that builds it.
        empty: the same network on the meta device.
    """

    network: nn.Module
    logits: nn.Module
    about: WeightsMetadata
    recipe: dict[str, Any]
    empty: Callable[[], nn.Module]


def export_adapter(options: ExportConfig, console: Console | None = None) -> Comparison | None:
    """Export the network with the adapter merged in, or beside its layers as modules where it cannot be
    merged; returns what the comparison gave.

    Beside the file NAME are ``NAME.json``, what is in it and how it compares, and for ONNX a program.
    With Core ML there is no comparison where the system is not macOS; that is said and written down.

    Raises:
        VisionLoraError: a package, an image or the adapter is missing, or the file does not compute what
            PyTorch computes; nothing is left then.
    """
    say = (console or Console()).print
    path = Path(options.output)
    suffix = path.suffix.lower()
    other_files.require_packages(suffix)
    # With its suffix: other exports of the network may lie beside it, and differ in what is in them.
    about_path, script_path = path.with_name(f"{path.name}.json"), path.with_suffix(".predict.py")
    for file in (path, about_path, *([script_path] if suffix == ".onnx" else [])):
        if not (file.is_dir() and suffix == ".mlpackage"):
            require_writable(file, "output")
    compared, words = comparison_images(options.images, options.adapters[0])
    calibrated: tuple[ImageFile, ...] = ()
    if options.precision == "int8":
        calibrated, source = calibration_images(options.calibration, options.adapters[0], compared)
        say(Text(f"int8: ranges from {counted(len(calibrated), 'image')} ({printable(source)})"))
    trained = restore_adapters(options.adapters, options.adapter_weights, 1.0, options.model, options.weights)
    obstacle = weights_obstacle(trained.network)
    if suffix == ".safetensors" and obstacle is not None:
        raise VisionLoraError(
            f"output: {options.adapters[0]} {obstacle}, and a file of weights does not hold that; give an "
            "output that ends in .pt2 or .onnx"
        )
    named = Named(options.adapters, options.adapter_weights, options.model, options.weights)
    instead = IN_PYTHON if obstacle is not None else named.command("merge", "merged.safetensors")
    exported = _plain(trained, instead)
    if exported.about.thresholds:  # an image has no one class that the most probable output could be
        compared = tuple(ImageFile(image.path) for image in compared)
    with _beside(path) as unfinished:
        try:
            run = _write(exported, unfinished, options, calibrated)
        except CannotExport as error:
            other = "" if suffix == ".pt2" else "try output=NAME.pt2, or "
            raise VisionLoraError(f"{error}; {other}use {instead}") from error
        found = None
        if run is None:
            say(Text("not compared with PyTorch: Core ML predicts only on macOS"))
        else:
            about = exported.about
            found = compare(
                exported.logits, run, batches(compared, about.preprocessing, options.preprocess),
                about.categories, about.wnids,
            )  # fmt: skip
            say(Text(f"compared on {printable(words)}: {found.in_words()}"))
            require_same(found, options.precision, options.preprocess)
    write_json(about_path, _record(exported, options, found, len(calibrated)), indent=1)
    if suffix == ".onnx":
        with replacing(script_path) as beside:
            script = onnx_script(
                path.name, exported.about.preprocessing, options.preprocess, bool(exported.about.thresholds)
            )
            beside.write_text(script, encoding="utf-8")
    if found is not None and found.notable():
        say(Text(f"WARNING: {options.precision} costs top-1; compare before you use it", style="yellow"))
    beside_it = f", {script_path.name} predicts with it" if suffix == ".onnx" else ""
    say(Text(f"{printable(path)}: {_size(path) / 2**20:.1f} MiB, {options.precision}{printable(beside_it)}"))
    return found


def _plain(trained: TrainedModel, instead: str) -> Exported:
    """The network as it is exported; `instead` is what takes one that gives no logits."""
    network = plain_network(trained.network)
    about = WeightsMetadata(
        trained.head.outputs, trained.wnids, trained.backbone.preprocessing, saved_thresholds(trained)
    )
    recipe = get_model_recipe(trained.backbone, network, len(about.categories))
    empty = partial(structure, trained.backbone.name, len(about.categories), trained.backbone.options)
    network.requires_grad_(False)
    return Exported(network, logits_of(trained.backbone.name, network, instead), about, recipe, empty)


def logits_of(name: str, network: nn.Module, instead: str) -> nn.Module:
    """The network as a map from a batch of images to logits.

    Args:
        name: of the network.
        network: plain.
        instead: what to use for one that is no such map.

    Raises:
        VisionLoraError: it is no such map.
    """
    task = task_of(name)
    if task in ("detection", "video"):
        raise VisionLoraError(
            f"model {name}: export compares logits of images, which a {task} network does not give; "
            f"use {instead}"
        )
    return Maps(network) if task == "segmentation" else network


def _write(
    exported: Exported, path: Path, options: ExportConfig, calibrated: tuple[ImageFile, ...]
) -> Runner | None:
    """Write the file and open it again; None where this system cannot run it."""
    network, preprocessing = exported.logits, exported.about.preprocessing
    suffix, texts = path.suffix.lower(), exported.about.as_text()
    if suffix == ".onnx":
        model = onnx_file.network_as_onnx(network, preprocessing, options.precision)
        if options.precision == "int8":
            inputs = (batch.normalised for batch in batches(calibrated, preprocessing, "none"))
            model = onnx_file.quantised(model, inputs, path.parent)
        if options.preprocess != "none":
            model = onnx_file.with_preprocessing(model, preprocessing, options.preprocess)
        onnx_file.save_onnx(model, path, texts)
        return onnx_file.open_onnx(path)
    half = options.precision == "float16"
    if suffix == ".safetensors":
        other_files.save_weights(exported.network, path, texts, exported.recipe, half)
        opened = exported.empty()
        other_files.fill_from(path, opened)
        return Maps(opened) if isinstance(network, Maps) else opened
    # Core ML has a precision of its own.
    precision = "float32" if suffix == ".mlpackage" else options.precision
    module, example = prepared(network, preprocessing, precision, options.preprocess)
    if suffix == ".pt2":
        other_files.save_program(module, example, path, texts)
        return other_files.open_program(path)
    if suffix == ".mlpackage":
        other_files.save_coreml(module, example, path, texts, half)
        return other_files.open_coreml(path)
    other_files.save_litert(module, example, path)
    return other_files.open_litert(path)


def _record(
    exported: Exported, options: ExportConfig, found: Comparison | None, calibrated: int
) -> dict[str, Any]:
    """What ``NAME.json`` holds."""
    return {
        "file": Path(options.output).name,
        **exported.recipe,
        "precision": options.precision,
        "preprocess": options.preprocess,
        "calibration_images": calibrated,
        "comparison": "not measured" if found is None else asdict(found),
        "classes": list(exported.about.categories),
        **({"thresholds": list(exported.about.thresholds)} if exported.about.thresholds else {}),
        "preprocessing": asdict(exported.about.preprocessing),
    }


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A path of the same name in a folder beside, which becomes ``path`` if the block ends well.

    Unlike :func:`visionlora.files.replacing` it keeps the suffix, which libraries look at, and may be a
    folder, as Core ML's packages are.
    """
    folder = path.parent / f".exporting-{secrets.token_hex(4)}"
    try:
        with reported(path, folder):
            folder.mkdir(parents=True)
            mode = touched(folder / "usual")
            unfinished = folder / path.name
            yield unfinished
            if unfinished.is_file():
                unfinished.chmod(mode)
            if path.is_dir():
                if path.suffix.lower() != ".mlpackage":
                    raise VisionLoraError(f"output: {path} is a folder; give the name of a file")
                shutil.rmtree(path)
            os.replace(unfinished, path)  # noqa: PTH105 - a package is a folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())
