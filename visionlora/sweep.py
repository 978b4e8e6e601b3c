"""The tables at the end of a sweep (``--multirun``): its runs, and the mean over those that repeat one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

Metrics = Mapping[str, Any]


class SweepTable(Callback):
    """Collects each job's overrides and metrics.json, and prints them side by side."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, Path]] = []

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Remember where the job left its figures."""
        hydra = config.get("hydra") if "hydra" in config else job_return.hydra_cfg["hydra"]  # type: ignore[index]
        overrides = ", ".join(job_return.overrides or ()) or "(defaults)"
        self._rows.append((overrides, Path(hydra.runtime.output_dir)))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the runs that left figures."""
        from visionlora.report.metrics_file import read_metrics
        from visionlora.report.tables import seeds_table, show, sweep_table

        done = [
            (overrides, read_metrics(folder / "metrics.json"))
            for overrides, folder in self._rows
            if (folder / "metrics.json").exists()
        ]
        show(sweep_table(done))
        if len(done) < len(self._rows):
            print(f"{len(self._rows) - len(done)} of {len(self._rows)} runs left no figures: see above")
        repeated = [(name, runs) for name, runs in by_seed(done).items() if len(runs) > 1]
        if repeated:
            show(seeds_table(repeated))


def by_seed(done: Sequence[tuple[str, Metrics]]) -> dict[str, list[Metrics]]:
    """Runs that differ in their seed alone, under what they have in common."""
    groups: dict[str, list[Metrics]] = {}
    for overrides, metrics in done:
        common = [part for part in overrides.split(", ") if not part.startswith("seed=")]
        groups.setdefault(", ".join(common) or "(defaults)", []).append(metrics)
    return groups
