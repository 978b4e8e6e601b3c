"""Peak memory of scanning, checking and predicting 1,000 and 100,000 images.

    python -m benchmarks.many_images --adapter outputs/goldfish/pocket/DATE_TIME

The images are PNGs of 40 x 40 pixels, each with bytes of its own. The peak is the largest resident set of the
command's process (``ru_maxrss``), shared libraries among it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.command import new_parser, run_command
from visionlora.errors import VisionLoraError

CLASSES = 10
DRAWN = 16
"""Different images; a number behind the end of a file makes its bytes differ."""


def write_folder(folder: Path, count: int) -> Path:
    """``count`` images in class folders, where they are not there yet."""
    if not folder.exists():
        drawn = [_picture(number) for number in range(DRAWN)]
        for number in range(CLASSES):
            (folder / f"class{number}").mkdir(parents=True)
        for number in range(count):
            path = folder / f"class{number % CLASSES}" / f"{number:06}.png"
            path.write_bytes(drawn[number % DRAWN] + number.to_bytes(4, "big"))
    return folder


def _picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
    target = BytesIO()
    Image.fromarray(pixels).save(target, "png")
    return target.getvalue()


def peak(command: list[str]) -> tuple[float, float]:
    """Megabytes at the peak of a command's process, and seconds.

    Raises:
        VisionLoraError: the command failed; with the end of what it wrote.
    """
    with tempfile.TemporaryFile() as written:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            written.seek(0)
            raise VisionLoraError(f"{' '.join(command)} failed:\n{written.read()[-1000:].decode()}")
    return usage.ru_maxrss / 1024, seconds


def commands(folder: Path, adapter: Path | None, output: Path) -> dict[str, list[str]]:
    """What is measured on a folder of images, by its name."""
    python = sys.executable
    found = {
        name: [python, "-c", f"from visionlora.data import {name}; {name}({str(folder)!r})"]
        for name in ("scan", "scan_images")
    }
    found["check"] = [python, "-m", "visionlora", "check", f"data.root={folder}"]
    if adapter is not None:
        found["predict"] = [
            python, "-m", "visionlora", "predict",
            f"adapter={adapter}", f"images={folder}", f"output={output}",
        ]  # fmt: skip
    return found


def _run(options: argparse.Namespace, command: str) -> None:
    print("| command | images | peak memory | time |\n| --- | ---: | ---: | ---: |")
    for count in options.counts:
        folder = write_folder(options.folder / str(count), count)
        for name, words in commands(folder, options.adapter, options.folder / f"{count}.csv").items():
            megabytes, seconds = peak(words)
            print(f"| `{name}` | {count:,} | {megabytes:,.0f} MB | {seconds:.0f} s |", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("many_images", __doc__)
    add = parser.add_argument
    add("--counts", nargs="+", type=int, default=[1_000, 100_000], metavar="IMAGES")
    add("--adapter", type=Path, metavar="RUN", help="without it predict is left out")
    add("--folder", type=Path, default=Path(tempfile.gettempdir()) / "many_images", help="of the images")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
