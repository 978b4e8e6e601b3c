"""How commands start and end: composition, mistakes, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Left, Train
from visionlora.command import compose, explain_composition
from visionlora.paths import shipped
from visionlora.settings import keys_of
from visionlora.train import COMMAND as TRAIN

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
    for name in ("train", "check", "predict", "evaluate", "merge", "explain"):
        assert f"visionlora {name}" in left.stdout


def test_an_unknown_command_suggests_the_closest(command: Command) -> None:
    assert "did you mean 'train'" in one_line_error(command("trian"))
    assert "did you mean 'train -m'" in one_line_error(command("sweep", "data=goldfish"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lora.rnak=4"], "lora.rank=4"),
        (["“data.root=my cells”"], "did you mean 'data.root=my cells'?"),
        (["--rank", "4"], "lora.rank=4"),
        (["lora_r=4"], "lora.rank=4"),
        (["--epochs", "10"], "trainer.max_steps=10? (optimizer steps"),
        (["--output", "x y"], "hydra.run.dir=x y"),
        (["--gpus=2"], "trainer.devices=2"),
        (["data.root"], "'data.root' needs a value: data.root=..."),
        (["data=godlfish"], "data=goldfish"),
        (["+lora.strange=1"], "lora.strange"),
        (["+strange=1"], "strange"),
        (["~lora"], "~lora"),
        (["lora=4"], "lora=4"),
        (["lora.rank=many"], "lora.rank is 'many'"),
        (["lora.rank=4)"], "lora.rank is '4)'"),
        (["lora.rank=${nope}"], "lora.rank refers to a value that does not exist"),
        (["lora.rank=???"], "lora.rank has no value"),
        (["lora.rank=1,2"], "lora.rank=1,2 has several values"),
        (["lora.rank="], "lora.rank is ''"),
        (["lora.rank_pattern.conv1=x"], "lora.rank_pattern"),
        (["optimizer.lr=-1"], "optimizer.lr is -1"),
        (["trainer.precision=8"], "trainer.precision is 8"),
        (["trainer.accelerator=banana"], "trainer.accelerator is 'banana'"),
        (["model=resnet33"], "did you mean model=resnet34"),
        (["model=vgg11,pocket"], "add -m"),
        (["trainer.kernel=fastest"], "low_rank"),
        (["hydra.nonsense=1"], "hydra.nonsense"),
        (["hydra/launcher=nonsense"], "hydra/launcher"),
        (["--config-dir", "no/such/folder"], "no/such/folder"),
        (["--config-name", "nonsense"], "error: Cannot find primary config 'nonsense'"),
        (["--cfg", "nonsense"], "nonsense"),
        (["--cfg"], "--cfg takes one of job, hydra, all"),
        (["data=goldfish", "data.root=/no/such folder (1)"], "/no/such folder (1)"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(
    command: Command, tmp_path: Path, words: list[str], expected: str
) -> None:
    assert expected in one_line_error(command("train", "data=goldfish", *words))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(
    command: Command, monkeypatch: pytest.MonkeyPatch, accelerator: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    for name in ("train", "explain"):
        images = ["data=goldfish"] if name == "train" else []
        left = command(name, *images, f"trainer.accelerator={accelerator}")
        assert f"trainer.accelerator is {accelerator}" in one_line_error(left)


def test_a_missing_value_says_what_to_set(command: Command) -> None:
    assert "data.root has no value; set data.root=" in one_line_error(command("train"))
    assert "adapter has no value" in one_line_error(command("predict", "images=x"))
    assert "output has no value" in one_line_error(command("merge", "adapter=x"))
    meant = one_line_error(command("predict", "my photos"))
    assert "did you mean 'adapter=my photos' or 'images=my photos'?" in meant


def test_a_run_folder_that_cannot_be_made_is_one_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = one_line_error(command("train", "data=goldfish", "hydra.run.dir=file/run"))
    assert "hydra.run.dir=" in message


def test_an_empty_run_folder_of_an_unset_variable_is_not_the_folder_of_the_shell(command: Command) -> None:
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        message = one_line_error(command("train", "data=goldfish", f"{key}="))
        assert f"{key} is empty; give a folder" in message


@pytest.mark.parametrize("place", [".", "cat", "elsewhere"])
def test_a_run_does_not_write_among_the_images_that_it_reads(
    command: Command, tmp_path: Path, place: str
) -> None:
    for name in ("mine/cat/1.png", "mine/elsewhere/1.png", "anchors/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    for folder, words in (
        (f"mine/{place}", ["data.root=mine"]),
        ("anchors", ["data.root=mine", "retention.anchors=[anchors]"]),
    ):
        message = one_line_error(command("train", *words, f"hydra.run.dir={folder}"))
        assert "among the images of" in message
        assert "set hydra.run.dir=FOLDER" in message
    assert sorted(tmp_path.rglob("*")) == before


def test_a_misspelt_key_in_a_preset_of_ones_own_gets_the_right_spelling(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "my" / "lora").mkdir(parents=True)
    (tmp_path / "my" / "lora" / "small.yaml").write_text("defaults: [default]\nrnak: 2\n")
    message = one_line_error(command("train", "--config-dir", "my", "data=goldfish", "lora=small"))
    assert "'lora.rnak'" in message and "lora.rank" in message


@pytest.mark.parametrize("file", sorted(shipped("conf").glob("[!h]*/*.yaml")), ids=lambda file: file.stem)
def test_a_preset_that_ships_has_every_key_of_its_group(file: Path) -> None:
    group = file.parent.name
    composed = compose(TRAIN, [f"{group}={file.stem}", "data.root=x"])
    assert {f"{group}.{key}" for key in composed[group]} == {
        key for key in keys_of(TRAIN.options) if key.startswith(f"{group}.")
    }


def test_a_preset_of_ones_own_that_lacks_a_key_says_how_it_gets_it(command: Command, tmp_path: Path) -> None:
    (tmp_path / "my" / "lora").mkdir(parents=True)
    (tmp_path / "my" / "lora" / "small.yaml").write_text("rank: 2\n")
    message = one_line_error(
        command("train", "--config-dir", "my", "data=goldfish", "lora=small", "lora.alpha=2")
    )
    assert "lora.alpha: the preset of lora lacks it; begin its file with 'defaults: [default]'" in message


@pytest.mark.parametrize("preset", ["rank: [", "defaults: [no]", "defaults: 3", "- 1", ": :", "\t"])
def test_a_preset_that_cannot_be_read_is_one_line(command: Command, tmp_path: Path, preset: str) -> None:
    (tmp_path / "my" / "lora").mkdir(parents=True)
    (tmp_path / "my" / "lora" / "small.yaml").write_text(preset)
    one_line_error(command("train", "--config-dir", "my", "data=goldfish", "lora=small"))


def test_evaluating_on_shipped_images_takes_their_negatives_and_refuses_what_it_would_not_use(
    command: Command,
) -> None:
    assert (
        "contrast/val" in command("evaluate", "adapter=x", "data=goldfish", "--cfg", "job", "--resolve").out
    )
    message = one_line_error(command("evaluate", "adapter=x", "data=goldfish", "contrast.anchors=x"))
    assert "contrast.anchors" in message
    assert "adapter: x does not exist" in one_line_error(command("evaluate", "adapter=x", "data=goldfish"))


def test_the_commands_set_what_libraries_read_before_these_are_imported() -> None:
    script = """
