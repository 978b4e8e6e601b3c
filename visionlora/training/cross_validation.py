"""Cross-validation: with too few images to set any aside, each reports in one of several runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape

from visionlora.data import scan
from visionlora.data.splits import dealt, stratified
from visionlora.evaluation.cross_validation import summarize_folds
from visionlora.place import place
from visionlora.processes import agreed
from visionlora.report.metrics_file import read_metrics
from visionlora.run_folder.folder import RunFolder, shared
from visionlora.signals import StopRequest
from visionlora.text import counted
from visionlora.training.config import read_config
from visionlora.training.run import run


def run_folds(config: DictConfig, folder: RunFolder, stop: StopRequest) -> None:
    """Train once without each of ``data.folds`` parts of the images, then once with all of them.

    Train and val images are divided together. Each fold's run is in ``folds/N``. It reports on the part that
    it neither trains on nor chooses with: its validation images are ``data.val_fraction`` of the rest. The
    last run, in ``folder`` itself, has the adapter, and ``folds`` in its ``metrics.json`` holds the results
    of the others. Its own figures are on images that it was trained on.

    Those that are finished already are not repeated.

    Raises:
        VisionLoraError: there are too few images of a class.
        Stopped: a signal ended it; it can be continued.
    """
    data = read_config(config).data
    assert data.folds is not None
    whole = scan(data.root, class_name=data.class_name, val_fraction=data.val_fraction, seed=config.seed)
    images = (*whole.train, *whole.val)
    console = Console()
    found: list[dict[str, Any]] = []
    for number, (rest, unseen) in enumerate(dealt(images, whole.root, data.folds, config.seed), start=1):
        train, val = stratified(rest, whole.root, data.val_fraction, config.seed)
        console.rule(
            escape(
                f"fold {number} of {data.folds}: {counted(len(train), 'image')} to learn from, "
                f"{len(val)} to choose with, {len(unseen)} unseen"
            )
        )
        split = "made" if val else "none"
        part = replace(whole, train=tuple(train), val=tuple(val), test=tuple(unseen), split=split)
        first = place().first  # it alone writes, and knows what was finished before
        fold = shared(folder.part(f"folds/{number}", config) if first else None, config)
        if not agreed(fold.finished):
            run(config, fold, stop, part)
        found.append(agreed(read_metrics(fold.path / "metrics.json") if first else {}))
    console.rule(escape(f"all {len(images)} images"))
    everything = replace(whole, train=images, val=images)
    run(config, folder, stop, everything, summarize_folds(found, len(images)))
