"""Jobs of the studio: a queue of trainings, one at a time, each an ordinary run in an ordinary run folder."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from visionlora.errors import VisionLoraError
from visionlora.files import read_json, write_json
from visionlora.run_folder.lock import LOCK, claimed
from visionlora.run_folder.names import STATUS
from visionlora.studio.job import END, FILES, JOB, LOG, NAMES, stop_waits
from visionlora.studio.projects import checked_id, cleaned_name, to_bin

STOPPED = (130, 143)
_LOG_END = 20_000
"""Bytes of the log that are looked through for an error."""
_PROCESS = re.compile(r"process (\d+) on ")


@dataclass
class Job:
    """One training.

    Attributes:
        id: its run's folder is called so, too.
        name: what people call it, and its adapter.
        project: the project that it trains with.
        arguments: of ``visionlora train``.
        created: seconds since 1970.
        merged: whether its adapter was merged of others, without a training.
    """

    id: str
    name: str
    project: str
    arguments: list[str]
    created: float
    merged: bool = False


def new_id() -> str:
    """An id for a job: when it was made, and four digits that set it apart."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


class Jobs:
    """The queue; every method may be called from any thread.

    Args:
        folder: of the studio: jobs are in ``jobs``, runs in ``runs``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._read: dict[str, tuple[int, Job]] = {}
        self._ended: dict[str, int] = {}
        self._closed = threading.Event()

    def folder(self, job: str) -> Path:
        """Where a job's files are."""
        return self._folder / "jobs" / checked_id(job)

    def run(self, job: str) -> Path:
        """The run folder of a job."""
        return self._folder / "runs" / checked_id(job)

    def add(self, identity: str, project: str, name: str, arguments: Sequence[str]) -> Job:
        """Queue a training under an id (:func:`new_id`)."""
        given = [*arguments, f"hydra.run.dir={self.run(identity)}", "trainer.progress=false"]
        job = Job(identity, cleaned_name(name), project, given, time.time())
        write_json(self.folder(identity) / JOB, asdict(job))
        self.start_next()
        return job

    def add_merged(self, identity: str, project: str, name: str) -> Job:
        """Take in an adapter that was merged of others: it is in the run folder of that id."""
        job = Job(identity, cleaned_name(name), project, [], time.time(), merged=True)
        write_json(self.folder(identity) / END, {"code": 0})  # first: nothing of it is to be started
        write_json(self.folder(identity) / JOB, asdict(job))
        return job

    def get(self, job: str) -> Job:
        """A job.

        Raises:
            VisionLoraError: there is none of that id.
        """
        path = self.folder(job) / JOB
        try:
            changed = path.stat().st_mtime_ns
        except OSError as error:
            raise VisionLoraError("there is no such training; it may have been deleted") from error
        known = self._read.get(job)
        if known is None or known[0] != changed:
            known = self._read[job] = changed, Job(**read_json(path))
        return replace(known[1])

    def all(self) -> list[Job]:
        """Every job, the oldest first."""
        jobs = []
        for path in (self._folder / "jobs").glob(f"*/{JOB}"):
            with suppress(VisionLoraError):  # it was deleted meanwhile
                jobs.append(self.get(path.parent.name))
        return sorted(jobs, key=lambda job: job.created)

    def state(self, job: str) -> str:
        """``queued``, ``running``, ``finished``, ``stopped``, ``failed``; ``interrupted``: it was killed."""
        folder = self.folder(job)
        with self._lock:
            if job not in self._ended and self._is_running(job):
                return "running"
            if job not in self._ended:
                if not (folder / END).exists():
                    return "interrupted" if (folder / LOG).exists() else "queued"
                self._ended[job] = read_json(folder / END)["code"]
            code = self._ended[job]
        if code == 0:
            return "finished"
        return "stopped" if code in STOPPED else "failed"

    def describe(self, job: Job) -> dict[str, Any]:
        """A job for the page: its state, and what its run says of itself."""
        run, state = self.run(job.id), self.state(job.id)
        told: dict[str, Any] = {}
        with suppress(VisionLoraError):
            told = read_json(run / STATUS) if (run / STATUS).exists() else {}
        return {
            "id": job.id, "name": job.name, "project": job.project, "created": job.created, "state": state,
            "status": told, "error": self.error(job.id) if state in ("failed", "interrupted") else "",
            "resumable": state in ("stopped", "failed", "interrupted") and (run / "config.yaml").exists(),
            "adapter": (run / "adapter" / "adapter_config.json").exists(),
        }  # fmt: skip

    def error(self, job: str) -> str:
        """What the training said last about why it ended."""
        lines = self.log(job).splitlines()
        said = [line for line in lines if line.startswith("error: ")]
        if not lines:
            return (
                "its process ended before it could write anything; is the disk of the studio's folder full?"
            )
        text = said[-1].removeprefix("error: ") if said else "\n".join(lines[-5:])
        return self._with_own_names(job, text)

    def _with_own_names(self, job: str, text: str) -> str:
        """The text with the names that people gave their files, in place of ours."""
        files = self.folder(job) / FILES
        with suppress(VisionLoraError):
            names = read_json(files / NAMES)
            ours = re.compile(rf"{re.escape(str(files))}/[\w/]+/([\w.]+\w)")
            return ours.sub(lambda found: names.get(found[1], found[0]), text)
        return text

    def log(self, job: str) -> str:
        """The end of what the training printed."""
        path = self.folder(job) / LOG
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_END))
            return file.read().decode("utf-8", "replace")

    def cancel(self, job: str) -> None:
        """Stop a training, which saves what it has learned; take one that waits out of the queue."""
        with self._lock:
            state = self.state(self.get(job).id)
            if state == "queued":
                write_json(self.folder(job) / END, {"code": STOPPED[1]})
                (self.folder(job) / LOG).touch()
            elif state == "running":
                os.kill(self._process(job), signal.SIGTERM)
            else:
                raise VisionLoraError("this training has ended")

    def resume(self, job: str) -> None:
        """Queue a training again that did not end; it continues where it was.

        Raises:
            VisionLoraError: it has nothing to continue.
        """
        with self._lock:
            found = self.get(job)
            if not self.describe(found)["resumable"]:
                raise VisionLoraError("there is nothing to continue in this training; start it again")
            found.arguments = [f"resume={self.run(job)}"]
            found.created = time.time()
            write_json(self.folder(job) / JOB, asdict(found))
            self._ended.pop(job, None)
            for name in (END, LOG):
                (self.folder(job) / name).unlink(missing_ok=True)
        self.start_next()

    def rename(self, job: str, name: str) -> None:
        """Call it and its adapter something else."""
        with self._lock:
            found = self.get(job)
            found.name = cleaned_name(name)
            write_json(self.folder(job) / JOB, asdict(found))

    def delete(self, job: str) -> None:
        """Put a training and its adapter into the bin.

        Raises:
            VisionLoraError: it is running.
        """
        with self._lock:
            if self.state(self.get(job).id) == "running":
                raise VisionLoraError("this training is running; stop it first")
            if self.run(job).exists():
                to_bin(self.run(job), self._folder / "bin")
            shutil.rmtree(self.folder(job))
            self._ended.pop(job, None)

    def start_next(self) -> None:
        """Start the job that has waited longest, unless one is running."""
        with self._lock:
            jobs = self.all()
            states = {job.id: self.state(job.id) for job in jobs}
            if "running" in states.values():
                return
            waiting = next((job for job in jobs if states[job.id] == "queued"), None)
            if waiting is not None:
                with stop_waits():
                    self._started[waiting.id] = subprocess.Popen(
                        [sys.executable, "-m", "visionlora.studio.job", str(self.folder(waiting.id))],
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                        start_new_session=True,
                    )  # fmt: skip

    def keep_going(self) -> None:
        """Start one job after the other, until :meth:`close` is called."""
        while not self._closed.wait(0.5):
            with suppress(VisionLoraError, OSError):
                self.start_next()

    def close(self) -> None:
        """Start no more jobs; one that runs goes on."""
        self._closed.set()

    def _is_running(self, job: str) -> bool:
        started = self._started.get(job)
        if started is not None:
            if started.poll() is None:
                return True
            del self._started[job]
        folder = self.folder(job)
        if started is not None and not (folder / END).exists() and not (folder / LOG).exists():
            # It could not even open its log. Queued, it would be started again every half second.
            self._ended[job] = started.returncode or 1
            return False
        if not (folder / LOCK).exists():
            return False
        try:  # a studio before this one may have started it
            with claimed(folder):
                return False
        except VisionLoraError:
            return True

    def _process(self, job: str) -> int:
        started = self._started.get(job)
        if started is not None:
            return started.pid
        named = _PROCESS.search((self.folder(job) / LOCK).read_text(encoding="utf-8"))
        if named is None:
            raise VisionLoraError("the training's process is not known; stop it by hand")
        return int(named[1])
