"""Messages to the user are shown, recorded, and logged once the run has a folder."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from visionlora.notices import Notices


def test_messages_are_shown_recorded_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    output = io.StringIO()
    notices = Notices(Console(file=output))
    with caplog.at_level(logging.INFO, "visionlora"):
        notices.say("before the [folder]")
        assert caplog.messages == []
        notices.start_log()
        notices.warn("after it")
    assert notices.messages == caplog.messages == ["before the [folder]", "after it"]
    assert "before the [folder]" in output.getvalue()
    assert "! warning: after it" in output.getvalue()
    assert "warning: before" not in output.getvalue()
