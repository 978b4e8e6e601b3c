"""What a run is doing now can be read from its folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch

from visionlora.files import read_json
from visionlora.run_folder.names import STATUS
from visionlora.run_folder.status import POINTS, Status
from visionlora.tasks.choose import predicted_names
from visionlora.tasks.single_label import SingleLabel

SAID = partial(predicted_names, SingleLabel(), outputs=["cat", "dog"])


def a_trainer(step: int, of: int = 1000, **figures: float) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=of, callback_metrics=figures)


MODULE = SimpleNamespace(device=torch.device("cpu"))


def test_a_phase_is_told_at_once(tmp_path: Path) -> None:
    Status(tmp_path, [], SAID).enter("teacher")
    assert read_json(tmp_path / STATUS)["phase"] == "teacher"


def test_what_the_network_says_of_each_image_before_and_now_is_told(tmp_path: Path) -> None:
    status = Status(tmp_path, [tmp_path / "a.png", tmp_path / "b.png"], SAID)
    labels = torch.tensor([0, 1])
    status.saw(torch.tensor([[0.0, 9.0], [0.0, 9.0]]), labels, "before")
    module = SimpleNamespace(validated=(torch.tensor([[9.0, 0.0], [0.0, 9.0]]), labels), **vars(MODULE))
    status.on_validation_end(a_trainer(5, **{"val/top1": 1.0}), module)
    told = read_json(tmp_path / STATUS)
    assert told["images"][0] == {
        "path": str(tmp_path / "a.png"), "class": "cat", "before": ["dog", 0.9999], "now": ["cat", 0.9999]
    }  # fmt: skip
    assert told["validations"] == [{"step": 5, "val/top1": 1.0}]


def test_the_time_left_is_estimated_from_the_steps_so_far(tmp_path: Path) -> None:
    seconds = iter(range(0, 1000, 10))
    status = Status(tmp_path, [], SAID, clock=lambda: next(seconds))
    status.on_train_start(a_trainer(0, 20), MODULE)  # 0 s, written at 10 s
    status.on_train_batch_end(a_trainer(10, 20, **{"train/loss": 2.0}), MODULE)  # 20 s
    told = read_json(tmp_path / STATUS)
    assert (told["step"], told["steps"], told["seconds_left"]) == (10, 20, 20.0)
    assert told["loss"] == [[10, 2.0]]


def test_the_curve_of_a_long_run_stays_short(tmp_path: Path) -> None:
    status = Status(tmp_path, [], SAID)
    for step in range(1, 2001):
        status.on_train_batch_end(a_trainer(step, 2000, **{"train/loss": 1.0}), MODULE)
    status.enter("selection")
    steps = [step for step, _ in read_json(tmp_path / STATUS)["loss"]]
    assert POINTS / 2 <= len(steps) <= POINTS
    assert steps == sorted(steps)


def test_a_full_disk_ends_no_run_for_its_sake(tmp_path: Path) -> None:
    (tmp_path / STATUS).mkdir()
    Status(tmp_path, [], SAID).enter("steps")
    assert [path.name for path in tmp_path.iterdir()] == [STATUS]
