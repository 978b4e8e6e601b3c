"""How long ``visionlora check`` takes, as a multiple of decoding each image once on two workers.

    python -m benchmarks.check_time                 # 20,000 small images of seven kinds, 2,000 photos
    python -m benchmarks.check_time --kinds png --images 2000

The check is timed from start to exit, with its default options and an empty index; then once more, with the
index that the first one left. Its modules have been compiled before, as those of an installed package are.
Decoding is ``Image.open(path).convert("RGB")`` in two threads, and in two processes, which are started before
the clock is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.pool import Pool, ThreadPool
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.command import at_least, new_parser, run_command

WORKERS = 2
CLASSES = 10


def smooth(random: np.random.Generator, width: int, height: int, detail: int) -> Image.Image:
    """Blurred spots of any colour; ``detail`` of them a side."""
    spots = random.integers(0, 256, (detail, detail, 3), np.uint8)
    return Image.fromarray(spots).resize((width, height), Image.Resampling.BICUBIC)


def photo(random: np.random.Generator) -> Image.Image:
    """Shapes of four sizes and sensor noise, 1600 x 1200."""
    layers = (np.asarray(smooth(random, 1600, 1200, 4**power), np.float32) for power in (1, 2, 3, 4))
    image = sum(share * layer for share, layer in zip((0.5, 0.25, 0.15, 0.06), layers, strict=True))
    return Image.fromarray((image + random.normal(0, 3, (1200, 1600, 1))).clip(0, 255).astype(np.uint8))


def noise(random: np.random.Generator) -> Image.Image:
    """What takes a JPEG decoder longest."""
    return Image.fromarray(random.integers(0, 256, (320, 320, 3), np.uint8))


KINDS: dict[str, tuple[Callable[[np.random.Generator], Image.Image], str, float]] = {
    "noise": (noise, "JPEG, noise, 320 x 320", 1.0),
    "smooth": (lambda random: smooth(random, 400, 400, 8), "JPEG, smooth, 400 x 400", 1.0),
    "png": (lambda random: smooth(random, 64, 64, 16), "PNG, 64 x 64", 1.0),
    "png128": (lambda random: smooth(random, 128, 128, 16), "PNG, 128 x 128", 1.0),
    "png224": (lambda random: smooth(random, 224, 224, 16), "PNG, 224 x 224", 1.0),
    "jpeg128": (lambda random: smooth(random, 128, 128, 16), "JPEG, 128 x 128", 1.0),
    "jpeg224": (lambda random: smooth(random, 224, 224, 16), "JPEG, 224 x 224", 1.0),
    "photo": (photo, "JPEG, photos, 1600 x 1200", 0.1),
}
"""kind -> (how an image is drawn, what it is, share of the number of images)."""


def write_folder(folder: Path, kind: str, count: int) -> list[str]:
    """Write ``count`` images of a kind in class folders, where they are not there yet; their paths."""
    draw, _, _ = KINDS[kind]
    paths = []
    for number in range(count):
        suffix = "png" if kind.startswith("png") else "jpg"
        path = folder / f"class{number * CLASSES // count}" / f"{number:05d}.{suffix}"
        paths.append(str(path))
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(np.random.default_rng(number)).save(path)
    return paths


def decode(path: str) -> None:
    """Decode one image."""
    with Image.open(path) as image:
        image.convert("RGB")


def seconds_to_decode(pool: Pool, paths: list[str]) -> float:
    """How long a pool takes to decode them all."""
    started = time.perf_counter()
    pool.map(decode, paths)
    return time.perf_counter() - started


def seconds_to_check(folder: Path, cache: Path, bytecode: Path) -> float:
    """How long the command takes from start to exit, with the bytecode that an installed package has."""
    environment = {**os.environ, "VISIONLORA_CACHE": str(cache), "PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "visionlora", "check", f"data.root={folder}"]
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(folder: Path, paths: list[str], rounds: int) -> dict[str, float]:
    """Medians in seconds of rounds that take each in turn."""
    times: dict[str, list[float]] = {"threads": [], "processes": [], "check": [], "again": []}
    for path in paths:
        Path(path).read_bytes()  # into the system's memory
    with (
        ThreadPool(WORKERS) as threads,
        get_context("fork").Pool(WORKERS) as processes,
        tempfile.TemporaryDirectory() as made,
    ):
        bytecode = Path(made)
        with tempfile.TemporaryDirectory() as cache:
            seconds_to_check(folder, Path(cache), bytecode)  # compiles
        for _ in range(rounds):
            times["threads"].append(seconds_to_decode(threads, paths))
            times["processes"].append(seconds_to_decode(processes, paths))
            with tempfile.TemporaryDirectory() as cache:
                times["check"].append(seconds_to_check(folder, Path(cache), bytecode))
                times["again"].append(seconds_to_check(folder, Path(cache), bytecode))
    return {name: statistics.median(values) for name, values in times.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = new_parser("check_time", __doc__)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--images", type=at_least(10), default=20_000, help="of a kind; a tenth as many photos"
    )
    parser.add_argument("--rounds", type=at_least(1), default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "check_time")
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    """Measure each kind and print a table."""
    print("| images | decoded by two threads, processes | checked | times threads, processes | again |")
    print("| --- | --- | --- | --- | --- |")
    for kind in options.kinds:
        _, about, share = KINDS[kind]
        count = round(options.images * share)
        folder = options.folder / f"{kind}-{count}"
        found = measure(folder, write_folder(folder, kind, count), options.rounds)
        ratios = [found["check"] / found[name] for name in ("threads", "processes")]
        cells = [
            f"{count:,} {about}",
            f"{found['threads']:.1f}, {found['processes']:.1f} s",
            f"{found['check']:.1f} s",
            f"{ratios[0]:.2f}, {ratios[1]:.2f}",
            f"{found['again']:.1f} s",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
