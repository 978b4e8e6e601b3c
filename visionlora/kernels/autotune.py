"""Which of several equal implementations is the fastest here: timed once, then remembered.

A decision holds for one layer shape, input shape, type, memory format, device and number of threads. It is
kept in memory and in a JSON file in the user's cache directory, one file for each machine and version.

`VISIONLORA_CACHE` names another cache directory; empty: nothing is read or written.
`torch.use_deterministic_algorithms(True)` and `torch.compile` imply the rule, which decides by shape alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from visionlora.device import synchronize
from visionlora.kernels.decisions import Decision, Decisions, cache_file, read, write

_MIN_WORK = 1e6  # multiplications below which timing costs more than it can gain
_ROUNDS = 5
_LONG = 0.03  # seconds: runs this long are repeated less
_SHORT_ROUNDS = 3
_HOPELESS = 2.0  # a candidate that took this many times the best one's time in two rounds is not run again
_UNDISTURBED = 0.9  # of the time this thread computed; else others did, and the next run times again
_NOISE = 1.03  # a candidate must be this much faster than the rule's


@dataclass
class _Policy:
    """How decisions are made at present, and what was decided in this way before."""

    preferred: str = "auto"
    replayed: Mapping[str, Decision] | None = None
    missing: list[str] = field(default_factory=list)
    remembered: dict[Hashable, tuple[Any, Decisions]] = field(default_factory=dict)


_Chosen = TypeVar("_Chosen")
Run = Callable[[str], object]

_timed: dict[Path | None, Decisions] = {}  # by the cache file that keeps them
_records: list[Decisions] = []
_policy = _Policy()


@contextmanager
def _using(policy: _Policy) -> Iterator[list[str]]:
    global _policy
    before, _policy = _policy, policy
    try:
        yield policy.missing
    finally:
        _policy = before


def implementation(name: str) -> AbstractContextManager[object]:
    """Inside, layers are computed by this implementation wherever they can be: "auto" (timed), "rule" (by
    shape), or an implementation's name: "branch", "low_rank", ..."""
    return _using(_Policy(name))


def replay(decisions: Mapping[str, Decision], other: str = "rule") -> AbstractContextManager[list[str]]:
    """Inside, these decisions, from `recorded` or `parse`, are used; `implementation(other)` makes those that
    are missing. Yields a list of these, which grows."""
    return _using(_Policy(other, replayed=decisions))


@contextmanager
def recorded() -> Iterator[Decisions]:
    """Inside, every decision that is used is recorded, with what it is for, timed or not."""
    record: Decisions = {}
    _records.append(record)
    try:
        yield record
    finally:
        _records[:] = [other for other in _records if other is not record]


def forget() -> None:
    """Forgets what was decided, in memory alone; the cache file will be read again."""
    _timed.clear()
    _policy.remembered.clear()


def remembered(request: Hashable, decide: Callable[[], _Chosen]) -> _Chosen:
    """What `decide` returned when it was asked for the same request before: layers ask in every step."""
    if torch.compiler.is_compiling():
        return decide()
    request = request, torch.get_num_threads(), _may_time()
    if request not in _policy.remembered:
        with recorded() as decisions:
            _policy.remembered[request] = decide(), decisions
    chosen, decisions = _policy.remembered[request]
    for record in _records:
        record.update(decisions)
    return chosen


def choose(
    kind: str, request: Hashable, candidates: Sequence[str], run: Run, rule: str, work: float,
    device: torch.device,
) -> str:  # fmt: skip
    """The name of the implementation to use.

    Args:
        kind: what is decided: "linear product", "conv gradient", ...
        request: the layer and input that it is decided for; compilers see symbols there, without text.
        candidates: names of the implementations in question.
        run: does the work once by the implementation of this name.
        rule: the one to use where nothing may be timed.
        work: multiplications of one run; little work is not timed.
        device: where the work is done.
    """
    parts = () if torch.compiler.is_compiling() else request if isinstance(request, tuple) else (request,)
    key = f"{kind}: {' '.join(str(part).removeprefix('torch.') for part in parts)}"
    replayed, missing = _policy.replayed, _policy.missing
    decision = None if replayed is None else replayed.get(key)
    if decision is None or decision["implementation"] not in candidates:
        if replayed is not None and key not in missing:
            missing.append(key)
        name = candidates[0] if len(candidates) == 1 else _policy.preferred
        if name == "auto" and _may_time():
            decision = _timed_decision(key, candidates, run, rule, work, device)
        else:
            decision = {"implementation": name if name in candidates else rule, "seconds": {}}
    for record in _records:
        record[key] = decision
    return decision["implementation"]


def is_too_small(work: float) -> bool:
    """Whether so many multiplications take less time than choosing and calling an implementation of ours."""
    return work < _MIN_WORK and _policy.preferred in ("auto", "rule")


def _timed_decision(
    key: str, candidates: Sequence[str], run: Run, rule: str, work: float, device: torch.device
) -> Decision:
    if device.type == "cpu":
        key = f"{key}, {torch.get_num_threads()} threads"
    file = cache_file(device.type)
    if file not in _timed:
        _timed[file] = {} if file is None else read(file)
    known = _timed[file].get(key)
    if known is not None and set(candidates) <= known["seconds"].keys():
        return _fastest(rule, {name: known["seconds"][name] for name in candidates})
    if work < _MIN_WORK:
        return {"implementation": rule, "seconds": {}}
    start, own = time.perf_counter(), time.thread_time()
    outer, _records[:] = list(_records), []  # what a candidate decides within counts where it is used
    try:
        decision = _timed[file][key] = _fastest(rule, _measure(candidates, run, device))
    finally:
        _records[:] = outer
    share = (time.thread_time() - own) / (time.perf_counter() - start)
    if file is not None and (share > _UNDISTURBED or device.type != "cpu"):
        write(file, key, decision)
    return decision


def _may_time() -> bool:
    return not (torch.compiler.is_compiling() or torch.are_deterministic_algorithms_enabled())


def _fastest(rule: str, seconds: dict[str, float]) -> Decision:
    best = min(seconds, key=lambda name: seconds[name])
    # Less than a few percent is noise, and the rule is the same everywhere.
    name = rule if seconds[rule] < _NOISE * seconds[best] else best
    return {"implementation": name, "seconds": seconds}


@torch.no_grad()
def _measure(candidates: Sequence[str], run: Run, device: torch.device) -> dict[str, float]:
    """Each candidate's best time of a few rounds; in turn, so that what disturbs one disturbs all."""
    for name in candidates:
        run(name)  # the first run fetches, allocates and compiles
    seconds = dict.fromkeys(candidates, float("inf"))
    running = list(candidates)
    for done in range(1, _ROUNDS + 1):
        for name in running:
            seconds[name] = min(seconds[name], timed(partial(run, name), device))
        best = min(seconds.values())
        if done > 1:
            running = [name for name in running if seconds[name] < _HOPELESS * best]
        if len(running) == 1 or (done >= _SHORT_ROUNDS and best > _LONG):
            break
    return seconds


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds that a call takes, with what it asked of the device done."""
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start