import os, sys
import visionlora.command, visionlora.train
names = ["PYTORCH_ENABLE_MPS_FALLBACK", "ORT_DISABLE_TELEMETRY"]
for name in names:
    os.environ.pop(name, None)
sys.argv = ["visionlora train", "--version"]
try:
    visionlora.train.main()
except SystemExit:
    assert not {"torch", "onnxruntime"} & set(sys.modules)
    print(*map(os.environ.get, names))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["1", "1"]


LOGGING = """
import logging, sys
from visionlora.merge import COMMAND
from visionlora.command import launch
def task(config):
    logging.getLogger("matplotlib").warning("a cache cannot be written")
    logging.getLogger("matplotlib").error("out of order")
    logging.getLogger("visionlora.models").warning("ours")
    return 0
sys.argv = ["visionlora merge", "adapter=x", "output=y.pth"]
launch(task, COMMAND)
"""


def test_a_training_has_its_log_after_another_command_in_the_same_process(
    command: Callable[..., Left], train: Train, images: Path
) -> None:
    assert command("evaluate", "adapter=nothing", f"data.root={images}").code == 2
    left, run = train("trainer.max_steps=1")
    assert left.code == 0, left.err
    assert "visionlora" in (run / "train.log").read_text(encoding="utf-8")


def test_of_what_libraries_log_only_errors_reach_the_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["error: out of order", "warning: ours"]


PRINTING = """
import sys
from visionlora.check import COMMAND
from visionlora.command import launch
sys.argv = ["visionlora check", "data.root=."]
launch(lambda config: print("x" * 100_000) or 0, COMMAND)
"""


@pytest.mark.parametrize(
    ("words", "code"), [(("-c", PRINTING), 141), (("-m", "visionlora", "--help"), 0)], ids=("result", "help")
)
def test_a_reader_that_has_seen_enough_gets_no_message(words: tuple[str, ...], code: int) -> None:
    started = [sys.executable, *words]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        command.stdout.close()  # as ``head`` does
        assert command.stderr is not None
        assert (command.stderr.read(), command.wait()) == ("", code)


FAILING = """
import sys
from visionlora.check import COMMAND
from visionlora.command import launch
from visionlora.errors import VisionLoraError
def fail(config):
    raise VisionLoraError("wrong")
sys.argv = ["visionlora check", "data.root=."]
launch(fail, COMMAND)
"""


@pytest.mark.skipif(os.name != "posix", reason="pipes of other systems end otherwise")
@pytest.mark.parametrize(("code", "exit_code"), [(PRINTING, 141), (FAILING, 2)])
def test_a_reader_of_output_and_messages_that_has_seen_enough_does_not_change_the_exit_code(
    code: str, exit_code: int
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as ``2>&1 | head`` does
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=writing)
    os.close(writing)
    assert done.returncode == exit_code


def test_a_terminal_without_a_size_is_shown_everything() -> None:
    script = PRINTING.replace('print("x" * 100_000)', '__import__("rich").print("shown")')
    environment = {**os.environ, "COLUMNS": "0"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout == "shown\n"


def test_a_plugin_of_hydra_that_is_not_installed_is_named_with_its_extra() -> None:
    error = ValueError("In 'hydra/sweeper/search': Could not load 'hydra/sweeper/optuna'.\nAvailable: basic")
    said = "there is no hydra/sweeper/optuna: Hydra's plugins are in pip install 'visionlora[sweep]'"
    assert explain_composition(error) == said


@pytest.mark.skipif(os.name != "posix", reason="no other system lets the folder of a shell be removed")
@pytest.mark.parametrize("words", [["runs"], ["predict", "adapter=a", "images=b"], ["check", "data.root=a"]])
def test_a_folder_that_was_removed_under_the_shell_is_named_as_such(words: list[str], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os; os.rmdir({str(gone)!r}); from visionlora.cli import main; main()"
    left = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=gone, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert left.stderr.startswith("error: the current folder is not there any more")
    assert left.returncode == 2 and len(left.stderr.splitlines()) == 1
