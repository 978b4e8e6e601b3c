"""Which of several equal computations is the fastest here: timed once, remembered.

Every decision is made for one layer shape, input shape, type, memory format, device and number of threads. A
way that loses by far is tried once more a little later: a shared machine may have been busy with something
else all the while. The decision is kept in memory and in a small JSON file in the user's cache directory, one
for each machine and version.

- `VISIONLORA_CACHE` names another directory; empty: nothing is read or written.
- `choice("full")` prefers one way by name, `choice("rule")` decides by shape alone, without timing.
- `torch.use_deterministic_algorithms(True)` and `torch.compile` imply the rule.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch

VERSION = 9  # of the computations: raise it when one of them gets faster or slower

_SMALL = 1e6  # multiplications below which timing costs more than it can gain
_RUNS = 3
_LONG = 0.03  # seconds: a run this long is repeated only once
_HOPELESS = 2.0  # a way that twice took this many times the best one's time is run only once more,
_CALM = 0.5  # so many seconds later: what held the machine up is over then
_NOISE = 1.03  # a way must be this much faster than the rule's


@dataclass(frozen=True)
class Decision:
    """The chosen way, and each way's time in seconds; no times where the rule decided.

    `doubted` is when (`time.monotonic`) a way lost by far that has not lost once more yet; None: no doubt.
    """

    way: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    doubted: float | None = None

    def entry(self) -> dict[str, Any]:
        """What of it is written into files."""
        return {"way": self.way, "seconds": dict(self.seconds)}


_Ways = TypeVar("_Ways")

_decisions: dict[str, Decision] = {}
_settled: dict[Hashable, Any] = {}
_notes: list[list[tuple[str, Decision]]] = []
_preferred: str = "auto"
_loaded: set[Path] = set()


@contextmanager
def choice(way: str) -> Iterator[None]:
    """Inside, layers compute in this way wherever they can.

    Args:
        way: "auto" (measured), "rule" (by shape), or a way's name: "branch", "low_rank", "full", ...
    """
    global _preferred
    before, _preferred = _preferred, way
    try:
        yield
    finally:
        _preferred = before


@contextmanager
def noted() -> Iterator[list[tuple[str, Decision]]]:
    """Inside, every choice is noted as it is made, with what it was made for, timed or not."""
    notes: list[tuple[str, Decision]] = []
    _notes.append(notes)
    try:
        yield notes
    finally:
        _notes[:] = [other for other in _notes if other is not notes]


def chosen() -> dict[str, Decision]:
    """Every decision that was used in this process, by what it was made for."""
    return dict(_decisions)


def forget() -> None:
    """Forgets what was decided, in memory alone; the cache file will be read again."""
    _decisions.clear()
    _settled.clear()
    _loaded.clear()


def settled(request: Hashable, decide: Callable[[], _Ways]) -> _Ways:
    """What `decide` gave when this was asked before.

    A layer asks in every step, and to make the keys and the candidates of its choices anew took as long as
    its smallest product. Inside `choice` and `noted`, and where nothing may be timed, it decides anew.
    """
    if _preferred != "auto" or _notes or not _may_time():
        return decide()
    request = request, torch.get_num_threads()
    if request in _settled:
        return _settled[request]
    with noted() as notes:
        decided = decide()
    if all(decision.doubted is None for _, decision in notes):
        _settled[request] = decided
    return decided


def choose(
    key: str, ways: Mapping[str, Callable[[], object]], rule: str, work: float, device: torch.device
) -> str:
    """The name of the way to take.

    Args:
        key: what the decision is for.
        ways: the candidates; calling one does the work once.
        rule: the one to take when nothing may be timed.
        work: multiplications of one run; little work is not timed.
        device: where the work happens.
    """
    decision = _choose(key, ways, rule, work, device)
    for notes in _notes:
        notes.append((key, decision))
    return decision.way


def _choose(
    key: str, ways: Mapping[str, Callable[[], object]], rule: str, work: float, device: torch.device
) -> Decision:
    if len(ways) == 1:
        return Decision(next(iter(ways)))
    if _preferred in ways:
        return Decision(_preferred)
    if _preferred != "auto" or not _may_time():
        return Decision(rule)
    if device.type == "cpu":
        key = f"{key}, {torch.get_num_threads()} threads"
    place = _cache_file(device.type)
    if place is not None and place not in _loaded:
        _loaded.add(place)
        _decisions.update({**_read(place), **_decisions})
    known = _decisions.get(key)
    if known is None or known.way not in ways:
        known = Decision(rule) if work < _SMALL else _decide(rule, _measure(ways, device))
        if _lost_by_far(known.seconds):
            known = replace(known, doubted=time.monotonic())
    elif known.doubted is not None and time.monotonic() - known.doubted > _CALM:
        known = _decide(rule, _measure_again(ways, known.seconds, device))
    else:
        return known
    _decisions[key] = known
    if place is not None and known.seconds and known.doubted is None:
        _write(place, key, known)
    return known


def _may_time() -> bool:
    return not (torch.compiler.is_compiling() or torch.are_deterministic_algorithms_enabled())


def _measure(ways: Mapping[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    for run in ways.values():
        timed(run, device)  # the first run fetches, allocates and compiles
    # Twice: on a shared machine a single run may take ten times its time, and the decision is kept for good.
    seconds = {name: timed(run, device) for name, run in ways.items()}
    seconds = {name: min(seconds[name], timed(run, device)) for name, run in ways.items()}
    close = [name for name in ways if name not in _lost_by_far(seconds)]
    if len(close) > 1:
        runs = 1 if min(seconds.values()) > _LONG else _RUNS
        for _ in range(runs):  # in turn: what disturbs one disturbs all
            for name in close:
                seconds[name] = min(seconds[name], timed(ways[name], device))
    return seconds


def _measure_again(
    ways: Mapping[str, Callable[[], object]], seconds: Mapping[str, float], device: torch.device
) -> dict[str, float]:
    lost = [name for name in _lost_by_far(seconds) if name in ways]
    return {**seconds, **{name: min(seconds[name], timed(ways[name], device)) for name in lost}}


def _lost_by_far(seconds: Mapping[str, float]) -> list[str]:
    return [name for name in seconds if seconds[name] > _HOPELESS * min(seconds.values())]


def _decide(rule: str, seconds: Mapping[str, float]) -> Decision:
    fastest = min(seconds, key=lambda name: seconds[name])
    # Less than a few percent is noise, and the rule is the same everywhere.
    return Decision(rule if seconds[rule] < _NOISE * seconds[fastest] else fastest, seconds)


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds that a call takes, with what it asked of the device done."""
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


