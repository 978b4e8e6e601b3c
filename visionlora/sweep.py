"""The table at the end of a sweep (``--multirun``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig


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
        from visionlora.report.tables import show, sweep_table

        done = [
            (overrides, read_metrics(folder / "metrics.json"))
            for overrides, folder in self._rows
            if (folder / "metrics.json").exists()
        ]
        show(sweep_table(done))
