"""TensorBoard on the studio's runs, started when somebody asks for it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from visionlora.errors import MachineFault

PATIENCE_S = 30.0


class TensorBoard:
    """One TensorBoard on loopback.

    Args:
        runs: the folder of all runs.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def address(self) -> str:
        """Where it answers; it is started where it does not run.

        Raises:
            MachineFault: it does not start.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            return f"http://127.0.0.1:{self._port}/"

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()

    def _start(self) -> None:
        self._runs.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", "--logdir", str(self._runs), "--host", "127.0.0.1",
             "--port", str(self._port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.1)
        raise MachineFault("TensorBoard does not start; python -m tensorboard.main --logdir FOLDER says why")
