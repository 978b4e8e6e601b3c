"""When checkpoints are written, and where a signal is obeyed."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from visionlora.run_folder import callbacks
from visionlora.run_folder.callbacks import CheckpointWriter
from visionlora.signals import Stopped, StopRequest

STEPS = 7


class Run:
    """Seven steps of a run that validates after every third, as Lightning would call the hooks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        monkeypatch.setattr(callbacks, "capture", lambda trainer, module: {})
        self.written: list[int] = []
        self.stop = StopRequest()
        self.writer = CheckpointWriter(
            SimpleNamespace(write=lambda step, state: self.written.append(step)),  # type: ignore[arg-type]
            self.stop,
            [],  # type: ignore[arg-type]
            lambda: None,
            **options,
        )

    def go(self, stop_in_step: int = 0, stop_in_validation: int = 0, validates: bool = True) -> None:
        trainer: Any = SimpleNamespace(
            global_step=0, max_steps=STEPS, fit_loop=SimpleNamespace(total_batch_idx=-1), val_check_batch=3,
            enable_validation=validates, is_global_zero=True,
        )  # fmt: skip
        module: Any = None
        self.writer.on_fit_start(trainer, module)
        for step in range(1, STEPS + 1):
            trainer.global_step, trainer.fit_loop.total_batch_idx = step, step - 1
            if step == stop_in_step:
                self.stop.number = signal.SIGTERM
            self.writer.on_train_batch_end(trainer, module)
            if validates and step % 3 == 0:
                if step == stop_in_validation:
                    self.stop.number = signal.SIGTERM
                self.writer.on_validation_batch_end()
                self.writer.on_validation_end(trainer, module)


@pytest.mark.parametrize(
    ("steps", "minutes", "expected"),
    [
        (None, None, [2, 3, 5, 6, 7]),  # before and after each validation, and at the end
        (1, None, [1, 2, 3, 4, 5, 6, 7]),
        (None, 0, [1, 2, 3, 4, 5, 6, 7]),
        (4, 60, [2, 3, 5, 6, 7]),
    ],
)
def test_checkpoints_are_written_at_intervals_and_around_validations(
    monkeypatch: pytest.MonkeyPatch, steps: int | None, minutes: float | None, expected: list[int]
) -> None:
    run = Run(monkeypatch, steps=steps, minutes=minutes)
    run.go()
    assert run.written == expected


def test_without_validation_the_intervals_alone_count(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, steps=3, minutes=None)
    run.go(validates=False)
    assert run.written == [3, 6, 7]


@pytest.mark.parametrize(
    ("when", "expected"), [({"stop_in_step": 4}, [2, 3, 4]), ({"stop_in_step": 7}, [2, 3, 5, 6, 7])]
)
def test_a_signal_is_obeyed_at_the_end_of_the_step_with_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch, when: dict[str, int], expected: list[int]
) -> None:
    run = Run(monkeypatch, steps=None, minutes=None)
    with pytest.raises(Stopped):
        run.go(**when)
    assert run.written == expected


@pytest.mark.parametrize("when", [{"stop_in_step": 6}, {"stop_in_validation": 6}])
def test_a_validation_is_abandoned_and_the_step_before_it_is_there(
    monkeypatch: pytest.MonkeyPatch, when: dict[str, int]
) -> None:
    run = Run(monkeypatch, steps=None, minutes=None)
    with pytest.raises(Stopped):
        run.go(**when)
    assert run.written == [2, 3, 5]
