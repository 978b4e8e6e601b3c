"""List and compare runs: ``visionlora runs outputs``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from visionlora.arguments import folder_first
from visionlora.command import Command, launch
from visionlora.files import require_all_writable
from visionlora.options import Section, option
from visionlora.settings import build, plain
from visionlora.terminal import print_error

SOME_BROKEN = 3
"""The exit code where some runs could not be read."""


@dataclass(frozen=True, kw_only=True)
class RunsOptions(Section):
    """Options of ``visionlora runs``."""

    folder: str = option("outputs", "a folder with runs in it, or in folders of it", path=True)
    output: str | None = option(
        None, "a file for the table: CSV, or a page", path=True, suffixes=(".csv", ".html")
    )


COMMAND = Command(
    "runs",
    "list the runs in a folder, what differs between them, and which is the best",
    RunsOptions,
    ("visionlora runs outputs", "visionlora runs outputs/goldfish output=runs.html"),
)


def runs(config: DictConfig) -> int:
    """Find, compare, show, write; returns `SOME_BROKEN` where a run could not be read."""
    options = build(RunsOptions, plain(config))
    require_all_writable(output=options.output)
    from visionlora.plain_table import show
    from visionlora.report.runs import RunRow, best_run, write_runs_csv, write_runs_page
    from visionlora.report.tables import sweep_table
    from visionlora.run_folder.find_runs import find_runs, varied_options
    from visionlora.settings import keys_of
    from visionlora.text import printable
    from visionlora.training.config import RunConfig

    folder = Path(options.folder)
    found = find_runs(folder)
    names = {run.path: _name(run.path, folder) for run in found}
    finished, broken = [], 0
    for run in found:
        if run.finished:
            metrics = _figures(run.path)
            if metrics is None:
                broken += 1
            else:
                finished.append((run, metrics))
        else:
            again = shlex.join(["visionlora", "train", f"resume={run.path}"])
            print(f"{printable(names[run.path])} is not finished; to continue it: {printable(again)}")
        if run.problem is not None:
            broken += 1
            print_error(run.problem)
    # What differs from a run that is not in the table would look like a difference between those that are.
    varied = varied_options([run for run, _ in finished], keys_of(RunConfig))
    rows = [
        RunRow(names[run.path], options, metrics)
        for (run, metrics), options in zip(finished, varied, strict=True)
    ]
    best = best_run([row.metrics for row in rows])
    if rows:
        show(sweep_table([(row.name, row.metrics) for row in rows]))
        for row in rows:
            if row.varied:
                told = ", ".join(f"{key}={value}" for key, value in row.varied.items())
                print(printable(f"{row.name}: {told}"))
    if options.output is not None and options.output.lower().endswith(".csv"):
        write_runs_csv(rows, best, Path(options.output))
    elif options.output is not None:
        write_runs_page(rows, best, options.folder, Path(options.output))
    return SOME_BROKEN if broken else 0


def _name(run: Path, folder: Path) -> str:
    return run.resolve().name if run == folder else str(run.relative_to(folder))


def _figures(run: Path) -> dict[str, Any] | None:
    """The run's metrics; None, and a line on standard error, where they are not such figures."""
    from visionlora.errors import VisionLoraError
    from visionlora.report.metrics_file import read_metrics
    from visionlora.report.runs import figures_of

    path = run / "metrics.json"
    try:
        metrics = read_metrics(path)
        figures_of(metrics)
    except VisionLoraError as error:
        print_error(str(error))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        print_error(f"{path} lacks figures that runs have ({error}); it is left out")
    else:
        return metrics
    return None


def main() -> None:
    """Entry point of the command."""
    sys.argv[1:] = folder_first(sys.argv[1:])
    launch(runs, COMMAND)


if __name__ == "__main__":
    main()
