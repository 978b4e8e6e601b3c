"""The average of the adapters along the way, and what is taken at the end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tests.conftest import Train, metrics_of
from visionlora.run_folder.state_file import read_state
from visionlora.training.weight_average import BestWeights, WeightAverage, weight_candidates


@pytest.fixture
def module() -> nn.Module:
    """One weight that is trained and one that is not."""
    module = nn.Linear(1, 1)
    module.bias.requires_grad_(False)
    return module


def step_to(average: WeightAverage, module: Any, step: int, value: float) -> None:
    module.weight.data.fill_(value)
    average.on_train_batch_end(SimpleNamespace(global_step=step), module)  # type: ignore[arg-type]


def test_the_average_covers_the_second_half(module: nn.Module) -> None:
    average = WeightAverage(after=2)
    for step, value in enumerate([9.0, 9.0, 1.0, 2.0, 6.0], start=1):
        step_to(average, module, step, value)
    assert {name: float(value) for name, value in average.mean().items()} == {"weight": 3.0}


def test_there_is_no_average_before_the_second_half(module: nn.Module) -> None:
    average = WeightAverage(after=2)
    step_to(average, module, 1, 1.0)
    assert average.mean() == {}


def test_the_average_continues_from_a_checkpoint_to_the_same_bytes(module: nn.Module, tmp_path: Path) -> None:
    whole, first, second = (WeightAverage(after=0) for _ in range(3))
    values = [0.1, 0.7, 0.3, 0.9]
    for step, value in enumerate(values, start=1):
        step_to(whole, module, step, value)
    for step, value in enumerate(values[:2], start=1):
        step_to(first, module, step, value)
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    for step, value in enumerate(values[2:], start=3):
        step_to(second, module, step, value)
    assert torch.equal(second.mean()["weight"], whole.mean()["weight"])


def test_halfway_is_the_mean_of_the_start_and_the_average(module: nn.Module, tmp_path: Path) -> None:
    average, resumed = WeightAverage(after=1, halfway=True), WeightAverage(after=1, halfway=True)
    module.weight.data.fill_(8.0)
    average.on_train_start(None, module)  # type: ignore[arg-type]
    for step, value in enumerate([9.0, 1.0, 3.0], start=1):
        step_to(average, module, step, value)
    assert {name: float(value) for name, value in average.mean().items()} == {"weight": 5.0}
    torch.save(average.state_dict(), tmp_path / "state")
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    resumed.on_train_start(None, module)  # type: ignore[arg-type]
    assert float(resumed.mean()["weight"]) == 5.0


@pytest.mark.parametrize(
    ("halfway", "images", "margin"), [(False, 4, 0.25), (True, 4, 0.5), (True, 100, 0.1)]
)
def test_what_is_rarely_bad_gives_way_to_clear_improvements_alone(
    halfway: bool, images: int, margin: float
) -> None:
    assert WeightAverage(after=0, halfway=halfway).margin(images) == margin


class Weights(nn.Module):
    """As much of a module as candidates are made of."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.network = module


@pytest.mark.parametrize(("averaged", "preferred"), [(0.4, "average"), (0.7, "average"), (0.8, "best")])
def test_the_average_is_preferred_unless_the_best_weights_are_better_by_more_than_one_image(
    module: nn.Module, averaged: float, preferred: str
) -> None:
    whole: Any = Weights(module)
    average = WeightAverage(after=0)
    whole.network.weight.data.fill_(5.0)
    average.on_train_batch_end(SimpleNamespace(global_step=1), whole)  # type: ignore[arg-type]
    whole.network.weight.data.fill_(3.0)
    best = {"network.weight": torch.tensor([[2.0]])}
    figures = {2.0: 0.5, 5.0: averaged}
    fitter: Any = SimpleNamespace(objective=lambda module: figures[module.network.weight.item()])
    candidates, objectives = weight_candidates(fitter, whole, best, average, validation_images=4)
    assert objectives == {"best": 0.5, "average": averaged}
    assert next(iter(candidates)) == preferred
    held = {name: state["weight"].item() for name, state in candidates.items()}
    assert held == {"best": 2.0, "average": 5.0, "last": 3.0}


def test_the_last_weights_are_no_candidate_of_their_own_where_they_are_the_best(module: nn.Module) -> None:
    fitter: Any = SimpleNamespace(objective=lambda module: 0.5)
    candidates, objectives = weight_candidates(fitter, Weights(module), {}, WeightAverage(0), 4)  # type: ignore[arg-type]
    assert list(candidates) == ["best"]
    assert objectives == {"best": 0.5, "average": None}


def test_a_run_records_which_weights_it_took(train: Train) -> None:
    left, folder = train("trainer.max_steps=8", "retention.budget=null")
    assert left.code == 0, left.err
    candidates = metrics_of(folder)["candidates"]
    better = candidates["average"] <= candidates["best"] + 1 / 6  # six validation images
    assert candidates["taken"] == ("average" if better else "best")
    assert ("average over the second half" in left.out) == (candidates["taken"] == "average")


def test_checkpoints_hold_the_average_so_far_and_the_best_weights(train: Train) -> None:
    _, folder = train("trainer.max_steps=8", "retention.budget=null", "trainer.validations=4")
    checkpoint = read_state(folder / "checkpoints" / "step-8.safetensors")
    average, best = (checkpoint["callbacks"][name] for name in ("WeightAverage", "BestWeights"))
    assert average["count"] == 4
    assert set(average["total"]) == set(checkpoint["trained"]) == set(best["weights"])
    assert all("lora_" in name for name in checkpoint["trained"])


def test_the_best_weights_are_those_of_the_smallest_objective(module: nn.Module) -> None:
    best = BestWeights()
    for value, objective in [(1.0, 0.5), (2.0, 0.3), (3.0, 0.3), (4.0, float("nan"))]:
        module.weight.data.fill_(value)
        best.on_validation_end(SimpleNamespace(callback_metrics={"val/objective": objective}), module)  # type: ignore[arg-type]
    again = BestWeights()
    again.load_state_dict(best.state_dict())
    assert again.objective == 0.3
    assert float(again.weights["weight"]) == 2.0
