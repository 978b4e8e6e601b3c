"""Predictions for image files, a batch at a time, so that a folder of any size fits."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text
from torch import Tensor, nn

from visionlora.adapters import adapters_off, merged
from visionlora.data import BadImage, ImageCache, ImageFile, Normalise, evaluation_transform, scan_images
from visionlora.data.files.archive import is_archive
from visionlora.data.files.formats import TABLE_SUFFIXES
from visionlora.data.files.root import as_written, close_to
from visionlora.data.files.walk import watched
from visionlora.device import choose_device
from visionlora.errors import VisionLoraError, about
from visionlora.evaluation.config import PredictConfig
from visionlora.evaluation.mirrored import Mirrored
from visionlora.evaluation.prediction_file import ImagePrediction, PredictionWriter
from visionlora.evaluation.predictions import require_numbers
from visionlora.files import replacing, require_all_writable
from visionlora.memory import computed
from visionlora.models.restore import TrainedModel
from visionlora.models.several_adapters import restore_adapters
from visionlora.plain_table import show
from visionlora.processes import gather
from visionlora.report.progress import progress
from visionlora.report.sheet import PredictionRow, before_after_sheet
from visionlora.report.tables import predictions_table
from visionlora.signals import StopRequest, stoppable
from visionlora.tasks.base import Prediction, Task
from visionlora.tasks.choose import task_of
from visionlora.tasks.multi_label import MultiLabel
from visionlora.terminal import show_on_stderr
from visionlora.text import counted, printable
from visionlora.this_process import this_process

SHOWN = 50
"""Rows of the table on the terminal, and images on a sheet; an output file takes all of them."""
_TABLES = (*TABLE_SUFFIXES, ".xlsx", ".parquet")


def predict_images(options: PredictConfig) -> int:
    """Predict every image, show the first ones, write all of them where a file is asked for.

    Returns:
        How many images could not be read; they are reported and the rest goes on.

    Raises:
        VisionLoraError: there is no image or adapter, or an output file cannot be written; before any work.
        Stopped: a signal ended it; what was predicted until then is shown and written.
    """
    console = Console()
    with stoppable() as stop:
        with progress(Console(stderr=True), "looking for images", "files") as advance, watched(advance):
            images = find_images(options.images)
        require_all_writable(output=options.output, sheet=options.sheet)
        restored = restore_adapters(
            options.adapters, options.adapter_weights, options.strength, options.model, options.weights
        )
        if restored.backbone.notice is not None:
            console.print(Text(printable(restored.backbone.notice)))
        task = task_of(restored)
        if isinstance(task, MultiLabel):
            words = "every label above its threshold is given, however many (top_k does not apply)"
            if not restored.about.get("thresholds"):
                words += "; no thresholds were chosen in training, so all are 0.5"
            console.print(Text(words))
        if options.compare and restored.head.kind == "new":
            words = "compare: with a new head the frozen network has none of these classes; it is not shown"
            console.print(Text(words))
        with stop.deferred():
            return _predict(options, images, restored, console, stop)


def _predict(
    options: PredictConfig,
    images: Sequence[ImageFile],
    restored: TrainedModel,
    console: Console,
    stop: StopRequest,
) -> int:
    """Predict, show and write, up to a signal; returns how many images could not be read."""
    task = task_of(restored)
    several = isinstance(task, MultiLabel)
    shown: list[ImagePrediction] = []
    broken: list[ImagePrediction] = []
    count = 0
    with ExitStack() as stack:
        writer = None
        if options.output:
            path = stack.enter_context(replacing(options.output))
            top = None if several else options.top_k
            writer = PredictionWriter(path, Path(options.output).suffix.lower(), top, options.compare)
            stack.callback(writer.close)
        advance = stack.enter_context(progress(Console(stderr=True), "predicting"))
        for prediction in _predict_files(restored, images, options):
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
    if rows:
        show(predictions_table(rows, several, console.width), console)
    _say_totals(console, options.output, count - len(broken), len(shown))
    if count < len(images):
        console.print(Text(f"stopped after {count:,} of {counted(len(images), 'image')}"))
    _name_broken(broken, count)
    if options.sheet:
        before_after_sheet(rows, Path(options.sheet), compare=options.compare, total=count - len(broken))
    return len(broken)


def find_images(images: str, key: str = "images") -> tuple[ImageFile, ...]:
    """The images that ``images`` names: a file, a folder (at any depth), an archive or a glob.

    Args:
        images: as the user wrote it.
        key: the option that it was given as, for errors.

    Raises:
        VisionLoraError: it names none.
    """
    path = as_written(images)
    try:
        if path.is_dir() or is_archive(path):
            with about(key):
                return scan_images([path])
        if path.is_file():
            if path.suffix.casefold() in _TABLES:
                raise VisionLoraError(
                    f"{key}: {images} is a table or a list; give the folder with the images, or a glob"
                )
            return (ImageFile(path, None),)
    except OSError as error:
        raise VisionLoraError(f"{key}: {images}: {error.strerror}; give another path") from error
    # pathlib globs relative to a folder; this one may be absolute, and reaches through symbolic links.
    pattern = _folders_verbatim(images)
    found = sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207
    if not found:
        close = None if glob.has_magic(images) else close_to(path)
        hint = f"did you mean {close}?" if close else "give an image, a folder, or a glob in quotes"
        if "," in images and as_written(images.strip("[]").partition(",")[0]).exists():
            hint = "give one path: a folder of these images, or a glob in quotes that matches all of them"
        raise VisionLoraError(f"{key}: nothing matches {images}; {hint}")
    return tuple(ImageFile(Path(name), None) for name in found)


def _folders_verbatim(pattern: str) -> str:
    """A glob whose first folders, as far as they exist, are names: ``pics [1]/*.jpg``."""
    parts = Path(pattern).parts
    folders = (Path(*parts[:count]) for count in range(len(parts) - 1, 0, -1))
    folder = next((one for one in folders if one.is_dir()), None)
    if folder is None:
        return pattern
    return str(Path(glob.escape(str(folder)), *parts[len(folder.parts) :]))


def _predict_files(
    restored: TrainedModel, images: Sequence[ImageFile], options: PredictConfig
) -> Iterator[ImagePrediction]:
    """A prediction for each image, in their order; only a batch at a time is in memory.

    Several processes take a batch each in turn, and all of them yield every prediction.
    """
    preprocessing = restored.backbone.preprocessing
    transform, normalise = (
        evaluation_transform(preprocessing),
        Normalise(preprocessing.mean, preprocessing.std),
    )
    cache = ImageCache(0, preprocessing.resize, preprocessing.interpolation)
    task, network = task_of(restored), restored.network.to(choose_device("auto"))
    predictor = Mirrored(network, task) if options.mirrored else network
    top, compare = options.top_k, options.compare

    def attempt(image: ImageFile) -> Tensor | BadImage:
        try:
            return transform(cache.read(image.path))
        except BadImage as error:
            return error

    def of_batch(batch: Sequence[ImageFile]) -> Iterator[ImagePrediction]:
        decoded = list(threads.map(attempt, batch))
        readable = [pixels for pixels in decoded if isinstance(pixels, Tensor)]
        predicted = iter(
            _predict_batch(restored, task, predictor, normalise(readable), top, compare) if readable else ()
        )
        for image, pixels in zip(batch, decoded, strict=True):
            if isinstance(pixels, BadImage):
                yield ImagePrediction(image.path, [], error=pixels.reason)
            else:
                now, before, shown = next(predicted)
                yield ImagePrediction(image.path, now, before, shown=shown)

    here, remaining = this_process(), iter(images)
    size = options.batch_size
    with ThreadPoolExecutor() as threads, merged(network) if options.merged else nullcontext():
        while batches := list(islice(remaining, size * here.count)):
            first = size * here.rank
            for part in gather(list(of_batch(batches[first : first + size]))):
                yield from part


@torch.inference_mode()
def _predict_batch(
    restored: TrainedModel, task: Task, predictor: nn.Module, images: Tensor, top: int, compare: bool
) -> list[tuple[Prediction, Prediction | None, Prediction]]:
    """For each image the adapted network's prediction, the frozen one's, and what a table shows."""
    images = images.to(next(predictor.parameters()).device)
    logits = require_numbers(computed(predictor, images))
    now = task.decode(logits, restored.head.outputs, top)
    shown = task.shown(logits, restored.head.outputs, top)
    if not compare or restored.head.kind == "new":
        return [(one, None, row) for one, row in zip(now, shown, strict=True)]
    with adapters_off(restored.network):
        logits = require_numbers(computed(predictor, images))
    # The frozen network has no outputs for the classes that were added to its head.
    known = restored.head.outputs[: len(restored.backbone.categories)]
    return list(zip(now, task.decode(logits[:, : len(known)], known, top), shown, strict=True))


def _row(prediction: ImagePrediction) -> PredictionRow:
    return PredictionRow(path=prediction.path, truth=None, before=prediction.before, after=prediction.shown)


def _say_totals(console: Console, output: str | None, readable: int, shown: int) -> None:
    if readable > shown:
        hint = "" if output else "; output=NAME.csv takes all"
        console.print(Text(f"and {counted(readable - shown, 'more image')}{hint}"))
    if output:
        console.print(Text(f"written to {printable(output)}"))


def _name_broken(broken: Sequence[ImagePrediction], count: int) -> None:
    """Every image that could not be read on standard error, one line each, and how many of all there are."""
    for prediction in broken:
        show_on_stderr(printable(f"not read: {prediction.path}: {prediction.error}"))
    if broken:
        show_on_stderr(f"{len(broken):,} of {counted(count, 'image')} could not be read")
