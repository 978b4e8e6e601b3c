"""A computation that is killed ends in a message, and the next one has processes again."""

from __future__ import annotations

import asyncio
from concurrent.futures.process import BrokenProcessPool
from typing import NoReturn

import pytest

from visionlora.errors import MachineFault
from visionlora.studio.engine import Engine


class Broken:
    def submit(self, *arguments: object) -> NoReturn:
        raise BrokenProcessPool


def test_processes_that_replaced_broken_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, replaced = Engine(), object()
    monkeypatch.setattr(engine, "_executor", Broken)
    monkeypatch.setattr(engine, "_pool", replaced)
    with pytest.raises(MachineFault, match="try again"):
        asyncio.run(engine.call("networks"))
    assert engine._pool is replaced
