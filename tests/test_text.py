"""Names from outside in terminals, tables and files."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from visionlora.text import SafeFormatter, counted, csv_safe, make_streams_safe, percent, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("goldfish", "goldfish"),
        ("Käfer 金魚 דג", "Käfer 金魚 דג"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\r\nlines\tand", "two\\x0d\\x0alines\\x09and"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("a\u2028b", "a\\u2028b"),
        ("K\udce4fer", "K\\xe4fer"),
        ("\x9b31m", "\\x9b31m"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        (b"bytes", "b'bytes'"),
    ],
)
def test_a_name_is_shown_on_one_line_and_the_terminal_obeys_none_of_it(text: object, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "\\xe4 \\u91d1 -> ..."),
        ("cp1252", "ä \\u91d1 -> …"),
        ("utf-8", "ä 金 → …"),
    ],
)
def test_a_console_without_a_character_shows_its_plain_form_or_an_escape(encoding: str, shown: str) -> None:
    assert printable("ä 金 → …", encoding) == shown


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@sum", "\tx", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert csv_safe(text) == f"'{text}"


def test_numbers_and_ordinary_text_stay_as_they_are_in_a_csv() -> None:
    assert [csv_safe(value) for value in (-1.5, 3, None, "a=b", "goldfish")] == [
        -1.5,
        3,
        None,
        "a=b",
        "goldfish",
    ]


def test_a_name_that_is_not_utf8_can_be_written_to_a_csv() -> None:
    assert str(csv_safe("K\udce4fer.jpg")).encode() == b"K\\xe4fer.jpg"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict", "latin-1", "cp437"])
def test_every_console_encoding_takes_every_name(encoding: str) -> None:
    code = (
        "from visionlora.text import make_streams_safe; make_streams_safe()\n"
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


def test_log_records_are_text_on_one_line() -> None:
    record = logging.LogRecord("name", logging.INFO, "", 0, "%s", ("a\r\n\x1b[31m K\udce4 [/b] 金",), None)
    assert SafeFormatter("%(levelname)s: %(message)s").format(record) == (
        "INFO: a\\x0d\\x0a\\x1b[31m K\\xe4 [/b] 金"
    )


def test_one_thing_is_no_plural() -> None:
    assert (counted(1, "step"), counted(2000, "step")) == ("1 step", "2,000 steps")
    assert (counted(1, "class"), counted(2, "class")) == ("1 class", "2 classes")


def test_every_percentage_is_written_alike() -> None:
    root = Path(__file__).parents[1]
    formatted = re.compile(r"\{[^{}\n]*:[^{}\n]*%\}")  # percent() writes it
    written = re.compile(r"\d%(?!\w)")
    sources = [
        path for path in (root / "visionlora").rglob("*.py") if formatted.search(path.read_text("utf-8"))
    ]
    pages = [
        *root.glob("*.md"),
        *(root / "docs").glob("*.md"),
        *(root / "visionlora").glob("studio/page/texts/*"),
    ]
    assert sources == []
    assert [path for path in pages if written.search(path.read_text("utf-8"))] == []
    assert (percent(0.954), percent(0.954, 1)) == ("95 %", "95.4 %")


PRINTING = """
import signal, sys
from visionlora.text import make_streams_safe
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
