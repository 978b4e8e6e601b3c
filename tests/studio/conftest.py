"""A studio without processes of its own: what it computes is computed here, and no training starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the studio's packages are not installed")
from starlette.testclient import TestClient

from visionlora.studio import compute
from visionlora.studio.app import build_app
from visionlora.studio.config import StudioOptions
from visionlora.studio.jobs import Jobs


class Here:
    """The engine without a process of its own."""

    async def call(self, function: str, *arguments: Any) -> Any:
        return getattr(compute, function)(*arguments)

    def warm_up(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr("visionlora.studio.app.Engine", Here)
    monkeypatch.setattr(Jobs, "start_next", lambda jobs: None)
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    options = StudioOptions(images=50, upload_mb=4)
    with TestClient(build_app(tmp_path / "studio", None, options), base_url="http://127.0.0.1") as opened:
        yield opened


@pytest.fixture
def a_drawing() -> bytes:
    folder = Path(__file__).parents[2] / "data" / "goldfish" / "train" / "goldfish"
    return min(folder.iterdir()).read_bytes()
