"""Adapters on a hub, through huggingface_hub: ``hf://user/name``. Nothing that comes from it is run.

huggingface_hub waits and tries again as it sees fit, and resolving a name has no limit at all. So its calls
run in a thread that is given up when their time is over.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from visionlora.errors import MachineFault, VisionLoraError
from visionlora.files import DISK_FAULTS, link_outside

SCHEME = "hf://"
FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "base_correction.safetensors",  # of one that was trained on a quantised base
    "README.md",
    "preview.png",
)
"""Of an adapter directory, and of the folders of its parts: all that is fetched or sent."""
REQUIRED = FILES[:2]
SECONDS = 60
"""A call may take so long, and more for what it sends."""
SLOWEST_BYTES_PER_S = 32 * 1024
MOST_BYTES = 2**31
"""Of what is fetched: an adapter that is larger is none."""
_NAME = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}(@[\w./-]{1,100})?", re.ASCII)

Result = TypeVar("Result")


def is_on_hub(path: str | Path) -> bool:
    """Whether an adapter is named by its place on the hub."""
    return str(path).startswith(SCHEME)


@lru_cache(maxsize=16)
def fetched(address: str) -> Path:
    """The adapter directory of ``hf://user/name`` or ``hf://user/name@revision``, in huggingface_hub's cache.

    Without a connection it is what the cache has.

    Raises:
        VisionLoraError: the package is missing, the name is none, the hub does not answer and the cache has
            nothing, or there is no adapter.
        MachineFault: the cache cannot be written.
    """
    repo, _, revision = _checked_name(address).partition("@")
    hub, what = _package(), f"adapter: {address}"

    def find() -> tuple[str, int] | None:
        try:
            about = hub.HfApi().model_info(repo, revision=revision or None, files_metadata=True, timeout=10)
        except (hub.errors.HfHubHTTPError, ValueError):
            raise  # it has answered
        except Exception:  # no connection
            return None
        return about.sha, sum(one.size or 0 for one in about.siblings or () if _is_ours(one.rfilename))

    found = _in_time(what, find, SECONDS)
    commit, size = found or (revision or None, 0)
    if size > MOST_BYTES:
        raise VisionLoraError(f"{what} has {size >> 20} MiB, which no adapter has")

    def fetch() -> str:
        patterns = [*FILES, *(f"*/{name}" for name in REQUIRED)]
        try:
            return hub.snapshot_download(
                repo, revision=commit, allow_patterns=patterns, etag_timeout=10, max_workers=2,
                local_files_only=found is None,
            )  # fmt: skip
        except hub.errors.LocalEntryNotFoundError as error:
            raise VisionLoraError(
                f"{what}: the hub cannot be reached, and the cache has nothing of it; check the connection"
            ) from error

    folder = Path(_in_time(what, fetch, SECONDS + size // SLOWEST_BYTES_PER_S))
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise VisionLoraError(f"{what} holds no adapter: it has no {' and no '.join(missing)}")
    return folder


def push(directory: Path, repo: str, licence: str | None, private: bool) -> str:
    """Send an adapter directory to the hub; returns the address of the commit.

    Args:
        directory: of the adapter.
        repo: ``user/name``; made where it is missing.
        licence: for the card, as the hub knows it ("apache-2.0"); None: the card stays as it is.
        private: whether a repository that is made is private.

    Raises:
        VisionLoraError: the package or a file is missing, the name is none, or the hub refuses it or does not
            answer.
    """
    _checked_name(SCHEME + repo)
    hub = _package()
    link = link_outside(directory)
    if link is not None:
        raise VisionLoraError(
            f"adapter: {link} is a link that leads out of the directory, and what it leads to would be sent; "
            "put a copy in its place, or remove it"
        )
    files = sorted(one for one in directory.rglob("*") if _is_ours(one.name) and one.is_file())
    present = {one.relative_to(directory).as_posix() for one in files}
    missing = [name for name in REQUIRED if name not in present]
    if missing:
        raise VisionLoraError(f"adapter: {directory} has no {' and no '.join(missing)}; train it first")
    contents: dict[str, bytes] = {one.relative_to(directory).as_posix(): one.read_bytes() for one in files}
    if licence is not None and "README.md" in contents:
        contents["README.md"] = with_licence(contents["README.md"].decode("utf-8"), licence).encode()

    def send() -> str:
        api = hub.HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        operations = [hub.CommitOperationAdd(name, content) for name, content in contents.items()]
        commit = api.create_commit(repo, operations, commit_message="Adapter by VisionLoRA")
        return str(commit.commit_url)

    size = sum(map(len, contents.values()))
    return _in_time(f"repo: {repo}", send, SECONDS + size // SLOWEST_BYTES_PER_S)


def with_licence(card: str, licence: str) -> str:
    """The card with a licence in its header."""
    return re.sub(r"^license: .*$", f"license: {licence}", card, count=1, flags=re.MULTILINE)


def _is_ours(name: str) -> bool:
    return Path(name).name in FILES


def _checked_name(address: str) -> str:
    name = address.removeprefix(SCHEME)
    if not _NAME.fullmatch(name) or ".." in name:
        raise VisionLoraError(
            f"{address[:120]!r} is not a repository on a hub; give user/name, as hf://user/name"
        )
    return name


def _package() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise VisionLoraError(
            "a hub needs the package huggingface_hub; pip install 'visionlora[hub]'"
        ) from error
    return huggingface_hub


def _in_time(what: str, call: Callable[[], Result], seconds: float) -> Result:
    """What a call returns, if it does within so many seconds.

    Raises:
        VisionLoraError: it fails, or takes longer. Its thread is left behind then; it keeps no process alive.
    """
    done: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(call())
        except BaseException as error:  # told by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if done:
        return done[0]
    if not failed:
        raise VisionLoraError(f"{what}: the hub did not answer within {seconds:.0f} s; try again later")
    error = failed[0]
    if isinstance(error, VisionLoraError) or not isinstance(error, Exception):
        raise error
    if isinstance(error, OSError) and error.errno in DISK_FAULTS:
        raise MachineFault(
            f"{what}: huggingface_hub's cache cannot be written: {error.strerror}; free some space, or name "
            "another folder in HF_HOME"
        ) from error
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    raise VisionLoraError(
        f"{what}: {first[:300]}; check name and connection; for a repository of your own `hf auth login`"
    ) from error
