"""SIGINT and SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import Command
from visionlora.signals import SIGNALS, Stopped, stoppable
from visionlora.train import _remove_if_empty

BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@BOTH
def test_a_signal_stops_the_command_with_its_own_exit_code(number: signal.Signals, code: int) -> None:
    with pytest.raises(Stopped) as stopped, stoppable():
        signal.raise_signal(number)
    assert stopped.value.exit_code == code


HANGUP = getattr(signal, "SIGHUP", None)


@pytest.mark.skipif(HANGUP is None, reason="this system has no terminals that hang up")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_stops_the_command_unless_nohup_keeps_it(ignored: bool) -> None:
    assert HANGUP is not None
    before = signal.signal(HANGUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    seen = []
    try:
        with stoppable():
            signal.raise_signal(HANGUP)
            seen.append("went on")
    except Stopped as stopped:
        seen.append(f"{stopped}, {stopped.exit_code}")
    finally:
        after = signal.signal(HANGUP, before)
    assert seen == ["went on" if ignored else "stopped by SIGHUP, 129"]
    assert after == (signal.SIG_IGN if ignored else signal.SIG_DFL)


STARTING = """
import signal, sys
from visionlora.signals import starting
with starting():
    try:
        signal.raise_signal(int(sys.argv[1]))
    except BaseException:
        print("taken for another error")
"""


@BOTH
def test_a_signal_that_a_library_makes_an_error_of_its_own_is_still_a_signal(
    number: signal.Signals, code: int
) -> None:
    with pytest.raises(Stopped) as stopped, stoppable():
        try:
            signal.raise_signal(number)
        except BaseException as error:
            raise ValueError("Invalid bounding box") from error  # Matplotlib's compiled code does it
    assert stopped.value.exit_code == code


@BOTH
def test_a_signal_that_a_library_swallows_is_obeyed_at_the_end(number: signal.Signals, code: int) -> None:
    done = []
    with pytest.raises(Stopped) as stopped, stoppable():
        with contextlib.suppress(BaseException):
            signal.raise_signal(number)
        done.append("went on")
    assert (done, stopped.value.exit_code) == (["went on"], code)


def test_an_error_while_a_signal_waits_is_reported_as_the_error() -> None:
    with pytest.raises(OSError, match="disk"), stoppable() as stop, stop.deferred():
        signal.raise_signal(signal.SIGTERM)
        raise OSError("disk is full")


@BOTH
def test_a_signal_while_a_command_starts_ends_it_in_one_line(number: signal.Signals, code: int) -> None:
    words = [sys.executable, "-c", STARTING, str(int(number))]
    left = subprocess.run(words, capture_output=True, text=True)
    assert (left.returncode, left.stdout, left.stderr) == (code, "", f"error: stopped by {number.name}\n")


@BOTH
def test_every_command_ends_with_the_code_of_the_signal(
    number: signal.Signals, code: int, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def signalled(*options: object, **named: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr("visionlora.evaluation.folder_check.find", signalled)
    before = signal.getsignal(number)
    left = command("check", f"data.root={tmp_path}")
    assert (left.code, left.err) == (code, f"error: stopped by {number.name}\n")
    assert signal.getsignal(number) is before


def test_a_training_that_had_not_begun_is_not_said_to_be_one_that_continues(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("visionlora.train._open", lambda *options: signal.raise_signal(signal.SIGINT))
    left = command("train", "data=goldfish", f"hydra.run.dir={tmp_path / 'run'}")
    assert (left.code, left.err) == (130, "error: stopped by SIGINT\n")
    assert not (tmp_path / "run").exists()


@BOTH
def test_a_signal_from_outside_ends_the_tests_and_fails_none(
    number: signal.Signals, code: int, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visionlora.train._open", lambda *options: os.kill(os.getpid(), number))
    with pytest.raises(pytest.exit.Exception, match="no test had sent") as left:
        command("train", "data=goldfish", "hydra.run.dir=run")
    assert left.value.returncode == code


def test_libraries_log_nothing_to_a_folder_that_was_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    handler = logging.FileHandler(folder / "train.log", delay=True)
    logging.getLogger().addHandler(handler)
    try:
        _remove_if_empty(folder)
        assert not folder.exists()
        logging.getLogger().error("a library ends")
    finally:
        logging.getLogger().removeHandler(handler)


def test_a_run_whose_folder_is_removed_says_so_whatever_fails_first(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"

    def removed(*options: object) -> None:
        shutil.rmtree(folder)
        (folder / "tensorboard" / "events").write_text("figures")

    monkeypatch.setattr("visionlora.train._train", removed)
    left = command("train", "data=goldfish", "model=pocket", f"hydra.run.dir={folder}")
    assert left.code == 4
    said = f"{folder} was removed while the run was writing into it; start the run again"
    assert left.err == f"error: {said}\n"


def test_it_is_no_error_that_somebody_handles_by_mistake() -> None:
    assert not issubclass(Stopped, Exception)


@BOTH
def test_a_signal_waits_until_nothing_is_half_done(number: signal.Signals, code: int) -> None:
    done = []
    with pytest.raises(Stopped), stoppable() as stop, stop.deferred():
        signal.raise_signal(number)
        done.append("the file is finished")
        stop.check()
        done.append("never")
    assert done == ["the file is finished"]


def test_a_signal_that_nobody_asks_about_is_obeyed_at_the_end() -> None:
    with pytest.raises(Stopped), stoppable() as stop, stop.deferred(), stop.deferred():
        signal.raise_signal(signal.SIGTERM)


def test_the_handlers_from_before_are_restored() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stoppable():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_thread_leaves_the_signals_of_its_process_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with stoppable() as stop, stop.deferred():
            stop.check()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


SECOND = """
import signal
from visionlora.signals import stoppable
with stoppable() as stop, stop.deferred():
    signal.raise_signal(signal.SIGINT)
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        print("swallowed")
    print("still here")
"""


def test_a_second_signal_saves_what_would_be_lost_before_it_ends_the_process() -> None:
    code = SECOND.replace("stop.deferred()", "stop.deferred(rescue=lambda: print('saved', flush=True))")
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (left.returncode, left.stdout) == (130, "saved\n")


def test_a_second_signal_ends_the_process_at_once() -> None:
    left = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True)
    assert (left.returncode, left.stdout) == (130, "")
    assert left.stderr == "ended at once by a second signal\n"


@BOTH
def test_a_worker_process_ends_by_sigterm_and_leaves_ctrl_c_to_its_parent(
    number: signal.Signals, code: int
) -> None:
    with stoppable():
        child = os.fork()
        if child == 0:
            signal.raise_signal(number)
            os._exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (7 if number == signal.SIGINT else -signal.SIGTERM)
