"""The whole job on an accelerator.

``test_accelerator.py`` runs this file on an imitated one, in a process of its own; ``make gpu`` on a real one
(``VISIONLORA_TEST_DEVICE=cuda python -m pytest tests/accelerator/on_device.py``). A tensor that is on another
device than those that it is computed with ends a run on either.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.accelerator import imitation
from tests.conftest import *  # noqa: F403 - the fixtures
from tests.conftest import Command, Train, metrics_of
from visionlora.device import READING_INTERVAL, choose_device
from visionlora.training.trainer import Fitter

REAL_DEVICE = os.environ.get("VISIONLORA_TEST_DEVICE")
DEVICE = torch.device(REAL_DEVICE) if REAL_DEVICE else imitation.register()
# By default cuDNN rounds what it multiplies to TF32: 10 bits of float32's 23.
torch.backends.cudnn.allow_tf32 = False
SHORT = (
    "retention.inverted=0", "trainer.patience=null", "trainer.kernel=rule", "lora.targets=last:4",
    "cache.features=false",
)  # fmt: skip


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Drawing figures takes longer than these runs; one test draws them."""
    if "figures" not in request.node.name:
        monkeypatch.setattr("visionlora.training.run.write_outputs", lambda *arguments: None)


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_auto_is_the_accelerator_and_it_can_be_named() -> None:
    assert choose_device("auto").type == choose_device("gpu").type == DEVICE.type
    assert choose_device(DEVICE.type).type == DEVICE.type
    assert choose_device("cpu").type == "cpu"


@pytest.mark.usefixtures("figures")
def test_the_run_with_its_figures_then_predict_and_evaluate(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    # 64 generated anchors: some are held out, and the strength is chosen on them.
    left, folder = train(*SHORT, "retention.generated=64", f"contrast.root={images.parent / 'others'}")
    assert left.code == 0, left.err
    assert "trainer.kernel=rule is for the CPU" in left.out
    assert len(metrics_of(folder)["strength"]["curve"]) > 2
    predicted = command(
        "predict", f"adapter={folder}", f"images={images}", "compare=true", "output=names.jsonl"
    )
    assert predicted.code == 0, predicted.err
    assert len((tmp_path / "names.jsonl").read_text().splitlines()) == 16
    evaluated = command(
        "evaluate", f"adapter={folder}", f"data.root={images}", f"retention.root={images / 'val'}",
        "output=figures.json",
    )  # fmt: skip
    assert evaluated.code == 0, evaluated.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["top1"] == pytest.approx(metrics_of(folder)["after"]["val/top1"])


@pytest.mark.parametrize("features", [pytest.param("false", marks=pytest.mark.slow), "true"])
def test_the_adapter_is_the_one_of_the_cpu(train: Train, tmp_path: Path, features: str) -> None:
    found = {}
    for accelerator in ("cpu", DEVICE.type if REAL_DEVICE else "auto"):
        left, folder = train(*SHORT, f"cache.features={features}", f"trainer.accelerator={accelerator}")
        assert left.code == 0, left.err
        found[accelerator] = adapter(folder.rename(tmp_path / accelerator))
    expected, other = found.values()
    assert any(value.any() for name, value in expected.items() if "lora_B" in name)
    for name, value in expected.items():
        assert (other[name] - value).norm() <= 0.05 * value.norm() + 1e-5, name


def test_a_run_continues_from_its_checkpoint(train: Train, command: Command) -> None:
    left, folder = train(*SHORT, "trainer.max_steps=3")
    assert left.code == 0, left.err
    left = command("train", f"resume={folder}", "resume.force=true", "trainer.max_steps=6")
    assert left.code == 0, left.err
    assert "continues after step 3 of 6" in left.out
    assert any(value.any() for name, value in adapter(folder).items() if "lora_B" in name)


def test_the_network_stays_on_the_device_after_every_fit(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, where = Fitter.fit, []

    def watched(fitter: Fitter, trainer: Any, module: nn.Module, *more: Any) -> bool:
        result = fit(fitter, trainer, module, *more)
        where.append({parameter.device.type for parameter in module.parameters()})
        return result

    monkeypatch.setattr(Fitter, "fit", watched)
    left, _ = train(*SHORT, "optimizer.lr=auto", "trainer.max_steps=1", "trainer.validations=1")
    assert left.code == 0, left.err
    assert where == [{DEVICE.type}] * 6  # five trials and the run


@pytest.mark.skipif(REAL_DEVICE is not None, reason="only the imitated device counts who waits for it")
def test_a_training_step_between_two_readings_never_waits_for_the_device(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step: dict[int, dict[str, int]] = {}

    class Watch(lightning.Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            at_step[trainer.global_step] = dict(imitation.waits)

    make = Fitter.trainer

    def with_watch(
        fitter: Fitter, steps: int, validations: int = 1, logger: Any = None, callbacks: Any = ()
    ) -> Any:
        return make(fitter, steps, validations, logger, [*callbacks, Watch()] if logger else [])

    monkeypatch.setattr(Fitter, "trainer", with_watch)
    left, _ = train(
        *SHORT, "trainer.max_steps=21", "trainer.validations=1", "model.dropout=true", "trainer.progress=true"
    )
    assert left.code == 0, left.err
    assert imitation.waits, "nothing was counted at all: the imitation has lost sight of the reads"
    for step in range(1, 20):  # the first batch is drawn for TensorBoard
        if (step + 1) % READING_INTERVAL:
            before, after = at_step[step], at_step[step + 1]
            new = {line: count - before.get(line, 0) for line, count in after.items()}
            assert not any(new.values()), (step, {line: count for line, count in new.items() if count})
