"""Time from the command to the result: ours, full fine-tuning, the classifier alone and PEFT's LoRA.

    python -m benchmarks.time_to_result --plot benchmarks/time_to_result.png --results benchmarks/RESULTS.md

Every job is a process of its own that reads the images, trains, validates eight times and writes its result.
Its wall time is that of the process, imports included, and its core seconds are those of the process and its
children. What it learned and lost is measured afterwards, on images that the job never saw. Ours runs twice:
the second run finds what the first one kept about the network and the machine. Every finished job is a line
of the records; the command continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors.torch import load_file

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality import append, read_records
from benchmarks.time_plot import draw, table
from benchmarks.time_tasks import Job, make_jobs
from visionlora.data import AugmentConfig, scan_images, scan_labelled
from visionlora.data.loading.loaders import ImageLoaders, LoaderOptions
from visionlora.errors import VisionLoraError
from visionlora.evaluation.predictions import Predictions, predict_batches
from visionlora.models import apply_head, find_class, load_backbone
from visionlora.models.restore import restore

OURS, AGAIN = "ours", "ours, second run"
CONTENDERS: Mapping[str, float] = {
    OURS: 3e-3, AGAIN: 3e-3, "full fine-tuning": 1e-4, "classifier only": 1e-3, "PEFT LoRA": 3e-3,
}  # fmt: skip
"""By name, with the learning rate that benchmarks.quality found best for most tasks."""
HOW = (
    "Wall time and core seconds (user and system) of the whole process, from the command to the written "
    "result. `learned`: top-1 on held-out images of what is learned; `lost`: top-1 lost on held-out photos; "
    "`others`: share of held-out drawings of other things that are predicted as a trained class. No job has "
    "seen these images, for training, for validation or to choose anything. The seconds of each phase are "
    "the job's own; imports are what is left of the wall time. The others train for 8 epochs of batches of "
    "32, at least 160 steps, in bfloat16."
)
Record = dict[str, Any]


def timed_process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> tuple[float, float]:
    """Wall time and core seconds of a process and its children.

    Raises:
        VisionLoraError: it ended with an error; the message has the end of what it said.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = os.posix_spawn(
            command[0], list(command), dict(environment),
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), stream) for stream in (1, 2)],
        )  # fmt: skip
        _, status, used = os.wait4(process, 0)
        wall = time.perf_counter() - started
    if status:
        raise VisionLoraError(f"{' '.join(command[:4])} failed: {log.read_text()[-2000:]}")
    return wall, used.ru_utime + used.ru_stime


def run_job(job: Job, contender: str, seed: int, threads: int, folder: Path, cache: Path) -> Record:
    """One job from the command to its result, and the figures of what it left.

    Args:
        job: what is learned.
        contender: a name in :data:`CONTENDERS`.
        seed: of the job.
        threads: of PyTorch.
        folder: where the job writes; it must not exist.
        cache: where ours keeps what it learned about the network and the machine.
    """
    lr = CONTENDERS[contender]
    run, python = folder / "run", [sys.executable, "-m"]
    folder.mkdir(parents=True)
    if contender in (OURS, AGAIN):
        data = [] if any(one.startswith("data=") for one in job.settings) else ["data=folder"]
        command = [
            *python, "visionlora.train", *data, *job.settings, f"data.root={job.root}",
            f"model.name={job.network}", f"model.weights={job.weights}", f"model.head={job.head}",
            f"seed={seed}", f"trainer.threads={threads}", f"hydra.run.dir={run}",
        ]  # fmt: skip
    else:
        given = json.dumps(asdict(job), default=str)
        command = [
            *python, "benchmarks.plain_job", contender, f"{lr}", f"{seed}", f"{threads}", f"{run}", given,
        ]  # fmt: skip
    environment = {**os.environ, "VISIONLORA_CACHE": str(cache), "OMP_NUM_THREADS": str(threads)}
    begun = time.time()
    wall, core = timed_process(command, environment, folder / "log.txt")
    times = _times(run, begun)
    return {"wall": wall, "core": core, **times, **figures(job, run)}


def _times(run: Path, begun: float) -> Record:
    """The seconds of each phase, and the validation curve as (seconds since the command, top-1)."""
    if (run / "times.json").exists():
        found = json.loads((run / "times.json").read_text())
        curve, time_of = found["curve"], found["time"]
    else:
        found = json.loads((run / "metrics.json").read_text())
        curve, time_of = _tensorboard(run / "tensorboard"), found["time"]
    return {
        "time": time_of,
        "steps": found["steps"],
        "curve": [[moment - begun, top1] for moment, top1 in curve],
    }


