"""Jobs of the SLURM workload manager: a signal before the time is up, and the queue again."""

from __future__ import annotations

import os
import signal
import subprocess

WARNING = getattr(signal, "SIGUSR1", None)
"""What ``#SBATCH --signal=SIGUSR1@90`` sends before the time is up; None: this system has no such signal."""


def in_job() -> bool:
    """Whether this process belongs to a job."""
    return "SLURM_JOB_ID" in os.environ


def was_requeued() -> bool:
    """Whether the job ran before."""
    return in_job() and os.environ.get("SLURM_RESTART_COUNT", "0") != "0"


def requeue() -> str | None:
    """Put the job into the queue again; None, or why it could not be."""
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ.get('SLURM_ARRAY_TASK_ID', 0)}"
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
    except OSError as error:
        return f"job {job} is not requeued: scontrol: {error.strerror}"
    if done.returncode:
        return f"job {job} is not requeued: {done.stderr.strip() or f'scontrol ended with {done.returncode}'}"
    return None
