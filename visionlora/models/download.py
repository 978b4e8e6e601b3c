"""Published weights: from PyTorch's cache, or downloaded over a connection that may be slow or broken.

``torch.hub.load_state_dict_from_url`` has no timeout, and it does not check a file that is in the cache
already. Here every wait has a limit, and the hash in the file's name is checked each time.
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
    """Published weights are not in the cache and cannot be downloaded."""


class _TransferFailed(Exception):
    """A transfer failed; ``retry`` tells whether a second attempt may succeed."""

    def __init__(self, reason: str, retry: bool) -> None:
        super().__init__(reason)
        self.retry = retry


def cache_path(url: str, file_name: str | None = None) -> Path:
    """Where PyTorch keeps the file of ``url``, by its own name or by ``file_name``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / (file_name or url.rsplit("/", 1)[-1])


def published_weights(
    name: str, url: str, progress: bool, timeout_s: float, file_name: str | None = None
) -> tuple[Path, str | None]:
    """The file of ``url`` in PyTorch's cache, downloaded if it is missing.

    A cached file with the wrong hash is removed and downloaded again; the second value then says so.

    Raises:
        WeightsUnavailable: the download failed. The message names the file, the reason, where to put the file
            by hand, and how to continue without a connection.
    """
    path = cache_path(url, file_name)
    notice = None
    try:
        if path.is_file():
            fault = _wrong_hash(path, url)
            if fault is None:
                return path, None
            path.unlink()
            notice = f"the cached {path} was {fault}, so it was removed"
        _download(url, path, progress, timeout_s)
    except (_TransferFailed, VisionLoraError, OSError) as error:
        raise WeightsUnavailable(
            f"{name}: cannot get {url} ({error}){f'; {notice}' if notice else ''}; put that file at {path} "
            "by hand"
        ) from error
    return path, f"{notice} and downloaded again" if notice else None


def _download(url: str, path: Path, progress: bool, timeout_s: float) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with replacing(path) as beside:
                _transfer(url, beside, progress, timeout_s)
                fault = _wrong_hash(beside, url)
                if fault is not None:
                    raise _TransferFailed(f"the downloaded file was {fault}", retry=True)
            return
        except _TransferFailed as error:
            if not error.retry or attempt == ATTEMPTS:
                raise


def _transfer(url: str, path: Path, progress: bool, timeout_s: float) -> None:
    name = TextColumn(url.rsplit("/", 1)[-1])
    columns = (name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not progress)
    with path.open("wb") as file, contextlib.ExitStack() as shown:
        task = None
        for size, chunk in _chunks(url, timeout_s):
            if task is None:  # no empty bar for a server that never answers
                shown.enter_context(bar)
                task = bar.add_task("")
            file.write(chunk)
            bar.update(task, total=size, advance=len(chunk))


def _chunks(url: str, timeout_s: float) -> Iterator[tuple[int | None, bytes]]:
    """The file in pieces, each with the total size if the server sends it.

    A separate thread reads from the socket, because socket timeouts do not cover everything: resolving a host
    name has no timeout, and a server that sends a byte now and then never exceeds one. A thread that hangs is
    abandoned; as a daemon it does not keep the process alive.
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
                raise _TransferFailed(f"{what} within {timeout_s:g} s", retry=False) from None
            if isinstance(item, Exception):
                raise _transfer_error(item, retry=total > 0) from item
            size, chunk = item
            if not chunk:
                if size is not None and total < size:
                    raise _TransferFailed(f"truncated: {total} of {size} bytes arrived", retry=True)
                return
            total, recent = total + len(chunk), recent + len(chunk)
            if recent >= enough:
                since, recent = time.monotonic(), 0
            yield item
    finally:
        stop.set()


def _read(url: str, timeout_s: float, arrived: queue.Queue[Any], stop: threading.Event) -> None:
    """Put (size, chunk) for each piece, an empty chunk at the end; or the exception that was raised."""

    def put(item: Any) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                arrived.put(item, timeout=0.2)
                return

    try:
        request = urllib.request.Request(url, headers={"User-Agent": "visionlora"})
        # Twice the limit, so that the consumer times out first and reports why.
        with urllib.request.urlopen(request, timeout=2 * timeout_s) as response:
            length = response.headers.get("Content-Length")
            size = int(length) if length else None
            while not stop.is_set() and (chunk := response.read1(_CHUNK)):
                put((size, chunk))
            put((size, b""))
    except Exception as error:  # any exception: the consumer raises it
        put(error)


def _transfer_error(error: Exception, retry: bool) -> Exception:
    if isinstance(error, urllib.error.HTTPError):
        return _TransferFailed(f"HTTP {error.code} {error.reason}", retry=error.code >= 500)
    if isinstance(error, (OSError, http.client.HTTPException)):
        return _TransferFailed(str(getattr(error, "reason", "") or error or type(error).__name__), retry)
    return error


def _expected_hash(url: str) -> str | None:
    """The first digits of the file's sha256, which PyTorch's file names hold ("vgg19-dcbb9e9d.pth")."""
    digits = re.search(r"-([0-9a-f]{8,})\.", url.rsplit("/", 1)[-1])
    return digits[1] if digits else None


def _wrong_hash(path: Path, url: str) -> str | None:
    """Why a file does not have the hash in its URL; None if it does, or if the URL has none."""
    wanted = _expected_hash(url)
    if wanted is None:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    got = digest.hexdigest()[: len(wanted)]
    return (
        None if got == wanted else f"truncated or another file (its sha256 starts with {got}, not {wanted})"
    )