def _tensorboard(folder: Path) -> list[tuple[float, float]]:
    """When a run validated, and its validation top-1."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    if "val/top1" not in events.Tags()["scalars"]:
        return []
    return [(event.wall_time, event.value) for event in events.Scalars("val/top1")]


def figures(job: Job, run: Path) -> Record:
    """What a job learned and lost, on the images that are held out; None where there are none."""
    backbone = load_backbone(job.network, job.weights, progress=False)
    if (run / "adapter").exists():
        restored = restore(run)
        network, head, classes = restored.network, restored.head, restored.classes
    else:
        classes = tuple(sorted(folder.name for folder in job.new.iterdir()))
        plain = load_backbone(job.network, job.weights, progress=False)
        head = apply_head(plain, job.head, classes)
        network = plain.model.eval()
        network.load_state_dict(load_file(run / "network.safetensors"))
    targets = dict(zip(classes, head.targets, strict=True))
    loaders = ImageLoaders(backbone.preprocessing, AugmentConfig(), LoaderOptions(batch_size=32))

    def ask(model: torch.nn.Module, images: Any, labels: Mapping[str, int] | None = None) -> Predictions:
        return predict_batches(model.eval(), loaders.plain("held out", images, labels))

    found: Record = {"learned": ask(network, scan_labelled(job.new), targets).top(1)}
    if job.old is not None:
        photos = scan_labelled(job.old)
        names = {photo.label for photo in photos if photo.label is not None}
        known = {name: find_class(name, backbone.categories, backbone.wnids) for name in names}
        before, after = ask(backbone.model, photos, known).top(1), ask(network, photos, known).top(1)
        found |= {"lost": before - after, "photos": len(photos)}
    if job.others is not None:
        others = [one for one in scan_images([job.others]) if one.path.parent.name not in targets]
        found["others"] = ask(network, others).share_predicted(tuple(targets.values()))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    console = Console()
    records = read_records(options.records)
    with tempfile.TemporaryDirectory() as folder:
        jobs = make_jobs(Path(folder) / "jobs", options.real)
        names = options.only or list(jobs)
        for kind, asked, known in (("job", names, jobs), ("contender", options.contenders, CONTENDERS)):
            if wrong := [one for one in asked if one not in known]:
                raise VisionLoraError(f"no {kind} is called {wrong[0]!r}; there are {', '.join(known)}")
        for name in [] if options.show else names:
            for seed in options.seeds:
                cache = Path(folder) / "cache" / f"{name}-{seed}"
                for contender in (one for one in CONTENDERS if one in options.contenders):
                    trial = {"job": name, "contender": contender, "seed": seed, "threads": options.threads}
                    if any(trial.items() <= record.items() for record in records):
                        continue
                    place = Path(folder) / "runs" / f"{name}-{seed}-{contender}"
                    found = run_job(jobs[name], contender, seed, options.threads, place, cache)
                    records.append({**trial, **found, "load": os.getloadavg()[0]})
                    append(options.records, records[-1])
                    console.print(
                        f"{name}, {contender}, seed {seed}: {found['wall']:.0f} s, {found['core']:.0f} core "
                        f"s, learned {found['learned']:.3f}", highlight=False,
                    )  # fmt: skip
        titles = {name: jobs[name].title for name in names}
    shown = [record for record in records if record["contender"] in options.contenders]
    if options.plot:
        draw(shown, titles, options.plot)
    parts = [HOW, *(f"**{title}**\n\n{table(shown, name)}" for name, title in titles.items())]
    if options.plot:
        parts.append(f"![Learned against seconds]({options.plot.name})")
    text = results.section("Time to the result", command, *parts)
    results.write(options, "time-to-result", text, {"records": shown})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("time_to_result", __doc__)
    add = parser.add_argument
    add(
        "--only", nargs="+", metavar="JOB", help="pocket-goldfish, goldfish, one-class, 142-classes, new-head"
    )
    add("--contenders", nargs="+", metavar="NAME", default=list(CONTENDERS), help="; ".join(CONTENDERS))
    add("--seeds", nargs="+", type=int, default=[0], help="of the jobs")
    add("--plot", type=Path, metavar="FILE", help="learned against seconds, as a PNG")
    add_shared(parser, "show", "real", "json", "results", threads=2, records="time.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
