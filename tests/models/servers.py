"""Servers on the loopback device, good and bad ones."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator


class Pages(http.server.ThreadingHTTPServer):
    """Serves ``answers``: for each request the next one, the last one for ever.

    An answer is (status, body, the length that is claimed).
    """

    def __init__(self, answers: list[tuple[int, bytes, int | None]]) -> None:
        self.answers = answers
        self.requests = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/models/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        answers = self.server.answers
        status, body, length = answers[min(self.server.requests, len(answers) - 1)]
        self.server.requests += 1
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def pages(*answers: tuple[int, bytes, int | None]) -> Iterator[Pages]:
    """A proper server."""
    with Pages(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


@contextlib.contextmanager
def rude(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that accepts, lets ``talk`` do what it will, and never hangs up by itself; its address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def serve() -> None:
            taken = []
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    taken.append(listening.accept()[0])
                    threading.Thread(target=talk, args=(taken[-1], over), daemon=True).start()
            for connection in taken:
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Accepts and never answers."""


def trickle(text: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Sends one byte of ``text``, then of nothing but zeros, every fiftieth of a second."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        with contextlib.suppress(OSError):
            for byte in text + bytes(10_000):
                if over.is_set():
                    return
                connection.sendall(bytes([byte]))
                time.sleep(0.02)

    return talk


def body_trickles(connection: socket.socket, over: threading.Event) -> None:
    """Answers properly, then sends the file one byte at a time."""
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        trickle(b"")(connection, over)


@contextlib.contextmanager
def full() -> Iterator[str]:
    """An address whose queue of connections is full: a packet to it meets no answer at all, as behind a
    firewall that drops."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"127.0.0.1:{listening.getsockname()[1]}"
