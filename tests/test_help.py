"""``--help`` prints every option with its type, default and meaning, fast."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tests.conftest import Left
from tests.test_options import COMMANDS
from visionlora import __version__
from visionlora.check import COMMAND as CHECK
from visionlora.command import end_unread
from visionlora.options import takes
from visionlora.settings import groups_of, keys_of

Command = Callable[..., Left]

MODULES = """
import sys
from visionlora import cli
try: cli.main()
finally: print('modules:', *sys.modules)
"""


def words(text: str) -> str:
    """The text with its line breaks gone."""
    return " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_key_with_type_default_and_meaning(command: Command, name: str) -> None:
    left = command(name, "--help")
    assert left.code == 0
    assert left.out.startswith(f"visionlora {name}: {COMMANDS[name].summary}")
    printed = words(left.out)
    for key in keys_of(COMMANDS[name].options).values():
        assert f" {key.name}=" in printed
        assert words(takes(key.hint, key.rule)) in printed
        assert words(key.rule.help) in printed
    for example in COMMANDS[name].examples:
        assert example in left.out
    assert "``" not in left.out, "a docstring's markup"


@pytest.mark.parametrize(
    ("name", "group"), [(n, g.name) for n, c in COMMANDS.items() for g in groups_of(c.options)]
)
def test_help_of_a_group_names_its_keys_alone(command: Command, name: str, group: str) -> None:
    left = command(name, "--help", group)
    assert left.code == 0
    shown = {line.split("=")[0].strip() for line in left.out.splitlines() if line.startswith(f"  {group}.")}
    assert shown == {key for key in keys_of(COMMANDS[name].options) if key.startswith(f"{group}.")}
    assert "flags" not in left.out


def test_help_shows_defaults_of_the_command_and_what_is_required(command: Command) -> None:
    assert "model.name=auto " in command("train", "--help").out
    assert "model.name=pocket " in command("explain", "--help").out
    assert "adapter=(required) " in command("predict", "--help").out
    assert "presets: data=folder, data=goldfish" in command("train", "--help", "data").out


def test_a_preset_that_a_command_cannot_load_is_neither_listed_nor_taken(command: Command) -> None:
    assert "goldfish" not in command("explain", "--help", "data").out
    left = command("explain", "data=goldfish")
    assert left.code == 2
    assert "there is no data=goldfish; there are data=default" in left.err


def test_alternatives_are_listed_in_words(command: Command) -> None:
    assert "a path ending in .csv or .jsonl, or null" in words(command("predict", "--help", "output").out)
    ending = "a path ending in .onnx, .pt2, .safetensors, .mlpackage or .tflite"
    assert ending in words(command("export", "--help", "output").out)


def test_help_for_an_unknown_group_suggests_one(command: Command) -> None:
    left = command("train", "--help", "lroa")
    assert left.code == 2
    assert "did you mean lora?" in left.err


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("train --help lora.rank", {"lora.rank"}),
        ("train lora.rank --help", {"lora.rank"}),
        ("train --help=lora.rank", {"lora.rank"}),
        ("train --help rank", {"lora.rank"}),
        ("train --help batch-size", {"data.batch_size"}),
        ("train --help epochs", {"trainer.max_steps"}),
        ("train --help weights budget", {"model.weights", "retention.budget", "contrast.budget"}),
        ("--help train lora.rank", {"lora.rank"}),
        ("help train rank", {"lora.rank"}),
        ("--help lora.rank", {"lora.rank"}),
        ("predict --help top_k", {"top_k"}),
        ("runs folder --help output", {"output"}),
    ],
)
def test_help_on_a_key_is_that_key_alone(command: Command, line: str, keys: set[str]) -> None:
    left = command(*line.split())
    assert left.code == 0, left.err
    entries = [one for one in left.out.splitlines() if one.startswith("  ") and not one.startswith("   ")]
    assert {entry.split("=")[0].strip() for entry in entries} == keys


@pytest.mark.parametrize("line", ["train lora --help", "train --help=lora", "help train lora", "--help lora"])
def test_a_group_may_stand_on_either_side_of_help(command: Command, line: str) -> None:
    assert command(*line.split()).out == command("train", "--help", "lora").out


@pytest.mark.parametrize("line", ["--help train", "help train", "train --config-dir lora --help", "train -h"])
def test_help_without_a_name_is_about_the_whole_command(command: Command, line: str) -> None:
    assert command(*line.split()).out == command("train", "--help").out


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("train --hlep", "did you mean --help?"),
        ("train help", "did you mean --help?"),
        ("train --versoin", "did you mean --version?"),
        ("--help trian", "did you mean 'train'?"),
        ("train --help lora.rnak", "did you mean lora.rank?"),
        ("--help nothing_like_it", "there are the groups"),
        ("train --data my_images", "did you mean data.root=my_images?"),
        ("train --data goldfish", "did you mean data=goldfish?"),
        (["train", "--data", "my images"], "did you mean 'data.root=my images'?"),
        (["train", "my images"], "did you mean 'data.root=my images'?"),
        (["train", "output=my runs/1"], "did you mean 'hydra.run.dir=my runs/1'?"),
        ("predict model.weights=F", "did you mean weights=F?"),
        ("evaluate model.name=vgg19", "did you mean model=vgg19?"),
        ("merge model.name.x=1", "there is no configuration key"),
        (["train", "data=my images"], "for a folder set 'data.root=my images'"),
    ],
)
def test_near_misses_of_flags_and_names_get_the_right_spelling(
    command: Command, line: str | list[str], meant: str
) -> None:
    left = command(*(line.split() if isinstance(line, str) else line))
    assert left.code == 2
    assert meant in left.err


def test_help_lists_presets_of_ones_own(command: Command, tmp_path: object) -> None:
    folder = tmp_path / "my" / "lora"  # type: ignore[operator]
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text("rank: 2\n")
    assert "lora=small" in command("train", "--config-dir", "my", "--help", "lora").out


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: object) -> None:
    line = f"{sys.executable} -m visionlora train --help | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=str(tmp_path))
    assert done.stdout.startswith("visionlora train: ")
    assert not done.stderr


@pytest.mark.parametrize(("name", "says"), [("train", True), ("check", False)])
def test_a_command_whose_reader_has_ended_has_the_code_of_sigpipe(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, says: bool
) -> None:
    class Job:
        runtime = SimpleNamespace(output_dir="a/run")

    monkeypatch.setattr("hydra.core.hydra_config.HydraConfig.get", Job)
    with pytest.raises(SystemExit) as end:
        end_unread(replace(CHECK, name=name))
    assert end.value.code == 141
    assert ("resume=a/run continues it" in capfd.readouterr().err) is says


def test_a_check_whose_reader_has_ended_says_nothing(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20, 20), "red" if name == "cat" else "blue").save(tmp_path / name / "a.png")
    line = f"{sys.executable} -m visionlora check data.root={tmp_path} strays=false; echo $? >&2"
    done = subprocess.run(f"({line}) | true", shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr.split() == ["141"]


@pytest.mark.parametrize("width", ["40", "80", "300"])
def test_lines_of_help_fit_the_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((int(width), 24)))
    lines = command("train", "--help", "retention").out.splitlines()[1:]
    assert max(map(len, lines)) <= max(70, min(int(width), 110))


@pytest.mark.parametrize("arguments", [["--version"], ["train", "--version"], ["predict", "--version"]])
def test_the_version_is_ours(command: Command, arguments: list[str]) -> None:
    left = command(*arguments)
    assert (left.code, left.out) == (0, f"visionlora {__version__}\n")


@pytest.mark.parametrize(
    ("line", "code"),
    [("--help", 0), ("train --help", 0), ("train --help lora", 0), ("explain --help", 0),
     ("evaluate --help", 0), ("train --version", 0), ("train --rank 4", 2),
     ("train data=goldfish lora.rank=0", 2)],
)  # fmt: skip
def test_help_and_refusals_need_neither_torch_nor_lightning(line: str, code: int, tmp_path: object) -> None:
    words = [sys.executable, "-c", MODULES, *line.split()]
    done = subprocess.run(words, capture_output=True, text=True, cwd=str(tmp_path))
    assert done.returncode == code, done.stderr
    loaded = set(done.stdout.rpartition("modules: ")[2].split())
    assert "visionlora.cli" in loaded
    assert not loaded & {"torch", "lightning", "torchvision", "matplotlib"}
