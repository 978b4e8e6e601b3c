"""How commands start and end: composition, mistakes, exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import Left

Command = Callable[..., Left]


def one_line_error(left: Left) -> str:
    """The message of a command that ended as a user's mistake should: one line, no traceback, code 2."""
    lines = left.err.strip().splitlines()
    assert len(lines) == 1, left.err
    assert lines[0].startswith("error: ")
    assert left.code == 2
    return lines[0]


def test_without_a_command_the_usage_names_every_command() -> None:
    left = subprocess.run([sys.executable, "-m", "visionlora"], capture_output=True, text=True)
    assert left.returncode == 2
    for name in ("train", "predict", "evaluate", "merge", "explain"):
        assert f"visionlora {name}" in left.stdout


def test_an_unknown_command_suggests_the_closest(command: Command) -> None:
    assert "did you mean 'train'" in one_line_error(command("trian"))


def test_a_misspelt_key_suggests_the_closest(command: Command) -> None:
    message = one_line_error(command("train", "data=goldfish", "lora.rnak=4"))
    assert "lora.rnak" in message
    assert "lora.rank" in message


def test_an_unknown_option_of_a_group_names_the_options(command: Command) -> None:
    message = one_line_error(command("train", "data=godlfish"))
    assert "folder, goldfish" in message


def test_a_key_that_nobody_reads_is_refused(command: Command) -> None:
    assert "lora.strange" in one_line_error(command("train", "data=goldfish", "+lora.strange=1"))
    assert "strange" in one_line_error(command("train", "data=goldfish", "+strange=1"))


def test_a_value_of_the_wrong_kind_names_its_key(command: Command) -> None:
    assert "rank" in one_line_error(command("train", "data=goldfish", "model=pocket", "lora.rank=many"))
    assert "lr" in one_line_error(command("train", "data=goldfish", "optimizer.lr=-1"))
    assert "precision" in one_line_error(command("train", "data=goldfish", "trainer.precision=8"))


def test_a_missing_value_says_what_to_set(command: Command) -> None:
    assert "data.root" in one_line_error(command("train"))


def test_a_failed_start_leaves_no_run_folder(command: Command, tmp_path: object) -> None:
    command("train", "data.root=/no/such/folder")
    assert not list(tmp_path.glob("outputs/*/*/*"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["train", "predict", "evaluate", "merge", "explain"])
def test_help_shows_the_configuration(command: Command, name: str) -> None:
    left = command(name, "--help")
    assert left.code == 0
    assert f"visionlora {name}" in left.out


def test_help_needs_neither_torch_nor_lightning() -> None:
    code = (
        "import sys; sys.argv = ['visionlora', 'train', '--help']\n"
        "from visionlora import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'lightning', 'torchvision', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
