"""The processes that work on one command: torchrun's, SLURM's, or those that an option asks for.

They talk through torch.distributed. Every process runs the whole command on its share of the images; what is
decided by a clock is decided by the first one, and it alone writes the results.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from visionlora.errors import MachineFault, VisionLoraError
from visionlora.this_process import TORCHRUN, this_process

_others: list[BaseProcess] = []
"""Those that :func:`run_in` has started, while they run."""

Value = TypeVar("Value")
Options = TypeVar("Options")


class NoAnswer(MachineFault):
    """Another process has ended, so what this one sent it was not answered."""


def gather(value: Value) -> list[Value]:
    """Every process's value, in their order, on each of them."""
    here = this_process()
    if here.count == 1:
        return [value]
    from torch import distributed

    found: list[Any] = [None] * here.count
    distributed.all_gather_object(found, value)
    return found


def agreed(value: Value) -> Value:
    """The first process's value, on each of them: for what a clock or a file decides."""
    if this_process().count == 1:
        return value
    from torch import distributed

    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


@contextmanager
def joined(accelerator: str, always: bool = False) -> Iterator[None]:
    """Inside, the processes of :func:`place` can talk; what others than the first print is not shown.

    Args:
        accelerator: the kind of device that they compute on.
        always: one process alone is a group too.

    Raises:
        NoAnswer: another process has ended.
    """
    here = this_process()
    if here.count == 1 and not always:
        yield
        return
    import torch
    from torch import distributed

    backend = {"cuda": "cpu:gloo,cuda:nccl", "xpu": "cpu:gloo,xpu:xccl"}.get(accelerator, "gloo")
    meeting = os.environ.get("VISIONLORA_MEETING")
    alone = distributed.HashStore() if here.count == 1 else None
    if meeting:
        _wait_for_all(Path(meeting.removeprefix("file://")).parent)
    distributed.init_process_group(
        backend, None if alone else meeting or _address(), store=alone, rank=here.rank, world_size=here.count
    )
    if not here.first:
        logging.getLogger().handlers.clear()  # Hydra's log file is the first one's
    if accelerator == "cpu" and meeting:
        torch.set_num_threads(max(1, torch.get_num_threads() // here.local_count))
    try:
        with redirect_stdout(sys.stdout if here.first else io.StringIO()):
            yield
    except RuntimeError as error:
        if not (isinstance(error, distributed.DistError) or "gloo" in str(error)):
            raise
        raise NoAnswer(f"another process has ended ({str(error)[:160]}); its own message says why") from error
    finally:
        distributed.destroy_process_group()


def _wait_for_all(folder: Path) -> None:
    """Wait until each process has come so far: torch.distributed waits half an hour for one that has ended.

    Raises:
        NoAnswer: another process has ended.
    """
    here, parent = this_process(), multiprocessing.parent_process()
    (folder / f"{here.rank}.here").touch()
    while not all((folder / f"{rank}.here").exists() for rank in range(here.count)):
        started_by = parent is None or parent.is_alive()
        if not started_by or any(process.exitcode is not None for process in _others):
            raise NoAnswer("another process has ended before the work began; its own message says why")
        time.sleep(0.02)


def of_first(options: Options, *files: str) -> Options:
    """A command's options in this process: only the first one writes what ``files``, some of them, name."""
    return options if this_process().first else replace(options, **dict.fromkeys(files))  # type: ignore[type-var]


def _address() -> str:
    """How the processes find each other."""
    if "MASTER_ADDR" not in os.environ and "SLURM_NTASKS" in os.environ:
        from lightning.fabric.plugins.environments import SLURMEnvironment

        cluster = SLURMEnvironment()
        return f"tcp://{cluster.main_address}:{cluster.main_port}"
    return "env://"


def run_in(count: int, work: Callable[[], int], other: Callable[..., int], *arguments: Any) -> int:
    """Run a command in ``count`` processes on this machine; the exit code.

    Args:
        count: of processes; 1, or where another launcher has started several: this one works alone.
        work: what the first process, this one, does.
        other: what every other one does, a function of a module; ``arguments`` are for it.

    Raises:
        VisionLoraError: a launcher started another number of processes; or another process failed.
    """
    here = this_process()
    if here.count > 1 and count not in (1, here.local_count):
        raise VisionLoraError(
            f"{count} processes are asked for, but the launcher started {here.local_count} on this machine; "
            "leave the option out"
        )
    if here.count > 1 or count == 1:
        return work()
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        context = multiprocessing.get_context("spawn")
        errors = [Path(folder) / f"{rank}.txt" for rank in range(count)]
        others = [
            context.Process(
                target=_work, args=(_environment(rank, count, meeting), errors[rank], other, arguments)
            )
            for rank in range(1, count)
        ]
        for process in others:
            process.start()
        _others[:] = others
        try:
            with _environment_set(_environment(0, count, meeting)):
                code = work()
            _require_ended(others, code, errors)
        except NoAnswer:
            _require_ended(others, 0, errors)
            raise
        finally:
            for process in others:
                process.kill()  # nothing, where it has ended
                process.join()
            _others.clear()
    return code


def _require_ended(others: Sequence[BaseProcess], code: int, errors: Sequence[Path]) -> None:
    """Wait for the other processes.

    Raises:
        VisionLoraError: one does not end with this exit code; with its own message.
    """
    for process in others:
        process.join(60)
    for rank, process in enumerate(others, 1):
        ended = process.exitcode
        if ended == code or ended is None:
            continue
        said = errors[rank].read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = said[-1] if said else f"it ended with exit code {ended}"
        if ended < 0:
            why = f"signal {-ended} ended it, as where memory is used up; use fewer processes, or free memory"
        kind = MachineFault if ended < 0 or ended == MachineFault.exit_code else VisionLoraError
        raise kind(f"process {rank} of {len(errors)}: {why}")


def _work(environment: dict[str, str], errors: Path, work: Callable[..., int], arguments: Any) -> None:
    """The whole life of a process other than the first, which alone answers Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    sys.stderr = errors.open("w", encoding="utf-8", buffering=1)
    try:
        sys.exit(work(*arguments))
    except VisionLoraError as error:
        sys.stderr.write(f"\n{' '.join(str(error).split())}\n")
        sys.exit(error.exit_code)


def _environment(rank: int, count: int, meeting: str) -> dict[str, str]:
    numbers = dict(zip(TORCHRUN, map(str, (rank, count, rank, count)), strict=True))
    # Lightning looks for torchrun by these.
    return numbers | {"GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "visionlora", "VISIONLORA_MEETING": meeting}


@contextmanager
def _environment_set(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
