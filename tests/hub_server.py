"""A stand-in for Hugging Face's hub on the loopback device: repositories in memory."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """Answers what huggingface_hub asks when it makes a repository, commits files, lists and fetches them.

    Attributes:
        repositories: name -> path -> content.
        requests: "METHOD path" of each request.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        self.server.requests.append(f"POST {path}")
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization") or "me", asked["name"].split("/")[-1])))
            self.server.repositories.setdefault(name, {})
            self._json({"url": f"{self.server.address}/{name}", "id": name, "name": name})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            files = json.loads(body)["files"]
            modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in files]
            self._json({"files": modes})
        elif found := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            for line in body.splitlines():
                record = json.loads(line)
                if record["key"] == "file":
                    content = base64.b64decode(record["value"]["content"])
                    self.server.repositories[found[1]][record["value"]["path"]] = content
            url = f"{self.server.address}/{found[1]}/commit/{COMMIT}"
            self._json({"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self._json({"error": f"not here: {path}"}, 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append(f"{self.command} {path}")
        if path == "/api/whoami-v2":
            self._json({"type": "user", "name": "me", "orgs": [], "auth": {}})
        elif (found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/.+)?", path)) and (
            files := self.server.repositories.get(found[1])
        ) is not None:
            siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
            self._json({"id": found[1], "modelId": found[1], "sha": COMMIT, "siblings": siblings})
        elif (found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/.+", path)) and (
            files := self.server.repositories.get(found[1])
        ) is not None:
            self._json(
                [{"type": "file", "path": name, "size": len(one), "oid": "0"} for name, one in files.items()]
            )
        elif (found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)) and (
            content := self.server.repositories.get(found[1], {}).get(found[2])
        ) is not None:
            self._answer(200, content, "application/octet-stream")
        else:
            self._json({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer(status, json.dumps(value).encode(), "application/json", headers)

    def _answer(self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def hub() -> Iterator[Hub]:
    """The hub, until the block ends."""
    with Hub() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
