"""How each run of a sweep ended: written by the process that ran it, read by the one that started all."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from visionlora.files import read_json, write_json

FOLDER = ".jobs"
"""Within the sweep's folder; it is gone when the sweep has ended."""


@dataclass(frozen=True)
class Job:
    """A run of a sweep.

    Attributes:
        number: its place in the sweep.
        overrides: what the command line set for it.
        folder: of the run.
        exit_code: 0 where it ended well.
    """

    number: int
    overrides: tuple[str, ...]
    folder: str
    exit_code: int


def record_job(exit_code: int) -> float:
    """Write down how the run of this process ended; what a sweeper such as Optuna makes small.

    That is what chooses a run's checkpoint: the error rate (what is missing to a mean average precision of 1)
    and a tenth of the loss, on validation images or cross-validated. Infinity where the run has no such
    figures.
    """
    from hydra.core.hydra_config import HydraConfig

    from visionlora.report.learned import learned_in_comparison

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    job = Job(hydra.job.num, tuple(hydra.overrides.task), str(folder), exit_code)
    write_json(Path(hydra.sweep.dir) / FOLDER / f"{job.number}.json", asdict(job))
    try:
        new = learned_in_comparison(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return math.inf
    return math.inf if new.after is None or new.loss is None else 1 - new.after + new.loss / 10


def read_jobs(sweep: Path) -> list[Job]:
    """The runs of a sweep, in order; what recorded them is removed."""
    files = list((sweep / FOLDER).glob("*.json"))
    found = [read_json(file) for file in files]
    jobs = [Job(**{**job, "overrides": tuple(job["overrides"])}) for job in found]
    for file in files:
        file.unlink()
    if (sweep / FOLDER).is_dir():
        (sweep / FOLDER).rmdir()
    return sorted(jobs, key=lambda job: job.number)
