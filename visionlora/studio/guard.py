"""Who may ask the studio for what: this machine, or a browser with the token, and no other web page."""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visionlora.errors import VisionLoraError

COOKIE = "visionlora-token"
_POLICY = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Of answers that say nothing else themselves."""


def is_loopback(host: str) -> bool:
    """Whether an address, or ``localhost``, can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses requests without permission before anything else sees them.

    On loopback the name in the address has to be one of this machine: a page from elsewhere whose name was
    made to lead here (DNS rebinding) is refused. A request that changes something has to come from the
    studio's own page (``Origin``).

    Args:
        app: what is guarded.
        token: what a browser has to know; None: nothing.
        upload_bytes: the longest request.
    """

    def __init__(self, app: ASGIApp, token: str | None, upload_bytes: int) -> None:
        self._app = app
        self._token = token
        self._most = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._refusal(HTTPConnection(scope))
        if answer is not None:
            await answer(scope, receive, send)
            return

        async def with_policy(message: dict) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                for name, value in _POLICY.items():
                    headers.setdefault(name, value)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, self._bounded(receive), with_policy)  # type: ignore[arg-type]

    def _bounded(self, receive: Receive) -> Receive:
        """The same, for requests that do not say beforehand how long they are."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise VisionLoraError(self._too_long())
            return message

        return counted

    def _too_long(self) -> str:
        return f"an upload may have at most {self._most / 2**20:,.0f} MB"

    def _refusal(self, request: HTTPConnection) -> Response | None:
        headers: Headers = request.headers
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if self._token is None and not is_loopback(host):
            return PlainTextResponse(f"{host!r} is not a name of this machine", 403)
        method = request.scope["method"]
        origin = headers.get("origin")
        if (
            method not in ("GET", "HEAD")
            and origin is not None
            and urlsplit(origin).netloc != headers.get("host")
        ):
            return PlainTextResponse("the request comes from another page", 403)
        if int(headers.get("content-length") or 0) > self._most:
            return PlainTextResponse(self._too_long(), 413)
        if self._token is None:
            return None
        given = request.query_params.get("token")
        if given is not None and secrets.compare_digest(given.encode(), self._token.encode()):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return answer
        known = request.cookies.get(COOKIE, "")
        if not secrets.compare_digest(known.encode(), self._token.encode()):
            return PlainTextResponse("open the address with the token that the terminal shows", 401)
        return None
