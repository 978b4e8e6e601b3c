"""A sweep (``--multirun``): all its runs' settings are checked before the first one trains; at its end are
the tables of its runs, and of means over those that repeat one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from visionlora.errors import VisionLoraError
from visionlora.sweep_jobs import read_jobs
from visionlora.terminal import fail
from visionlora.text import counted
from visionlora.training.config import read_config

Overrides = tuple[str, ...]
Metrics = Mapping[str, Any]


class SweepTable(Callback):
    """Prints the runs' overrides and metrics.json side by side, wherever a launcher ran them."""

    exit_code: ClassVar[int] = 0
    """The largest one of the last sweep's runs."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """End the command where the settings of a run are refused: after hours that would be too late.

        What Hydra cannot compose it reports itself, before the first run too. With ``adapter`` or ``resume``
        options come from another run, too, and each run checks them.
        """
        if config.adapter is not None or config.resume.run is not None:
            return
        for overrides in runs_of(config):
            try:
                read_config(hydra.compose(config.hydra.job.config_name, overrides=list(overrides)))
            except VisionLoraError as error:
                own = in_words([overrides, tuple(config.hydra.overrides.task)])[0]
                # Not raised: Hydra makes a warning of what a callback raises.
                fail(f"no run was started, because one of the sweep would be refused ({own}): {error}")
            except (HydraException, OmegaConfBaseException):
                return

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the runs that wrote figures."""
        from visionlora.plain_table import show
        from visionlora.report.metrics_file import read_metrics
        from visionlora.report.tables import seeds_table, sweep_table

        jobs = read_jobs(Path(config.hydra.sweep.dir))
        SweepTable.exit_code = max((job.exit_code for job in jobs), default=0)
        done = [
            (job.overrides, read_metrics(Path(job.folder) / "metrics.json"))
            for job in jobs
            if (Path(job.folder) / "metrics.json").exists()
        ]
        names, metrics = in_words([one for one, _ in done]), [one for _, one in done]
        show(sweep_table(list(zip(names, metrics, strict=True))))
        _write(done, Path(config.hydra.sweep.dir))
        if missing := len(jobs) - len(done):
            print(f"no figures of {missing} of {counted(len(jobs), 'run')}: see the errors above")
        repeated = {one: runs for one, runs in by_seed(done).items() if len(runs) > 1}
        if repeated:
            show(seeds_table(list(zip(in_words(list(repeated)), repeated.values(), strict=True))))


def runs_of(config: DictConfig) -> Iterator[Overrides]:
    """The overrides of each run of a sweep, as Hydra's own sweeper has them; none of a sweep whose next run
    depends on the last one's figures (Optuna).

    Args:
        config: the composition of the whole sweep, with Hydra's part.
    """
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    values: dict[str, list[str]] = {}  # of a key that is given twice the last one counts
    for one in parser.parse_overrides(list(config.hydra.overrides.task)):
        if one.is_sweep_override() and not one.is_discrete_sweep():
            return  # Hydra refuses it
        swept = one.is_sweep_override()
        values[one.get_key_element()] = (
            list(one.sweep_string_iterator()) if swept else [one.get_value_element_as_str()]
        )
    keyed = [[f"{key}={value}" for value in several] for key, several in values.items()]
    yield from product(*keyed)


def _write(done: Sequence[tuple[Overrides, Metrics]], folder: Path) -> None:
    """Write ``sweep.csv`` and ``sweep.html``."""
    from visionlora.report.runs import RunRow, best_run, write_runs_csv, write_runs_page

    if not done:
        return
    common = set(done[0][0]).intersection(*(overrides for overrides, _ in done)) if len(done) > 1 else set()
    rows = []
    for overrides, metrics in done:
        told = dict(one.partition("=")[::2] for one in overrides if one not in common)
        rows.append(
            RunRow(", ".join(f"{key}={value}" for key, value in told.items()) or "(defaults)", told, metrics)
        )
    best = best_run([metrics for _, metrics in done])
    write_runs_csv(rows, best, folder / "sweep.csv")
    write_runs_page(rows, best, folder.name, folder / "sweep.html")
    print(f"the table is in {folder / 'sweep.csv'} and {folder / 'sweep.html'}")


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
