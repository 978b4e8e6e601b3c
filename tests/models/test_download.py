"""Weights are downloaded over connections that may be slow or broken; every wait has a limit."""

from __future__ import annotations

import hashlib
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.models import servers
from visionlora.models.download import WeightsUnavailable, cache_path, published_weights

CONTENT = bytes(range(256)) * 2000
NAME = f"tiny-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
OTHER = CONTENT[::-1]
TIMEOUT_S = 0.5


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PyTorch's cache, empty, and no proxy."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    # urllib reads the proxies once in a process.
    monkeypatch.setattr(urllib.request, "_opener", None)
    return tmp_path / "hub" / "checkpoints"


def get(url: str) -> tuple[Path, str | None]:
    return published_weights("tiny", url, progress=False, timeout_s=TIMEOUT_S)


@contextmanager
def fails_fast(url: str, cache: Path, reason: str) -> Iterator[None]:
    """The download ends within a second or two, says everything, and leaves nothing in the cache."""
    start = time.monotonic()
    with pytest.raises(WeightsUnavailable, match=reason) as caught:
        yield
    assert time.monotonic() - start < 4 * TIMEOUT_S
    message = str(caught.value)
    assert "\n" not in message
    for part in (url, str(cache / NAME)):
        assert part in message
    assert not cache.exists() or not list(cache.iterdir())


def test_a_file_is_downloaded_once_into_pytorchs_cache(cache: Path) -> None:
    with servers.pages((200, CONTENT, len(CONTENT))) as server:
        url = server.url(NAME)
        for _ in range(2):
            assert get(url) == (cache / NAME, None)
        assert server.requests == 1
    assert cache_path(url).read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == [NAME]


def test_a_file_without_a_length_is_checked_by_its_hash(cache: Path) -> None:
    with servers.pages((200, CONTENT, None)) as server:
        assert get(server.url(NAME))[0].read_bytes() == CONTENT


def test_a_file_without_a_hash_in_its_name_is_accepted(cache: Path) -> None:
    with servers.pages((200, OTHER, len(OTHER))) as server:
        assert get(server.url("plain.pth"))[0].read_bytes() == OTHER


def test_a_progress_bar_is_drawn_on_request(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with servers.pages((200, CONTENT, len(CONTENT))) as server:
        published_weights("tiny", server.url(NAME), progress=True, timeout_s=TIMEOUT_S)
    assert NAME in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, CONTENT[:5000], len(CONTENT)), "truncated: 5000 of 512000 bytes"),
        ((200, CONTENT[:5000], None), "truncated or another file"),
        ((200, OTHER, len(OTHER)), "truncated or another file .its sha256 starts with .*, not "),
        ((200, b"", 0), "truncated or another file"),
    ],
)
def test_a_broken_file_is_downloaded_twice_and_not_kept(
    cache: Path, answer: tuple[int, bytes, int | None], reason: str
) -> None:
    with servers.pages(answer) as server:
        with fails_fast(server.url(NAME), cache, reason):
            get(server.url(NAME))
        assert server.requests == 2


def test_a_transfer_that_fails_once_is_repeated(cache: Path) -> None:
    with servers.pages((200, CONTENT[:5000], len(CONTENT)), (200, CONTENT, len(CONTENT))) as server:
        assert get(server.url(NAME))[0].read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (503, 2)])
def test_the_error_names_the_http_status(cache: Path, status: int, requests: int) -> None:
    with servers.pages((status, b"no", 2)) as server:
        with fails_fast(server.url(NAME), cache, f"HTTP {status}"):
            get(server.url(NAME))
        assert server.requests == requests


@pytest.mark.parametrize("talk", [servers.silent, servers.trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ")])
def test_a_server_that_never_answers_times_out(cache: Path, talk: object) -> None:
    with servers.rude(talk) as address:  # type: ignore[arg-type]
        url = f"http://{address}/models/{NAME}"
        with fails_fast(url, cache, "no answer"):
            get(url)


def test_a_server_that_sends_too_slowly_times_out(cache: Path) -> None:
    with servers.rude(servers.body_trickles) as address:
        url = f"http://{address}/models/{NAME}"
        with fails_fast(url, cache, r"only \d+ bytes within 0.5 s"):
            get(url)


def test_the_error_names_a_refused_connection(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"http://127.0.0.1:{port}/models/{NAME}"
    with fails_fast(url, cache, "refused"):
        get(url)


def test_an_address_that_drops_packets_times_out(cache: Path) -> None:
    with servers.full() as address:
        url = f"http://{address}/models/{NAME}"
        with fails_fast(url, cache, "no answer"):
            get(url)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_never_answers_times_out(
    cache: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.rude(servers.silent) as address:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{address}")
        url = f"{scheme}://weights.invalid/models/{NAME}"
        with fails_fast(url, cache, "no answer"):
            get(url)


def test_a_host_name_that_does_not_resolve_times_out(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(3))
    url = f"http://weights.invalid/models/{NAME}"
    with fails_fast(url, cache, "no answer"):
        get(url)


def test_a_broken_file_in_the_cache_is_replaced_with_a_notice(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(CONTENT[:100])
    with servers.pages((200, CONTENT, len(CONTENT))) as server:
        path, notice = get(server.url(NAME))
    assert path.read_bytes() == CONTENT
    assert notice is not None
    assert str(path) in notice
    assert "truncated" in notice


def test_a_broken_file_in_the_cache_is_removed_and_named_even_without_a_replacement(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(CONTENT[:100])
    reason = "HTTP 404.*was truncated or another file.*removed"
    with servers.pages((404, b"", 0)) as server, fails_fast(server.url(NAME), cache, reason):
        get(server.url(NAME))


def test_the_error_names_a_cache_that_is_not_writable(cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    with (
        servers.pages((200, CONTENT, len(CONTENT))) as server,
        pytest.raises(WeightsUnavailable, match="hub"),
    ):
        get(server.url(NAME))
