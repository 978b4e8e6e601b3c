"""Start the studio's server and open its page."""

from __future__ import annotations

import errno
import secrets
import socket
import threading
import webbrowser
from pathlib import Path

from visionlora.errors import VisionLoraError
from visionlora.run_folder.lock import claimed
from visionlora.studio.config import StudioOptions
from visionlora.studio.guard import is_loopback
from visionlora.terminal import show

NEEDS = "the studio needs starlette, uvicorn and python-multipart; pip install 'visionlora[studio]'"


def serve(options: StudioOptions) -> None:
    """Serve the page until the process is told to end.

    Raises:
        VisionLoraError: a package is missing, the port is taken, or another studio has the folder.
    """
    try:
        import multipart  # noqa: F401 - what Starlette reads forms with
        import uvicorn

        from visionlora.studio.app import build_app
    except ImportError as error:
        raise VisionLoraError(NEEDS) from error
    folder = Path(options.folder).resolve()
    if folder.exists() and not folder.is_dir():
        raise VisionLoraError(f"folder: {options.folder} is a file; give the folder of a studio")
    token = options.token
    if token is None and not is_loopback(options.host):
        token = secrets.token_urlsafe(16)
    with claimed(folder), _listening(options.host, options.port) as listener:
        port = listener.getsockname()[1]
        app = build_app(folder, token, options)
        query = "" if token is None else f"/?token={token}"
        host = "127.0.0.1" if options.host == "0.0.0.0" else options.host
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}{query}"
        show(f"the studio is at {address} (Ctrl-C ends it; trainings go on)")
        if options.open:
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        advice = "set port=0 for one that is free" if taken else "give host= an address of this machine"
        raise VisionLoraError(f"port {port} of {host} cannot be used: {error.strerror}; {advice}") from error
    listener.listen(128)
    return listener
