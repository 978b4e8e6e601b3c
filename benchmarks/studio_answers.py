"""How soon the studio answers while it trains, and how long it takes from a click to the first step.

    python -m benchmarks.studio_answers
    python -m benchmarks.studio_answers --network resnet50 --seconds 60

It starts a studio with made images, and as many finished trainings as ``--finished`` says. A click is the
page's request to train, with what follows until the run's ``status.json`` tells of a step; the command's own
time is that of ``visionlora train`` with the same options, seen in the same way. They take turns. Then, while
a training runs on all cores, each request of the page is sent again and again, with a rest between them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from benchmarks.command import new_parser, run_command
from visionlora.errors import VisionLoraError
from visionlora.files import write_json
from visionlora.run_folder.status import STATUS
from visionlora.studio.job import JOB
from visionlora.studio.jobs import Jobs, new_id

PATIENCE_S = 600
REST_S = 0.05
ENDLESS = 1_000_000
"""Steps of the training that is stopped in the end."""
CLASSES = ("goldfish", "tiger")


class Page:
    """What asks the studio, as the page does."""

    def __init__(self, address: str) -> None:
        self._at = urlsplit(address).netloc

    def ask(self, method: str, path: str, values: Any = None) -> Any:
        """What it answers, JSON as values.

        Raises:
            SystemExit: it refuses.
        """
        body = None if values is None else json.dumps(values)
        return self._sent(method, path, body, {"content-type": "application/json"})

    def upload(self, path: str, files: dict[str, bytes], **fields: str) -> Any:
        """Send files as a form does."""
        parts = [
            f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        parts += [
            f'--x\r\ncontent-disposition: form-data; name="{"file" if len(files) == 1 else "files"}"; '
            f'filename="{name}"\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for name, content in files.items()
        ]
        body = b"".join([*parts, b"--x--\r\n"])
        return self._sent("POST", path, body, {"content-type": "multipart/form-data; boundary=x"})

    def _sent(self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]) -> Any:
        connection = HTTPConnection(self._at, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            sys.exit(f"{method} {path}: {answer.status} {content.decode('utf-8', 'replace')}")
        return json.loads(content) if "json" in answer.headers["content-type"] else content


def drawing(number: int) -> bytes:
    """A JPEG of 640 x 480 that no other number gives."""
    spots = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(spots).resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


@contextmanager
def studio(folder: Path) -> Iterator[Page]:
    """A studio that runs, ready to compute."""
    words = [f"folder={folder}", "port=0", "open=false"]
    process = subprocess.Popen(
        [sys.executable, "-m", "visionlora.studio", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = re.search(r"http://\S+", process.stdout.readline())
    if said is None:
        sys.exit("the studio does not start")
    try:
        page = Page(said[0])
        page.ask("GET", "/api/networks")  # as the page does; its engine has imported PyTorch then
        yield page
    finally:
        jobs = Jobs(folder)
        for job in jobs.all():
            if jobs.state(job.id) in ("queued", "running"):
                jobs.cancel(job.id)
        process.terminate()
        process.wait(30)


def new_project(page: Page, images: int) -> str:
    """A project with so many made images of two classes."""
    project = page.ask("POST", "/api/projects", {"name": "Made"})["id"]
    for place, name in enumerate(CLASSES):
        numbers = range(place, images, len(CLASSES))
        files = {f"{number}.jpg": drawing(number) for number in numbers}
        page.upload(f"/api/projects/{project}/images", files, role="class", label=name)
    return project


def train(page: Page, project: str, network: str, steps: int) -> str:
    """Click on "Train"; the id of the training."""
    chosen = {"keep": "everything", "long": "quick", "network": network, "name": ""}
    options = [f"trainer.max_steps={steps}", "trainer.patience=null"]
    return page.ask("POST", f"/api/projects/{project}/train", {**chosen, "options": options})["id"]


def seconds_to_first_step(run: Path, started: float) -> float:
    """How long after ``started`` the run tells of its first step."""
    while time.perf_counter() < started + PATIENCE_S:
        try:
            if json.loads((run / STATUS).read_text("utf-8"))["step"] >= 1:
                return time.perf_counter() - started
        except FileNotFoundError:
            pass
        time.sleep(0.02)
    sys.exit(f"{run} has no first step after {PATIENCE_S} s; its log is {run / 'train.log'}")


def wait_for_end(page: Page, job: str) -> None:
    """Until a training has ended."""
    while page.ask("GET", f"/api/jobs/{job}")["state"] in ("queued", "running"):
        time.sleep(0.2)


def first_steps(page: Page, folder: Path, project: str, network: str, rounds: int) -> dict[str, list[float]]:
    """Seconds to the first step, by click and by command, which take turns."""
    times: dict[str, list[float]] = {"click": [], "command": []}
    jobs = Jobs(folder)
    for number in range(rounds + 1):
        started = time.perf_counter()
        job = train(page, project, network, 20)
        clicked = seconds_to_first_step(jobs.run(job), started)
        wait_for_end(page, job)
        run = folder / f"command-{number}"
        words = [one for one in jobs.get(job).arguments if not one.startswith("hydra.run.dir=")]
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "visionlora.train", *words, f"hydra.run.dir={run}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        commanded = seconds_to_first_step(run, started)
        process.wait()
        if number:  # the first pair fills caches
            times["click"].append(clicked)
            times["command"].append(commanded)
    return times


def copy_finished(folder: Path, job: str, count: int) -> None:
    """Make more finished trainings of one."""
    jobs = Jobs(folder)
    for number in range(count):
        identity = f"{new_id()}-{number}"
        shutil.copytree(jobs.run(job), jobs.run(identity))
        shutil.copytree(jobs.folder(job), jobs.folder(identity))
        write_json(jobs.folder(identity) / JOB, asdict(replace(jobs.get(job), id=identity)))


def requests(page: Page, project: str, job: str, running: str) -> dict[str, tuple[str, str, Any]]:
    """What the page asks for -> method, path and values; ``{n}`` is another number each time."""
    image = page.ask("GET", f"/api/projects/{project}")["images"][0]["id"]
    tried = page.upload("/api/tried", {"image": drawing(0)})["id"]
    return {
        "the page": ("GET", "/", None),
        "all trainings (each second)": ("GET", "/api/jobs", None),
        "this training (each second)": ("GET", f"/api/jobs/{running}", None),
        "the project": ("GET", f"/api/projects/{project}", None),
        "a small image": ("GET", f"/api/projects/{project}/images/{image}", None),
        "rename the project": ("PATCH", f"/api/projects/{project}", {"name": "Made again"}),
        "outputs of the network": ("GET", "/api/networks/pocket/outputs", None),
        "all adapters": ("GET", "/api/adapters", None),
        "logits at a strength": ("GET", f"/api/adapters/{job}/look/{tried}?strength=0.{{n}}", None),
    }


def latencies(
    page: Page, asked: dict[str, tuple[str, str, Any]], seconds: float
) -> dict[str, Sequence[float]]:
    """Seconds of each answer, all requests in turn for so long."""
    times: dict[str, list[float]] = {name: [] for name in asked}
    until, number = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        number += 1
        for name, (method, path, values) in asked.items():
            started = time.perf_counter()
            page.ask(method, path.replace("{n}", str(number)), values)
            times[name].append(time.perf_counter() - started)
            time.sleep(REST_S)
    return dict(times)


def report(times: dict[str, list[float]], answers: dict[str, Sequence[float]]) -> None:
    """Print both tables."""
    click, command = (statistics.median(times[name]) for name in ("click", "command"))
    print(f"to the first step: {click:.2f} s from the click, {command:.2f} s by command ", end="")
    print(f"({click - command:+.2f} s; {len(times['click'])} rounds)\n")
    print("| request while a training runs | answers | median | 95th percentile | longest |")
    print("| --- | --- | --- | --- | --- |")
    for name, some in answers.items():
        ordered = sorted(some)
        high = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        cells = [f"{1000 * one:.0f} ms" for one in (statistics.median(some), high, ordered[-1])]
        print(f"| {name} | {len(some)} | {' | '.join(cells)} |")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = new_parser("studio_answers", __doc__)
    parser.add_argument("--network", default="pocket")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--finished", type=int, default=30, help="finished trainings beside the running one")
    parser.add_argument("--rounds", type=int, default=3, help="of clicks and commands")
    parser.add_argument("--seconds", type=float, default=30, help="of requests")
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["VISIONLORA_CACHE"] = os.environ.get("VISIONLORA_CACHE", str(folder / "cache"))
        with studio(folder) as page:
            project = new_project(page, options.images)
            times = first_steps(page, folder, project, options.network, options.rounds)
            job = page.ask("GET", "/api/adapters")[0]["id"]
            copy_finished(folder, job, options.finished)
            running = train(page, project, options.network, ENDLESS)
            seconds_to_first_step(Jobs(folder).run(running), time.perf_counter())
            asked = requests(page, project, job, running)
            answers = latencies(page, asked, options.seconds)
            still = page.ask("GET", f"/api/jobs/{running}")["state"] == "running"
            if still:
                page.ask("POST", f"/api/jobs/{running}/cancel")
            wait_for_end(page, running)
    report(times, answers)
    if not still:
        raise VisionLoraError("the training ended before the requests did; ask for fewer --seconds")


if __name__ == "__main__":
    raise SystemExit(main())
