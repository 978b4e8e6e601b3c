"""Take screenshots of a run's TensorBoard with headless Chromium, for the documentation.

python scripts/screenshot_tensorboard.py outputs/goldfish/pocket/DATE_TIME docs
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGES = {
    "tensorboard_scalars": "scalars&tagFilter=^(train|val)/(loss|top1|dist)&_smoothingWeight=0",
    "tensorboard_images": "images",
}  # fmt: skip
PAGE_LOAD_MS = 20_000
"""Virtual milliseconds for loading a page before its screenshot."""


def main() -> None:
    """Serve the run's event files and take a screenshot of each page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("output", type=Path, help="where the PNG files go")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with served(arguments.run / "tensorboard") as address:
        for name, page in PAGES.items():
            target = arguments.output / f"{name}.png"
            chromium(f"{address}/#{page}", f"--screenshot={target}", "--window-size=1500,1050")
            print(target)


@contextmanager
def served(events: Path) -> Iterator[str]:
    """TensorBoard over ``events`` on a free port of this machine; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(events), "--port", str(port)]
    board = subprocess.Popen([*command, "--host", "127.0.0.1"], stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/data/plugins_listing", board)
        yield f"http://127.0.0.1:{port}"
    finally:
        board.terminate()
        board.wait(10)


def wait_for(address: str, board: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Return when ``address`` answers; exit with an error if it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and board.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    sys.exit("error: TensorBoard does not start; try tensorboard --logdir RUN/tensorboard by hand")


def chromium(address: str, *options: str) -> str:
    """Open ``address`` in headless Chromium, wait until it is loaded, return the output."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("error: Chromium is not installed; install your system's chromium package")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--hide-scrollbars", f"--user-data-dir={profile}", f"--virtual-time-budget={PAGE_LOAD_MS}",
            *options, address,
        ]  # fmt: skip
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


if __name__ == "__main__":
    main()
