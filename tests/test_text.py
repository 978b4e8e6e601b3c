"""Names from outside in terminals, tables and files."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
import yaml

from visionlora.text import SafeFormatter, counted, csv_safe, percent, printable


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


def test_log_records_are_text_on_one_line() -> None:
    record = logging.LogRecord("name", logging.INFO, "", 0, "%s", ("a\r\n\x1b[31m K\udce4 [/b] 金",), None)
    assert SafeFormatter("%(levelname)s: %(message)s").format(record) == (
        "INFO: a\\x0d\\x0a\\x1b[31m K\\xe4 [/b] 金"
    )


def test_commands_without_a_run_folder_show_notes_and_warnings_as_all_others_do() -> None:
    path = Path(__file__).parents[1] / "conf" / "hydra" / "job_logging" / "quiet.yaml"
    config = yaml.safe_load(path.read_text())
    shown = {}
    for name in ("visionlora.data.layout.folders", "visionlora.memory"):
        record = logging.LogRecord(name, logging.WARNING, "", 0, "%s", ("left out 1 file",), None)
        near = max((one for one in config["loggers"] if name.startswith(one)), key=len)
        (handler,) = config["loggers"][near]["handlers"]
        formatter = config["formatters"][config["handlers"][handler]["formatter"]]
        assert formatter["class"] == "visionlora.text.SafeFormatter"
        shown[name] = SafeFormatter(formatter["format"]).format(record)
    assert list(shown.values()) == ["· left out 1 file", "warning: left out 1 file"]
    assert not config["loggers"]["visionlora.data"]["propagate"]


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
