"""Predictions for image files, a batch at a time, so that a folder of any size fits."""

from __future__ import annotations

import csv
import glob
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import torch
from rich.console import Console
from rich.markup import escape
from torch import Tensor, nn

from visionlora.adapters import adapters_off, merged
from visionlora.data import BadImage, ImageCache, ImageFile, Normalise, evaluation_transform, scan_images
from visionlora.device import choose_device
from visionlora.errors import VisionLoraError
from visionlora.evaluation.config import PredictConfig
from visionlora.files import replacing
from visionlora.models.restore import TrainedModel, restore
from visionlora.report.sheet import PredictionRow, before_after_sheet
from visionlora.report.tables import predictions_table, show
from visionlora.tasks.single_label import Prediction, decode

SHOWN = 50
"""Rows of the table on the terminal, and images on a sheet; an output file takes all of them."""


@dataclass(frozen=True)
class ImagePrediction:
    """The prediction for one image, or why it could not be read.

    Attributes:
        path: of the image.
        now: the adapted network's.
        before: the frozen network's; None unless it was asked for.
        error: why the image could not be read.
    """

    path: Path
    now: Prediction
    before: Prediction | None = None
    error: str | None = None


def predict_images(options: PredictConfig, console: Console | None = None) -> int:
    """Predict every image, show the first ones, write all of them where a file is asked for.

    Returns:
        How many images could not be read; they are reported and the rest goes on.
    """
    images = find_images(options.images)
    restored = restore(options.adapter, options.model, options.weights)
    console = console or Console()
    shown: list[ImagePrediction] = []
    count = broken = 0
    with ExitStack() as stack:
        writer = _Writer(stack.enter_context(replacing(options.output)), options) if options.output else None
        if writer:
            stack.callback(writer.close)
        for prediction in predict_files(restored, images, options):
            count += 1
            broken += prediction.error is not None
            if writer:
                writer.write(prediction)
            if len(shown) < SHOWN:
                shown.append(prediction)
    show(predictions_table([_row(one) for one in shown if one.error is None]), console)
    for one in (one for one in shown if one.error is not None):
        said = escape(f"{one.path}: {one.error}")
        console.print(f"[red]not read[/red] {said}", highlight=False)
    _say_totals(console, options, count, len(shown), broken)
    if options.sheet:
        with_sheet = [_row(one) for one in shown if one.error is None]
        before_after_sheet(with_sheet, Path(options.sheet), compare=options.compare)
    return broken


def find_images(images: str) -> tuple[ImageFile, ...]:
    """The images that ``images`` names: a file, a folder (at any depth) or a glob.

    Raises:
        VisionLoraError: it names none.
    """
    path = Path(images)
    if path.is_dir():
        return scan_images([path])
    if path.is_file():
        return (ImageFile(path, None),)
    # pathlib globs relative to a folder; this one may be absolute, and reaches through symbolic links.
    found = sorted(name for name in glob.glob(images, recursive=True) if Path(name).is_file())  # noqa: PTH207
    if not found:
        raise VisionLoraError(
            f"images: nothing matches {images}; give an image, a folder, or a glob in quotes"
        )
    return tuple(ImageFile(Path(name), None) for name in found)


def predict_files(
    restored: TrainedModel, images: Sequence[ImageFile], options: PredictConfig
) -> Iterator[ImagePrediction]:
    """A prediction for each image, in their order; only a batch at a time is in memory."""
    preprocessing = restored.backbone.preprocessing
    transform, normalise = (
        evaluation_transform(preprocessing),
        Normalise(preprocessing.mean, preprocessing.std),
    )
    cache = ImageCache(0, preprocessing.resize, preprocessing.interpolation)
    network = restored.network.to(choose_device("auto"))

    def attempt(image: ImageFile) -> Tensor | BadImage:
        try:
            return transform(cache.read(image.path))
        except BadImage as error:
            return error

    remaining = iter(images)
    with ThreadPoolExecutor() as threads, merged(network) if options.merged else nullcontext():
        while batch := list(islice(remaining, options.batch_size)):
            decoded = list(threads.map(attempt, batch))
            readable = [pixels for pixels in decoded if isinstance(pixels, Tensor)]
            predicted = iter(
                _predict_batch(network, normalise(readable), restored, options) if readable else ()
            )
            for image, pixels in zip(batch, decoded, strict=True):
                if isinstance(pixels, BadImage):
                    yield ImagePrediction(image.path, [], error=pixels.reason)
                else:
                    now, before = next(predicted)
                    yield ImagePrediction(image.path, now, before)


@torch.inference_mode()
def _predict_batch(
    network: nn.Module, images: Tensor, restored: TrainedModel, options: PredictConfig
) -> list[tuple[Prediction, Prediction | None]]:
    images = images.to(next(network.parameters()).device)
    now = decode(network(images), restored.head.outputs, options.top_k)
    if not options.compare or restored.head.kind == "new":
        return [(one, None) for one in now]
    with adapters_off(network):
        logits = network(images)
    # The frozen network has no outputs for the classes that were added to its head.
    known = restored.head.outputs[: len(restored.backbone.categories)]
    return list(zip(now, decode(logits[:, : len(known)], known, options.top_k), strict=True))


def _row(prediction: ImagePrediction) -> PredictionRow:
    return PredictionRow(path=prediction.path, truth=None, before=prediction.before, after=prediction.now)


def _say_totals(console: Console, options: PredictConfig, count: int, shown: int, broken: int) -> None:
    if count > shown:
        console.print(
            f"and {count - shown} more images" + ("" if options.output else "; output=NAME.csv takes all")
        )
    if broken:
        console.print(f"[red]{broken} of {count} images could not be read[/red]")
    if options.output:
        console.print(f"written to {options.output}")


class _Writer:
    """One line an image, CSV or JSON lines."""

    def __init__(self, path: Path, options: PredictConfig) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="")
        self._csv: Any = None
        if str(options.output).lower().endswith(".csv"):
            self._csv = csv.writer(self._file)
            ranks = range(1, options.top_k + 1)
            now = [part for rank in ranks for part in (f"name_{rank}", f"probability_{rank}")]
            before = ["before_name", "before_probability"] if options.compare else []
            self._csv.writerow(["path", *now, *before, "error"])
        self._options = options

    def write(self, one: ImagePrediction) -> None:
        """Append one image."""
        if self._csv is None:
            record: dict[str, Any] = {"path": str(one.path), "predictions": _records(one.now)}
            if self._options.compare:
                record["before"] = _records(one.before or [])
            if one.error is not None:
                record["error"] = one.error
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            return
        now = [part for pair in one.now for part in pair]
        now += [""] * (2 * self._options.top_k - len(now))
        before = list(one.before[0]) if one.before else ["", ""]
        self._csv.writerow([one.path, *now, *(before if self._options.compare else []), one.error or ""])

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _records(prediction: Prediction) -> list[dict[str, Any]]:
    return [{"name": name, "probability": round(value, 6)} for name, value in prediction]
