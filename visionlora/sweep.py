"""The tables at the end of a sweep (``--multirun``): its runs, and means over those that repeat one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from visionlora.sweep_jobs import read_jobs

Overrides = tuple[str, ...]
Metrics = Mapping[str, Any]


class SweepTable(Callback):
    """Prints the runs' overrides and metrics.json side by side, wherever a launcher ran them."""

    exit_code: ClassVar[int] = 0
    """The largest one of the last sweep's runs."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the runs that wrote figures."""
        from visionlora.report.metrics_file import read_metrics
        from visionlora.report.tables import seeds_table, show, sweep_table

        jobs = read_jobs(Path(config.hydra.sweep.dir))
        SweepTable.exit_code = max((job.exit_code for job in jobs), default=0)
        done = [
            (job.overrides, read_metrics(Path(job.folder) / "metrics.json"))
            for job in jobs
            if (Path(job.folder) / "metrics.json").exists()
        ]
        show(
            sweep_table(list(zip(in_words([one for one, _ in done]), [one for _, one in done], strict=True)))
        )
        if missing := len(jobs) - len(done):
            print(f"{missing} of {len(jobs)} runs have no figures: see their errors above")
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
