"""What each kernel implementation is worth: training steps with it and without it, in turn.

    python -m benchmarks.ablate_kernels --networks resnet50 --precision float32 bfloat16

For each network every layer is autotuned once. Then each implementation that was chosen somewhere is taken
away alone: the layers that used it take their next fastest candidate. `timed` is the sum of the differences
that autotuning measured, as a share of a step; `step` is the ratio of whole steps, the median and in brackets
the ratio of the fastest ones. All configurations take a step in every round, in one process, so that whatever
else the machine does meets them alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from unittest.mock import patch

from rich.console import Console
from torch import Tensor

from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.contenders import fresh_network
from benchmarks.ready import by_name
from benchmarks.step_time import NETWORKS
from benchmarks.timing import Setting, Trainee, prepare, resident_memory
from visionlora.kernels import autotune, layers
from visionlora.kernels.decisions import Decisions

RECOMPUTE = "recomputed inputs"
_UNTIMED_STEPS = 2


@dataclass
class Configuration:
    """One set of decisions; `without` names what is missing in it, "" for nothing."""

    without: str
    decisions: Decisions
    saved: float | None = None  # seconds of a step that the missing one saves, by autotune's times
    steps: list[float] = field(default_factory=list)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, layers are computed by these decisions."""
        kept = patch.object(layers, "recipe_for", lambda x, channels_first: (None, ()))
        with autotune.replay(self.decisions):
            if self.without != RECOMPUTE:
                yield
                return
            with kept:
                yield


def without(decisions: Decisions, kind: str, name: str) -> Configuration:
    """The decisions that are left where this implementation does not exist; layers that have no other keep
    it."""
    left, saved = dict(decisions), 0.0
    for key, decision in decisions.items():
        others = {other: t for other, t in decision["seconds"].items() if other != name}
        if key.startswith(f"{kind}:") and decision["implementation"] == name and others:
            best = min(others, key=lambda other: others[other])
            saved += others[best] - decision["seconds"][name]
            left[key] = {"implementation": best, "seconds": others}
    return Configuration(f"{kind}: {name}", left, saved)


def configurations(decisions: Decisions, recomputes: Decisions) -> list[Configuration]:
    """All decisions, and then without each implementation that was chosen and has an alternative."""
    chosen = dict.fromkeys((key.split(":")[0], d["implementation"]) for key, d in decisions.items())
    found = [without(decisions, *pair) for pair in chosen]
    found = [configuration for configuration in found if configuration.decisions != decisions]
    if recomputes.keys() != decisions.keys():
        found.append(Configuration(RECOMPUTE, recomputes))
    return [Configuration("", decisions), *found]


def ablate(setting: Setting, seconds: float) -> list[Configuration]:
    """Measure one network: at least three rounds, at most `setting.steps`, none after these seconds."""
    images, labels = prepare(setting)
    trainee = Trainee(by_name("ours"), fresh_network(setting.network, setting.size), setting)
    measured = configurations(_tuned(trainee, images, labels, ""), _tuned(trainee, images, labels, RECOMPUTE))
    for configuration in measured:
        with configuration.active():
            trainee.step(images, labels)
    start = time.monotonic()
    for number in range(setting.steps):
        if number >= 3 and time.monotonic() - start > seconds:
            break
        first = number % len(measured)
        for configuration in measured[first:] + measured[:first]:
            with configuration.active():
                configuration.steps.append(trainee.step(images, labels))
    return measured


def _tuned(trainee: Trainee, images: Tensor, labels: Tensor, missing: str) -> Decisions:
    recipe = layers.recipe_for if missing != RECOMPUTE else lambda x, channels_first: (None, ())
    with patch.object(layers, "recipe_for", recipe), autotune.implementation("auto"):
        for _ in range(_UNTIMED_STEPS):
            trainee.step(images, labels)
        with autotune.recorded() as decisions:
            trainee.step(images, labels)
    return decisions


def peak(setting: Setting, missing: str) -> int:
    """The peak resident memory of three steps, less what the process held before the network; in bytes."""
    images, labels = prepare(replace(setting, reuse_memory=False))
    before = resident_memory()
    trainee = Trainee(by_name("ours"), fresh_network(setting.network, setting.size), setting)
    recipe = layers.recipe_for if missing != RECOMPUTE else lambda x, channels_first: (None, ())
    with patch.object(layers, "recipe_for", recipe), autotune.implementation("rule"):
        for _ in range(3):
            trainee.step(images, labels)
    return resident_memory(peak=True) - before


def _peaks(setting: Setting) -> tuple[int, int]:
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return tuple(pool.starmap(peak, [(setting, ""), (setting, RECOMPUTE)], chunksize=1))  # type: ignore[return-value]


def markdown(results: Mapping[Setting, Sequence[Configuration]]) -> str:
    """The table of everything that was measured."""
    lines = ["| network | precision | without | timed | step |", "| --- | --- | --- | ---: | ---: |"]
    for setting, (base, *others) in results.items():
        step = min(base.steps)
        name = f"{setting.network} | {setting.precision}"
        lines.append(f"| {name} | (nothing: {step * 1000:.0f} ms) | | {len(base.steps)} rounds |")
        for one in others:
            ratios = [own / all_ for own, all_ in zip(one.steps, base.steps, strict=True)]
            timed = "" if one.saved is None else f"{100 * one.saved / step:.1f} %"
            ratio = f"{statistics.median(ratios):.2f} ({min(one.steps) / step:.2f})"
            lines.append(f"| {name} | {one.without} | {timed} | {ratio} |")
    return "\n".join(lines)


def _run(options: argparse.Namespace, command: str) -> None:
    console = Console(width=200)
    results = {}
    for network, precision in product(options.networks, options.precision):
        setting = Setting(
            network, precision, options.batch, options.rank, threads=options.threads, layers=options.layers,
            reuse_memory=True, steps=options.rounds,
        )  # fmt: skip
        results[setting] = ablate(setting, options.seconds)
        console.print(markdown({setting: results[setting]}), markup=False)
        if options.memory:
            all_, kept = _peaks(setting)
            console.print(f"Peak of {setting}: {all_ >> 20} MB; without {RECOMPUTE}: {kept >> 20} MB")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = new_parser("ablate_kernels", __doc__)
    add = parser.add_argument
    add("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="torchvision networks")
    add("--precision", nargs="+", default=["float32"], choices=("float32", "bfloat16"))
    add("--layers", choices=("all", "shared"), default="all", help="adapt all, or the dense layers alone")
    add("--batch", type=int, default=8, metavar="N")
    add("--rank", type=int, default=8, metavar="R")
    add("--rounds", type=int, default=9, help="at most this many steps of each configuration")
    add("--seconds", type=float, default=60.0, help="no further round after so long, from the third on")
    add("--memory", action="store_true", help="peak memory with and without recomputed inputs too")
    add_shared(parser, threads=1)
    return run_command(parser, _run, arguments)


if __name__ == "__main__":
    sys.exit(main())
