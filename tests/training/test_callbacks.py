"""What a run shows on a terminal and elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console
from torch import nn

from tests.training.test_module import loaders, module_of, trainer
from visionlora.adapters import adapter_parameters
from visionlora.training.callbacks import ProgressLines, progress


@pytest.mark.parametrize(("terminal", "width"), [(True, 40), (True, 80), (True, 120), (False, 120)])
def test_progress_counts_optimizer_steps_across_epochs(
    network: nn.Module, images: Path, tmp_path: Path, terminal: bool, width: int
) -> None:
    output = io.StringIO()
    shown = progress(Console(file=output, force_terminal=terminal, width=width), 7)
    fit = trainer(tmp_path, 8)  # an epoch has 3 batches
    fit.callbacks.append(shown)
    fit.fit(module_of(network, images, 8), *loaders(images))
    text = output.getvalue()
    assert ("step 8 of 8" in text) if terminal else ("step    8 of 8: training loss" in text)
    assert all(word in text for word in ("validation", "top-1", "(7", "images)", "left"))
    assert "…" not in text
    assert "Epoch" not in text and "v_num" not in text


def test_the_time_left_does_not_count_the_first_step_which_tries_kernels() -> None:
    output, seconds = io.StringIO(), [0.0]
    lines = ProgressLines(Console(file=output, width=120), 0, clock=lambda: seconds[0])
    fit: Any = SimpleNamespace(
        global_step=0, max_steps=100, val_check_interval=50, num_val_batches=0, callback_metrics={}
    )
    for step, long in enumerate((60.0, *49 * [1.0]), 1):
        seconds[0], fit.global_step = seconds[0] + long, step
        lines.on_train_batch_end(fit, cast(Any, None))
    first, last = output.getvalue().splitlines()
    assert first.startswith("step    6 of 100") and first.endswith("about 2 min left")
    assert last.startswith("step   50 of 100") and last.endswith("about 50 s left")


def test_the_progress_bar_stops_when_training_fails(network: nn.Module, images: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    fit = trainer(tmp_path, 8)
    fit.callbacks.append(progress(console, 7))
    with pytest.raises(Exception, match="loss is nan"):
        module = module_of(network, images, 8)
        next(adapter_parameters(network)).data.fill_(float("nan"))
        fit.fit(module, *loaders(images))
    with console.status("another live display can start"):
        pass
