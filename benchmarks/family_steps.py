"""Step times of every family and of its peers on one network, beside the frozen floor."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import quantiles
from typing import Any

from benchmarks.contenders import fresh_network
from benchmarks.family_contenders import LYCORIS, PEFT
from benchmarks.ready import by_name
from benchmarks.timing import FLOOR, Setting, Trainee, measure, prepare
from benchmarks.worker import one_line

Record = dict[str, Any]


def setting_for(network: str, threads: int, steps: int, size: int = 224) -> Setting:
    """All dense layers are adapted, in float32 at batch 8, and freed memory is kept, as in training."""
    return Setting(
        network, size=size, threads=threads, layers="all", reuse_memory=True, steps=steps, warmup=1
    )


def contenders_of(family: str) -> list[str]:
    """Ours, PEFT's and LyCORIS's version of a family, where there is one."""
    peers = (("PEFT", PEFT), ("LyCORIS", LYCORIS))
    return [f"ours {family}", *(f"{whose} {family}" for whose, having in peers if family in having)]


class StepTimes:
    """The floor of one network, and everything else against it.

    One contender at a time is in memory beside the floor; both take a step in turn. That a contender and the
    floor share the process takes a fifth of the time that a process for each would.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.images, self.labels = prepare(setting)
        self.network = fresh_network(setting.network, setting.size)
        self.floor = self._trainee(FLOOR)
        self.floor.step(self.images, self.labels)

    def records(self, family: str, peers: bool = True) -> Iterator[Record]:
        """One for each version of the family, or for ours alone."""
        for name in contenders_of(family)[: None if peers else 1]:
            whose = name.split()[0]
            head = {"kind": "step", "network": self.setting.network, "family": family, "whose": whose}
            try:
                yield {**head, **self._measured(name), "status": "ok"}
            except Exception as error:  # a peer may fail in any way, and that is a result
                if whose == "ours":
                    raise
                yield {**head, "ratio": None, "status": f"failed: {one_line(error)}"}
            gc.collect()

    def _measured(self, name: str) -> Record:
        trainee = self._trainee(name)
        for _ in range(1 + self.setting.warmup):  # the first one times the implementations
            trainee.step(self.images, self.labels)
        floors, times = [], []
        for _ in range(self.setting.steps):
            floors.append(self.floor.step(self.images, self.labels))
            times.append(trainee.step(self.images, self.labels))
        low, ratio, high = _quartiles([own / base for own, base in zip(times, floors, strict=True)])
        return {
            "ratio": ratio, "quartiles": (low, high), "ms": 1000 * _quartiles(times)[1],
            "layers": trainee.layers, "trained": sum(one.numel() for one in trainee.trainable),
        }  # fmt: skip

    def _trainee(self, name: str) -> Trainee:
        return Trainee(by_name(name), copy.deepcopy(self.network), self.setting)


def _quartiles(values: Sequence[float]) -> Sequence[float]:
    return quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def peak_memory(setting: Setting, family: str) -> dict[str, int | None]:
    """Peak memory by version, in bytes: each in a process of its own."""
    (rows,) = measure([replace(setting, steps=1)], contenders_of(family), memory=True)
    return {row.contender.split()[0]: row.peak_memory for row in rows}
