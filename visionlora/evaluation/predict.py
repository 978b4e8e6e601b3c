"""Predictions for image files, a batch at a time, so that a folder of any size fits."""

from __future__ import annotations

import csv
import glob
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import torch
from rich.console import Console
from rich.text import Text
from torch import Tensor, nn

from visionlora.adapters import adapters_off, merged
from visionlora.data import BadImage, ImageCache, ImageFile, Normalise, evaluation_transform, scan_images
from visionlora.data.walk import watched
from visionlora.device import choose_device
from visionlora.errors import VisionLoraError
from visionlora.evaluation.config import PredictConfig
from visionlora.evaluation.mirrored import Mirrored
from visionlora.files import json_text, replacing, require_all_writable
from visionlora.memory import computed
from visionlora.models.restore import TrainedModel
from visionlora.models.several import restore_adapters
from visionlora.place import place
from visionlora.processes import gather
from visionlora.report.progress import progress
from visionlora.report.sheet import PredictionRow, before_after_sheet
from visionlora.report.tables import predictions_table, show
from visionlora.signals import StopRequest, stoppable
from visionlora.tasks.single_label import Prediction, decode
from visionlora.text import csv_safe, printable

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

    Raises:
        VisionLoraError: there is no image or adapter, or an output file cannot be written; before any work.
        Stopped: a signal ended it; what was predicted until then is shown and written.
    """
    with stoppable() as stop:
        with progress(Console(stderr=True), "looking for images", "files") as advance, watched(advance):
            images = find_images(options.images)
        require_all_writable(output=options.output, sheet=options.sheet)
        restored = restore_adapters(
            options.adapters, options.adapter_weights, options.strength, options.model, options.weights
        )
        if restored.backbone.notice is not None:
            (console or Console()).print(Text(printable(restored.backbone.notice)))
        with stop.deferred():
            return _predict(options, images, restored, console or Console(), stop)


def _predict(
    options: PredictConfig,
    images: Sequence[ImageFile],
    restored: TrainedModel,
    console: Console,
    stop: StopRequest,
) -> int:
    """Predict, show and write, up to a signal; returns how many images could not be read."""
    shown: list[ImagePrediction] = []
    broken: list[ImagePrediction] = []
    count = 0
    with ExitStack() as stack:
        writer = None
        if options.output:
            path = stack.enter_context(replacing(options.output))
            writer = _Writer(path, Path(options.output).suffix.lower(), options.top_k, options.compare)
            stack.callback(writer.close)
        advance = stack.enter_context(progress(Console(stderr=True), "predicting"))
        for prediction in predict_files(
            restored, images, options.top_k, options.batch_size, options.compare, options.merged,
            options.mirrored,
        ):  # fmt: skip
            count += 1
            if writer:
                writer.write(prediction)
            if prediction.error is not None:
                broken.append(prediction)
            elif len(shown) < SHOWN:
                shown.append(prediction)
            advance(count, len(images))
            if stop.number is not None:
                break
    rows = [_row(prediction) for prediction in shown]
    show(predictions_table(rows), console)
    _say_totals(console, options.output, count - len(broken), len(shown))
    if count < len(images):
        console.print(Text(f"stopped after {count:,} of {len(images):,} images"))
    _name_broken(broken, count)
    if options.sheet:
        before_after_sheet(rows, Path(options.sheet), compare=options.compare, total=count - len(broken))
    return len(broken)


def find_images(images: str) -> tuple[ImageFile, ...]:
    """The images that ``images`` names: a file, a folder (at any depth) or a glob.

    Raises:
        VisionLoraError: it names none.
    """
    path = Path(images)
    try:
        if path.is_dir():
            return scan_images([path])
        if path.is_file():
            return (ImageFile(path, None),)
    except OSError as error:
        raise VisionLoraError(f"images: {images}: {error.strerror}; give another path") from error
    # pathlib globs relative to a folder; this one may be absolute, and reaches through symbolic links.
    found = sorted(name for name in glob.glob(images, recursive=True) if Path(name).is_file())  # noqa: PTH207
    if not found:
        raise VisionLoraError(
            f"images: nothing matches {images}; give an image, a folder, or a glob in quotes"
        )
    return tuple(ImageFile(Path(name), None) for name in found)


def predict_files(
    restored: TrainedModel,
    images: Sequence[ImageFile],
    top: int,
    batch_size: int = 16,
    compare: bool = False,
    merge: bool = True,
    mirrored: bool = False,
) -> Iterator[ImagePrediction]:
    """A prediction for each image, in their order; only a batch at a time is in memory.

    Several processes take a batch each in turn, and all of them yield every prediction.

    Args:
        restored: the adapted network.
        images: which images.
        top: classes of each prediction.
        batch_size: images in a batch.
        compare: whether the frozen network predicts too.
        merge: whether the adapter is merged into the weights meanwhile.
        mirrored: whether the mean over each image and its mirror image is taken.
    """
    preprocessing = restored.backbone.preprocessing
    transform, normalise = (
        evaluation_transform(preprocessing),
        Normalise(preprocessing.mean, preprocessing.std),
    )
    cache = ImageCache(0, preprocessing.resize, preprocessing.interpolation)
    network = restored.network.to(choose_device("auto"))
    predictor = Mirrored(network) if mirrored else network

    def attempt(image: ImageFile) -> Tensor | BadImage:
        try:
            return transform(cache.read(image.path))
        except BadImage as error:
            return error

    def of_batch(batch: Sequence[ImageFile]) -> Iterator[ImagePrediction]:
        decoded = list(threads.map(attempt, batch))
        readable = [pixels for pixels in decoded if isinstance(pixels, Tensor)]
        predicted = iter(
            _predict_batch(restored, predictor, normalise(readable), top, compare) if readable else ()
        )
        for image, pixels in zip(batch, decoded, strict=True):
            if isinstance(pixels, BadImage):
                yield ImagePrediction(image.path, [], error=pixels.reason)
            else:
                now, before = next(predicted)
                yield ImagePrediction(image.path, now, before)

    here, remaining = place(), iter(images)
    with ThreadPoolExecutor() as threads, merged(network) if merge else nullcontext():
        while batches := list(islice(remaining, batch_size * here.count)):
            first = batch_size * here.rank
            for part in gather(list(of_batch(batches[first : first + batch_size]))):
                yield from part


@torch.inference_mode()
def _predict_batch(
    restored: TrainedModel, predictor: nn.Module, images: Tensor, top: int, compare: bool
) -> list[tuple[Prediction, Prediction | None]]:
    images = images.to(next(predictor.parameters()).device)
    now = decode(computed(predictor, images), restored.head.outputs, top)
    if not compare or restored.head.kind == "new":
        return [(one, None) for one in now]
    with adapters_off(restored.network):
        logits = computed(predictor, images)
    # The frozen network has no outputs for the classes that were added to its head.
    known = restored.head.outputs[: len(restored.backbone.categories)]
    return list(zip(now, decode(logits[:, : len(known)], known, top), strict=True))


def _row(prediction: ImagePrediction) -> PredictionRow:
    return PredictionRow(path=prediction.path, truth=None, before=prediction.before, after=prediction.now)


def _say_totals(console: Console, output: str | None, readable: int, shown: int) -> None:
    if readable > shown:
        hint = "" if output else "; output=NAME.csv takes all"
        console.print(Text(f"and {readable - shown:,} more images{hint}"))
    if output:
        console.print(Text(f"written to {printable(output)}"))


def _name_broken(broken: Sequence[ImagePrediction], count: int) -> None:
    """Every image that could not be read on standard error, one line each, and how many of all there are."""
    for prediction in broken:
        print(printable(f"not read: {prediction.path}: {prediction.error}"), file=sys.stderr)
    if broken:
        print(f"{len(broken)} of {count} images could not be read", file=sys.stderr)


class _Writer:
    """One record an image, as CSV or JSON lines.

    JSON lines keep every name exactly: ``json.loads`` gives back the bytes that are not UTF-8 too, as
    ``os.fsencode`` wants them. CSV is for spreadsheets, so its texts are :func:`csv_safe`.
    """

    def __init__(self, path: Path, suffix: str, top: int, compare: bool) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="")
        self._csv: Any = None
        if suffix == ".csv":
            self._csv = csv.writer(self._file)
            ranks = range(1, top + 1)
            now = [part for rank in ranks for part in (f"name_{rank}", f"probability_{rank}")]
            before = ["before_name", "before_probability"] if compare else []
            self._csv.writerow(["path", *now, *before, "error"])
        self._top = top
        self._compare = compare

    def write(self, one: ImagePrediction) -> None:
        """Append one image."""
        if self._csv is None:
            record: dict[str, Any] = {"path": str(one.path), "predictions": _records(one.now)}
            if self._compare:
                record["before"] = _records(one.before or [])
            if one.error is not None:
                record["error"] = one.error
            self._file.write(json_text(record) + "\n")
            return
        now = [part for pair in one.now for part in pair]
        now += [""] * (2 * self._top - len(now))
        before = list(one.before[0]) if one.before else ["", ""]
        cells = [str(one.path), *now, *(before if self._compare else []), one.error or ""]
        self._csv.writerow(map(csv_safe, cells))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _records(prediction: Prediction) -> list[dict[str, Any]]:
    return [{"name": name, "probability": round(value, 6)} for name, value in prediction]
