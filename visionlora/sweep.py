"""The tables at the end of a sweep (``--multirun``): its runs, and means over those that repeat one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

Overrides = tuple[str, ...]
Metrics = Mapping[str, Any]


class SweepTable(Callback):
    """Collects each run's overrides and metrics.json, and prints them side by side."""

    def __init__(self) -> None:
        self._rows: list[tuple[Overrides, Path]] = []

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Remember the run's overrides and folder."""
        hydra = config.get("hydra") if "hydra" in config else job_return.hydra_cfg["hydra"]  # type: ignore[index]
        self._rows.append((tuple(job_return.overrides or ()), Path(hydra.runtime.output_dir)))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the runs that wrote figures."""
        from visionlora.report.metrics_file import read_metrics
        from visionlora.report.tables import seeds_table, show, sweep_table

        done = [
            (overrides, read_metrics(folder / "metrics.json"))
            for overrides, folder in self._rows
            if (folder / "metrics.json").exists()
        ]
        show(
            sweep_table(list(zip(in_words([one for one, _ in done]), [one for _, one in done], strict=True)))
        )
        if missing := len(self._rows) - len(done):
            print(f"{missing} of {len(self._rows)} runs have no figures: see their errors above")
        repeated = {one: runs for one, runs in by_seed(done).items() if len(runs) > 1}
        if repeated:
            show(seeds_table(list(zip(in_words(list(repeated)), repeated.values(), strict=True))))


def in_words(runs: Sequence[Overrides]) -> list[str]:
    """For each run the overrides that not all runs have."""
    common = set(runs[0]).intersection(*runs) if len(runs) > 1 else set()
    return [", ".join(one for one in overrides if one not in common) or "(defaults)" for overrides in runs]


def by_seed(done: Sequence[tuple[Overrides, Metrics]]) -> dict[Overrides, list[Metrics]]:
    """Runs that differ in their seed alone, by the overrides that they share."""
    groups: dict[Overrides, list[Metrics]] = {}
    for overrides, metrics in done:
        shared = tuple(one for one in overrides if not one.startswith("seed="))
        groups.setdefault(shared, []).append(metrics)
    return groups
