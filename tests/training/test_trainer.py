from __future__ import annotations

import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from visionlora.training.callbacks import Interruption
from visionlora.training.trainer import Fitter, interruptible


@pytest.fixture
def trainer() -> Any:
    return SimpleNamespace(callbacks=[])


def test_ctrl_c_waits_for_the_end_of_a_batch(trainer: Any) -> None:
    with interruptible(trainer):
        (interruption,) = trainer.callbacks
        interruption.on_train_batch_end()
        signal.raise_signal(signal.SIGINT)  # a checkpoint that is being written here would be finished
        with pytest.raises(KeyboardInterrupt):
            interruption.on_train_batch_end()
        with pytest.raises(KeyboardInterrupt):
            interruption.on_validation_batch_end()


def test_ctrl_c_after_the_last_batch_is_not_lost(trainer: Any) -> None:
    trainer.fit = lambda *arguments, **options: signal.raise_signal(signal.SIGINT)
    anything: Any = SimpleNamespace(train_loader=None, validation_loader=None)
    assert Fitter.fit(anything, trainer, anything)


def test_a_second_ctrl_c_acts_at_once(trainer: Any) -> None:
    with interruptible(trainer):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_previous_handler_of_ctrl_c_is_restored(trainer: Any) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit), interruptible(trainer):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as Lightning does
        raise SystemExit
    assert signal.getsignal(signal.SIGINT) is before


def test_a_thread_trains_without_touching_the_process_s_signals(trainer: Any) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []

    def train() -> None:
        with interruptible(trainer):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [before]
    assert not any(isinstance(callback, Interruption) for callback in trainer.callbacks)
