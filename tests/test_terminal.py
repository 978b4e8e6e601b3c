"""What a command prints."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from visionlora.terminal import make_streams_safe, warn_in_a_line


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict", "latin-1", "cp437"])
def test_every_console_encoding_takes_every_name(encoding: str) -> None:
    code = (
        "from visionlora.terminal import make_streams_safe; make_streams_safe()\n"
        "import sys; print('· 金魚 \\udce4'); print('·', file=sys.stderr)"
    )
    left = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
    )  # fmt: skip
    assert left.returncode == 0, left.stderr
    assert left.stdout.endswith(b"\\xe4\n") or left.stdout.endswith(b"\\xe4\r\n")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_stream_that_the_caller_has_closed_takes_everything(
    closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, closed, None)  # as Python has it after >&-
    make_streams_safe()
    stream = getattr(sys, closed)
    print("金魚", file=stream, flush=True)
    stream.close()


PRINTING = """
import signal, sys
from visionlora.terminal import make_streams_safe
signal.signal(signal.SIGHUP, signal.SIG_IGN)
make_streams_safe()
print("begun", sys.stdout.isatty(), sys.stderr.isatty(), flush=True)
for line in sys.stdin:
    break
print("nobody sees it", flush=True)
print("nor this", file=sys.stderr, flush=True)
open(sys.argv[1], "w").write("went on")
"""


@pytest.mark.skipif(os.name != "posix", reason="terminals of other systems end otherwise")
def test_what_is_printed_to_a_terminal_that_is_closed_goes_nowhere(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", PRINTING, str(tmp_path / "done")]
    begun = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert os.read(ours, 100) == b"begun True True\r\n"
    os.close(ours)
    begun.communicate(b"go on\n")
    assert begun.returncode == 0
    assert (tmp_path / "done").read_text() == "went on"


def test_a_warning_is_one_line_without_the_code_that_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    warn_in_a_line()
    shown = warnings.formatwarning("timings\nare not\x1b kept", UserWarning, "autotune.py", 163)
    assert shown == "warning: timings are not\\x1b kept\n"
