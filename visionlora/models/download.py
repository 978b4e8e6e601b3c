"""Published weights: from PyTorch's cache, or over a network that may be dead, slow or broken.

``torch.hub.load_state_dict_from_url`` never gives up: it waits without end for a server that does not answer,
and it does not look at a file that is in the cache already. Here every wait ends, and the hash in the file's
name is checked each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from visionlora.errors import VisionLoraError
from visionlora.files import replacing

ATTEMPTS = 2
SLOWEST_BYTES_PER_S = 32 * 1024
_CHUNK = 1 << 17


class WeightsUnavailable(VisionLoraError):
    """Published weights are neither in the cache nor to be had from the network."""


class _Broken(Exception):
    """This transfer came to nothing; ``again`` tells whether another one may go better."""

    def __init__(self, reason: str, again: bool) -> None:
        super().__init__(reason)
        self.again = again


def cache_path(url: str) -> Path:
    """Where PyTorch keeps the file of ``url``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]


def published_weights(name: str, url: str, progress: bool, timeout_s: float) -> tuple[Path, str | None]:
    """The file of ``url`` in PyTorch's cache, downloaded where it is not there yet.

    A cached file with the wrong hash is removed and downloaded again; the second value says so.

    Raises:
        WeightsUnavailable: the file cannot be had. The message says which one, why, where to put it by hand
            and how to do without.
    """
    path = cache_path(url)
    notice = None
    try:
        if path.is_file():
            fault = _wrong_hash(path, url)
            if fault is None:
                return path, None
            path.unlink()
            notice = f"the cached {path} was {fault}, so it was removed"
        _download(url, path, progress, timeout_s)
    except (_Broken, OSError) as error:
        raise WeightsUnavailable(
            f"{name}: cannot get {url} ({error}){f'; {notice}' if notice else ''}; put that file at {path} "
            "by hand, or do without the network: model=pocket, model.weights=PATH or model.weights=none"
        ) from error
    return path, f"{notice} and downloaded again" if notice else None


def _download(url: str, path: Path, progress: bool, timeout_s: float) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with replacing(path) as beside:
                _transfer(url, beside, progress, timeout_s)
                fault = _wrong_hash(beside, url)
                if fault is not None:
                    raise _Broken(f"what came was {fault}", again=True)
            return
        except _Broken as error:
            if not error.again or attempt == ATTEMPTS:
                raise


def _transfer(url: str, path: Path, progress: bool, timeout_s: float) -> None:
    name = TextColumn(url.rsplit("/", 1)[-1])
    columns = (name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not progress)
    with path.open("wb") as file, contextlib.ExitStack() as shown:
        task = None
        for size, chunk in _chunks(url, timeout_s):
            if task is None:  # a server that never answers leaves no empty bar behind
                shown.enter_context(bar)
                task = bar.add_task("")
            file.write(chunk)
            bar.update(task, total=size, advance=len(chunk))


def _chunks(url: str, timeout_s: float) -> Iterator[tuple[int | None, bytes]]:
    """The file in pieces, each with the whole size where the server tells it.

    A thread of its own does the waiting, because sockets' timeouts do not cover all of it: looking up a host
    name has none, and a server that sends a byte now and then never meets one. A thread that hangs is left
    behind; as a daemon it does not keep the process alive.
    """
    arrived: queue.Queue[Any] = queue.Queue(maxsize=64)
    stop = threading.Event()
    threading.Thread(target=_read, args=(url, timeout_s, arrived, stop), daemon=True).start()
    enough = timeout_s * SLOWEST_BYTES_PER_S
    total, since, recent = 0, time.monotonic(), 0
    try:
        while True:
            try:
                item = arrived.get(timeout=max(0.0, since + timeout_s - time.monotonic()))
            except queue.Empty:
                what = f"only {recent} bytes" if total else "no answer"
                raise _Broken(f"{what} within {timeout_s:g} s", again=False) from None
            if isinstance(item, Exception):
                raise _broken(item, again=total > 0) from item
            size, chunk = item
            if not chunk:
                if size is not None and total < size:
                    raise _Broken(f"truncated: {total} of {size} bytes came", again=True)
                return
            total, recent = total + len(chunk), recent + len(chunk)
            if recent >= enough:
                since, recent = time.monotonic(), 0
            yield item
    finally:
        stop.set()


def _read(url: str, timeout_s: float, arrived: queue.Queue[Any], stop: threading.Event) -> None:
    """Put (size, chunk) for each piece, an empty one at the end; or the exception that came in between."""

    def put(item: Any) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                arrived.put(item, timeout=0.2)
                return

    try:
        request = urllib.request.Request(url, headers={"User-Agent": "visionlora"})
        # Twice the time, so that whoever waits for the pieces gives up first and says why.
        with urllib.request.urlopen(request, timeout=2 * timeout_s) as response:
            length = response.headers.get("Content-Length")
            size = int(length) if length else None
            while not stop.is_set() and (chunk := response.read1(_CHUNK)):
                put((size, chunk))
            put((size, b""))
    except Exception as error:  # whatever it is, it is raised where somebody waits for it
        put(error)


def _broken(error: Exception, again: bool) -> Exception:
    if isinstance(error, urllib.error.HTTPError):
        return _Broken(f"HTTP {error.code} {error.reason}", again=error.code >= 500)
    if isinstance(error, (OSError, http.client.HTTPException)):
        return _Broken(str(getattr(error, "reason", "") or error or type(error).__name__), again)
    return error


def _expected_hash(url: str) -> str | None:
    """The first digits of the file's sha256, which PyTorch's file names hold ("vgg19-dcbb9e9d.pth")."""
    digits = re.search(r"-([0-9a-f]{8,})\.", url.rsplit("/", 1)[-1])
    return digits[1] if digits else None


def _wrong_hash(path: Path, url: str) -> str | None:
    """What is wrong with a file, going by the hash in its URL; None where nothing is."""
    wanted = _expected_hash(url)
    if wanted is None:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    got = digest.hexdigest()[: len(wanted)]
    return None if got == wanted else f"truncated or another file (its sha256 begins {got}, not {wanted})"