# ---------------------------------------------------------------------------------------------------------
# The cache file.


def cache_directory() -> Path | None:
    """Where what was found out once is kept; None: nowhere (VISIONLORA_CACHE is empty)."""
    directory = os.environ.get("VISIONLORA_CACHE")
    if directory is None:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visionlora"
    return Path(directory) if directory else None


@cache
def _cache_file(device: str) -> Path | None:
    directory = cache_directory()
    if directory is None:
        return None
    machine = torch.cuda.get_device_name() if device == "cuda" else _processor()
    made_by = f"{device}, {machine}, torch {torch.__version__}, kernels {VERSION}"
    return directory / f"kernels-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}.json"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "flags"))]
    return (
        " ".join(names[:2])
        or f"{platform.machine()} {platform.processor()} {torch.backends.cpu.get_cpu_capability()}"
    )


def _read(place: Path) -> dict[str, Decision]:
    if not place.exists():
        return {}
    try:
        entries = json.loads(place.read_text())
        return {key: Decision(str(entry["way"]), dict(entry["seconds"])) for key, entry in entries.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        warnings.warn(f"{place} is damaged and is not used; it will be replaced: {error}", stacklevel=2)
        return {}


def _write(place: Path, key: str, decision: Decision) -> None:
    beside = place.with_name(f"{place.name}.{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        entries = {k: v.entry() for k, v in _read(place).items()} | {key: decision.entry()}
        beside.write_text(json.dumps(entries, indent=1, sort_keys=True))
        beside.replace(place)
    except OSError as error:
        _warn_unwritable(str(place.parent), str(error))


@cache
def _warn_unwritable(directory: str, error: str) -> None:
    warnings.warn(
        f"Timings are not remembered: {directory} can't be written ({error}); "
        f"VISIONLORA_CACHE names another directory, or none when empty.",
        stacklevel=2,
    )
