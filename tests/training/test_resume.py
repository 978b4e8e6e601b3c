"""Runs that are stopped continue to the same bytes, or say why they cannot."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from tests.conftest import Command, Train, metrics_of
from visionlora import slurm
from visionlora.errors import VisionLoraError
from visionlora.models.restore import restore
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.state_file import read_state
from visionlora.settings import keys_of
from visionlora.training.config import RunConfig

BYTES = ("adapter/adapter_model.safetensors", "adapter/adapter_config.json", "kernels.json")

PLACES: dict[str, tuple[str, int]] = {
    "while images are read": ("visionlora.training.run.set_up", 1),
    "before the first step": ("visionlora.training.run.train", 1),
    "in a step": ("visionlora.training.module.LoraModule.training_step", 3),
    "while a checkpoint is written": ("visionlora.run_folder.state_file.save_file", 1),
    "in a validation": ("visionlora.training.module.LoraModule.validation_step", 2),
    "while the strength is chosen": ("visionlora.evaluation.search.strength_point", 3),
    "while figures are drawn": ("visionlora.training.write_outputs.before_after_sheet", 1),
}


def stop_at(monkeypatch: pytest.MonkeyPatch, place: str, number: signal.Signals) -> None:
    """Send a signal in the nth call of the place's function."""
    name, nth = PLACES[place]
    module, _, attribute = name.rpartition(".")
    owner = _resolve(module)
    original, calls = getattr(owner, attribute), []

    def called(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == nth:
            signal.raise_signal(number)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, attribute, called)


def _resolve(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


@pytest.fixture
def whole(train: Train, tmp_path: Path) -> Callable[..., Path]:
    """A run that nothing disturbs."""

    def run(*arguments: str) -> Path:
        left, _ = train(*arguments, f"hydra.run.dir={tmp_path / 'whole'}")
        assert left.code == 0, left.err
        return tmp_path / "whole"

    return run


def test_a_network_that_asks_for_a_state_dicts_version_trains_and_continues(
    train: Train, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(self: Any, state: Any, prefix: str, metadata: Any, *more: Any) -> None:  # as MNASNet does
        assert metadata.get("version") is not None
        torch.nn.Module._load_from_state_dict(self, state, prefix, metadata, *more)

    monkeypatch.setattr(torchvision.models.SqueezeNet, "_load_from_state_dict", ask, raising=False)
    folder = stopped_and_continued(train, command)
    assert (folder / "metrics.json").exists()


def stopped_and_continued(train: Train, command: Command, *options: str) -> Path:
    """The folder of a run that SIGTERM stopped in a step."""
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a step", signal.SIGTERM)
        _, folder = train(*options)
    assert command("train", f"resume={folder}").code == 0
    return folder


def bytes_of(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in BYTES]


@pytest.mark.usefixtures("figures")
def test_a_run_that_is_stopped_again_and_again_ends_at_the_same_bytes(
    train: Train, command: Command, whole: Callable[..., Path], images: Path, tmp_path: Path
) -> None:
    options = (
        "trainer.max_steps=8", "trainer.validations=4", f"retention.root={images / 'val'}",
        "optimizer.lr=0.02", "trainer.checkpoint_steps=2",
    )  # fmt: skip
    expected = bytes_of(whole(*options))
    folder = tmp_path / "run"
    for count, place in enumerate(PLACES):
        number = (signal.SIGTERM, signal.SIGINT)[count % 2]
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, place, number)
            left = command("train", f"resume={folder}") if count else train(*options)[0]
        assert left.code == 128 + number, (place, left.err)
        assert f"visionlora train resume={folder} continues the run" in left.err
        assert not (folder / "metrics.json").exists() or place == "while figures are drawn"
    left = command("train", f"resume={folder}")
    assert left.code == 0, left.err
    assert bytes_of(folder) == expected
    assert not list(folder.rglob("*.tmp"))
    left = command("train", f"resume={folder}")
    assert left.code == 0 and "there is nothing to continue" in left.out


def test_a_finished_run_makes_results_again_that_are_gone_or_damaged(train: Train, command: Command) -> None:
    left, folder = train()
    tensors = folder / "adapter" / "adapter_model.safetensors"
    adapter = tensors.read_bytes()
    tensors.write_bytes(adapter[:100])
    (folder / "report.html").unlink()
    left = command("train", f"resume={folder}")
    assert left.code == 0, left.err
    said = " ".join(left.out.split())
    assert "adapter_model.safetensors is damaged: the results are made again from the last checkpoint" in said
    assert "report.html is gone: the results are made again from the last checkpoint" in said
    assert tensors.read_bytes() == adapter
    assert metrics_of(folder)["time"]["step_ms"] == "not measured"
    assert "4 steps of" not in said
    assert "there is nothing to continue" in command("train", f"resume={folder}").out


def test_a_stopped_run_has_the_adapter_as_it_is_now(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(monkeypatch, "in a step", signal.SIGINT)
    left, folder = train("trainer.checkpoint_steps=null", "trainer.checkpoint_minutes=null")
    assert left.code == 130
    state = restore(folder).network.state_dict()
    assert any(value.any() for name, value in state.items() if "lora_B" in name)
    assert {path.name for path in (folder / "checkpoints").iterdir()} >= {"step-3.safetensors"}
    assert not (folder / "metrics.json").exists()


def test_ctrl_c_while_the_strength_is_chosen_keeps_the_trained_adapter(
    train: Train, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, "while the strength is chosen", signal.SIGINT)
    left, folder = train(f"retention.root={images / 'val'}")
    assert left.code == 130
    restore(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "option",
    [
        "lora.family=adalora",
        "lora.family=dylora",
        "lora.family=dylora lora.bias=all",
        "lora.family=visual_prompt lora.options={width:6}",
        "lora.restart_every=2",
        "model.head=new",
        "model.head=new lora.targets=classifier",
        "retention.weight=0",
        "optimizer.name=sgd optimizer.lr=0.01 optimizer.options={momentum:0.9} augment.mixup=0.2",
        "optimizer.schedule=linear optimizer.class_weights=true trainer.accumulate=2",
        "model.quantise=nf4 lora.init=loftq",
        "model.quantise=int8 lora.family=loha trainer.precision=bf16-mixed",
    ],
)  # fmt: skip
def test_whatever_is_trained_continues_to_the_same_bytes(
    train: Train, command: Command, whole: Callable[..., Path], option: str
) -> None:
    options = (*option.split(), "trainer.max_steps=8", "lora.rank=4", "model.dropout=true")
    expected = bytes_of(whole(*options))
    folder = stopped_and_continued(train, command, *options)
    assert bytes_of(folder) == expected


@pytest.mark.slow
def test_the_best_weights_before_an_interruption_are_still_the_best(
    train: Train, command: Command, whole: Callable[..., Path]
) -> None:
    options = (
        "trainer.max_steps=8", "trainer.validations=8", "optimizer.lr=0.05", "optimizer.warmup=0",
        "trainer.patience=3", "retention.weight=0", "lora.alpha=8",
    )  # fmt: skip
    expected = whole(*options)
    assert metrics_of(expected)["steps"] < 8, "it is to stop early, so the best weights are from before"
    folder = stopped_and_continued(train, command, *options)
    assert bytes_of(folder) == bytes_of(expected)
    for key in ("candidates", "steps", "strength", "after"):
        assert metrics_of(folder)[key] == metrics_of(expected)[key], key


@pytest.mark.slow
def test_features_that_are_cached_do_not_change_where_a_run_ends(
    train: Train, command: Command, whole: Callable[..., Path]
) -> None:
    options = (
        "lora.targets=classifier", "cache.features=true", "cache.views=2", "trainer.max_steps=8",
        "trainer.validations=4", "trainer.patience=null", "optimizer.lr=0.05", "retention.views=2",
    )  # fmt: skip
    expected = bytes_of(whole(*options))
    folder = stopped_and_continued(train, command, *options)
    assert bytes_of(folder) == expected


@pytest.mark.slow
def test_folds_that_are_finished_are_not_repeated(
    train: Train, command: Command, whole: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("data.folds=2", "trainer.max_steps=2")
    expected = whole(*options)
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a step", signal.SIGTERM)  # of the second fold
        left, folder = train(*options)
    assert left.code == 143
    first = (folder / "folds" / "1" / "metrics.json").read_bytes()
    assert command("train", f"resume={folder}").code == 0
    assert (folder / "folds" / "1" / "metrics.json").read_bytes() == first
    assert bytes_of(folder) == bytes_of(expected)
    assert metrics_of(folder)["folds"] == metrics_of(expected)["folds"]


@pytest.mark.slow
def test_trials_of_the_learning_rate_are_not_repeated(train: Train, command: Command) -> None:
    options = ("optimizer.lr=auto", "trainer.max_steps=2", "trainer.validations=1")
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a validation", signal.SIGTERM)  # of the first trial that has two batches of images
        _, folder = train(*options)
    done = json.loads((folder / "run.json").read_text()).get("learning_rate_trials", [])
    with pytest.MonkeyPatch.context() as patch:
        tried = []
        patch.setattr("visionlora.training.fit._try", lambda *arguments: tried.append(1) or len(tried) / 10)
        assert command("train", f"resume={folder}").code == 0
    assert len(tried) == 5 - len(done)
    assert metrics_of(folder)["learning_rate"]["tried"][: len(done)] == done


@pytest.fixture
def stopped(train: Train) -> Path:
    """A run that was stopped in the middle."""
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a step", signal.SIGTERM)
        left, folder = train()
    assert left.code == 143
    return folder


def test_a_slurm_job_whose_time_is_up_is_requeued_and_continues(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    line = f"hydra.run.dir={tmp_path / 'job'}"
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a step", signal.SIGUSR1)
        left, _ = train(line)
    assert left.code == 128 + signal.SIGUSR1
    assert (tmp_path / "asked").read_text() == "requeue 7\n"
    assert "the job is in SLURM's queue again" in left.out
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    left, _ = train(line)
    assert left.code == 0, left.err
    assert "SLURM has started this job again" in left.out and "continues after step 3 of 4" in left.out
    monkeypatch.setenv("PATH", "")
    assert slurm.requeue() == "job 7 is not requeued: scontrol: No such file or directory"


def test_a_moved_run_continues_from_another_directory(
    stopped: Path, command: Command, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "run 2"
    moved.parent.mkdir()
    stopped.rename(moved)
    left = command("train", f"resume={moved}")
    assert left.code == 0, left.err
    assert metrics_of(moved)["steps"] == 4


def test_images_that_were_moved_are_named_and_the_run_continues_with_them(
    stopped: Path, command: Command, images: Path
) -> None:
    elsewhere = images.with_name("elsewhere")
    images.rename(elsewhere)
    left = command("train", f"resume={stopped}")
    assert left.code == 2
    again = f"continue with visionlora train resume={stopped} data.root=FOLDER"
    assert f"data.root: {images} is not there any more; if its images were moved, {again}" in left.err
    left = command("train", f"resume={stopped}", "data.root=nowhere")
    assert left.code == 2 and "there is no folder nowhere" in left.err
    left = command("train", f"resume={stopped}", "data.root=elsewhere")
    assert left.code == 0, left.err
    assert "data.root is 'elsewhere', and the run has" in left.out
    assert "the images there are the same" in left.out
    assert f"root: {elsewhere}\n" in (stopped / "config.yaml").read_text(), "wherever it is resumed next"
    assert "forced" not in json.loads((stopped / "run.json").read_text())
    elsewhere.rename(images)
    left = command("train", f"resume={stopped}")
    assert left.code == 0 and "is finished: there is nothing to continue" in left.out


def test_other_images_at_another_place_are_refused(stopped: Path, command: Command, images: Path) -> None:
    elsewhere = shutil.copytree(images, images.with_name("elsewhere"))
    change(elsewhere / "train" / "red" / "0.png")
    left = command("train", f"resume={stopped}", f"data.root={elsewhere}")
    assert left.code == 2 and "(train) was removed" in left.err
    (stopped / "images.json").unlink()
    left = command("train", f"resume={stopped}", f"data.root={elsewhere}")
    assert left.code == 2 and "data.root is '" in left.err and "was removed" not in left.err


def test_a_new_head_is_started_once(
    train: Train, command: Command, whole: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("model.head=new", "trainer.max_steps=6")
    expected = bytes_of(whole(*options))
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a step", signal.SIGTERM)
        _, folder = train(*options)
    monkeypatch.setattr("visionlora.training.fit.start_new_head", None)
    left = command("train", f"resume={folder}")
    assert left.code == 0, left.err
    assert bytes_of(folder) == expected


OTHER_OPTIONS = {
    "seed=7": "seed is 7, and the run has 0",
    "optimizer.lr=0.3": "optimizer.lr is 0.3, and the run has ",
    "lora.rank=8": "lora.rank is 8, and the run has 2",
    "lora.alpha=3": "lora.alpha is 3",
    "data.batch_size=2": "data.batch_size is 2, and the run has 4",
    "augment=none": "augment.horizontal_flip is 0",
}


def test_other_options_are_refused_by_name(stopped: Path, command: Command) -> None:
    for override, told in OTHER_OPTIONS.items():
        left = command("train", f"resume={stopped}", override)
        assert left.code == 2
        assert told in left.err and "resume.force=true" in left.err
        assert len(left.err.strip().splitlines()) == 1
        assert "continues from there" not in left.out


def test_an_option_may_be_given_the_value_that_the_run_decided_for_it(stopped: Path) -> None:
    decided = json.loads((stopped / "run.json").read_text())["decided"]
    config = (stopped / "config.yaml").read_text()
    given = {"optimizer.label_smoothing": decided["optimizer.label_smoothing"], "trainer.patience": "auto"}
    _, composed = RunFolder.resume(stopped, given, keys_of(RunConfig), force=False)
    assert composed.optimizer.label_smoothing is None, "as it was asked for"
    assert (stopped / "config.yaml").read_text() == config
    with pytest.raises(VisionLoraError, match=r"label_smoothing is 0\.7, and the run has null"):
        RunFolder.resume(stopped, {"optimizer.label_smoothing": 0.7}, keys_of(RunConfig), force=False)


@pytest.mark.slow
def test_the_same_options_again_and_those_without_effect_are_accepted(
    stopped: Path, command: Command, images: Path
) -> None:
    left = command("train", f"resume={stopped}", f"data.root={images}", "data.workers=1", "lora.rank=2")
    assert left.code == 0, left.err


def test_another_option_may_be_forced_and_is_announced_and_recorded(stopped: Path, command: Command) -> None:
    left = command("train", f"resume={stopped}", "resume.force=true", "trainer.max_steps=6")
    assert left.code == 0, left.err
    assert "resume.force=true: trainer.max_steps is 6, and the run has 4" in left.out
    assert metrics_of(stopped)["steps"] == 6
    assert json.loads((stopped / "run.json").read_text())["forced"] == [
        "trainer.max_steps is 6, and the run has 4"
    ]


@pytest.mark.slow
def test_a_forced_option_takes_effect(stopped: Path, command: Command) -> None:
    left = command("train", f"resume={stopped}", "resume.force=true", "optimizer.lr=0")
    assert left.code == 2  # it is checked as always
    step = read_state(max((stopped / "checkpoints").iterdir()))
    left = command("train", f"resume={stopped}", "resume.force=true", "optimizer.lr=1e-30")
    assert left.code == 0, left.err
    end = read_state(stopped / "checkpoints" / "step-4.safetensors")
    for name, value in end["trained"].items():
        torch.testing.assert_close(value, step["trained"][name], rtol=0, atol=1e-20)


@pytest.mark.slow
def test_adapters_of_another_shape_are_refused_even_if_forced(stopped: Path, command: Command) -> None:
    left = command("train", f"resume={stopped}", "resume.force=true", "lora.rank=3")
    assert left.code == 2
    assert "the checkpoint is of other adapters" in left.err and "Traceback" not in left.err


def test_a_configuration_that_was_edited_is_refused_by_name_or_forced_aloud(
    stopped: Path, command: Command
) -> None:
    file = stopped / "config.yaml"
    written = file.read_text()
    for line, other, told in (
        ("seed: 0\n", "seed: 7\n", "seed is 7 in config.yaml, and the run was begun with 0"),
        ("  rank: 2\n", "  rank: 3\n", "lora.rank is 3 in config.yaml, and the run was begun with 2"),
    ):
        assert line in written
        file.write_text(written.replace(line, other))
        left = command("train", f"resume={stopped}")
        assert left.code == 2
        assert told in left.err and "resume.force=true" in left.err
    file.write_text(written.replace("seed: 0\n", "seed: 7\n"))
    left = command("train", f"resume={stopped}", "seed=1")
    assert "seed is 1, and the run has 0" in left.err and "config.yaml" not in left.err
    left = command("train", f"resume={stopped}", "resume.force=true")
    assert left.code == 0, left.err
    told = "seed is 7 in config.yaml, and the run was begun with 0"
    assert json.loads((stopped / "run.json").read_text())["forced"] == [told]
    assert f"resume.force=true: {told}" in metrics_of(stopped)["notices"]


@pytest.mark.slow
def test_a_run_without_checkpoints_says_that_it_starts_anew(stopped: Path, command: Command) -> None:
    shutil.rmtree(stopped / "checkpoints")
    left = command("train", f"resume={stopped}")
    assert left.code == 0, left.err
    assert "there is no checkpoint: training starts at step 0" in left.out


def change(image: Path) -> None:
    other = image.with_name("1.png").read_bytes()
    image.write_bytes(other)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("images.json", "whether images have changed is not known"),
        pytest.param(
            "run.json",
            "whether options, the network or versions have changed is not known",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "kernels.json",
            "what was chosen by a timing is chosen again, and the last bits may differ",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_that_lacks_what_it_is_compared_with_says_so(
    stopped: Path, command: Command, name: str, said: str
) -> None:
    (stopped / name).unlink()
    left = command("train", f"resume={stopped}")
    assert left.code == 0, left.err
    assert f"{name} is not there: {said}" in " ".join(metrics_of(stopped)["notices"])


def test_another_image_is_refused_by_name_or_forced_aloud(
    stopped: Path, command: Command, images: Path
) -> None:
    image = images / "train" / "red" / "0.png"
    held = image.read_bytes()
    for act, told in (
        (change, "train/red/0.png (train) was changed"),
        (Path.unlink, "train/red/0.png (train) was removed"),
        (lambda image: image.with_name("9.png").write_bytes(held), "red/9.png (train) was added"),
    ):
        image.write_bytes(held)
        act(image)
        left = command("train", f"resume={stopped}")
        assert left.code == 2
        assert told in left.err and "resume.force=true" in left.err
    left = command("train", f"resume={stopped}", "resume.force=true")
    assert left.code == 0, left.err
    assert told in " ".join(metrics_of(stopped)["notices"])
    assert told in json.dumps(json.loads((stopped / "run.json").read_text())["forced"])


def test_another_network_or_version_is_refused_by_name(
    stopped: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = json.loads((stopped / "run.json").read_text())
    record["inputs"] |= {"the network": "sha256:0", "torch": "1.0"}
    (stopped / "run.json").write_text(json.dumps(record))
    left = command("train", f"resume={stopped}")
    assert left.code == 2
    assert "the network is " in left.err and "torch is " in left.err and "was '1.0'" in left.err


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(stopped: Path, command: Command) -> None:
    newest = max((stopped / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:100])
    left = command("train", f"resume={stopped}")
    assert left.code == 0, left.err
    assert newest.name in left.out and "is damaged" in left.out


def test_a_finished_folder_is_not_overwritten_and_what_cannot_be_resumed_is_said(
    train: Train, command: Command, images: Path
) -> None:
    _, folder = train("trainer.max_steps=1")
    before = (folder / "metrics.json").read_bytes()
    left = command("train", f"data.root={images}", f"hydra.run.dir={folder}")
    assert left.code == 2
    assert f"{folder} holds a run already; continue it with resume={folder}" in left.err
    assert (folder / "metrics.json").read_bytes() == before
    for arguments, told in (
        (["resume=/no/such/run"], "/no/such/run holds no run"),
        ([f"resume={folder}/adapter"], f"is a part of a run; give the run, resume={folder}"),
        ([f"resume={folder}/adapter/README.md"], f"is a part of a run; give the run, resume={folder}"),
        ([f"resume={folder}/config.yaml"], f"is a part of a run; give the run, resume={folder}"),
        ([f"resume={folder.parent}"], f"holds runs and is not one; give one of {folder}"),
        ([f"resume={folder}", "hydra.run.dir=elsewhere"], "leave hydra.run.dir out"),
        ([f"resume={folder}", "hydra.run.dir=~nobody-here/run"], "leave hydra.run.dir out"),
        (["-m", f"resume={folder}", "seed=0,1"], "resume continues one run"),
    ):
        left = command("train", *arguments)
        assert left.code == 2
        assert told in left.err and "Traceback" not in left.err


def test_a_run_of_the_same_second_gets_no_shared_folder(train: Train, tmp_path: Path) -> None:
    from visionlora.run_folder.lock import claimed

    folder = tmp_path / "taken"
    with claimed(folder):
        left, _ = train(f"hydra.run.dir={folder}")
    assert left.code == 2
    assert "two runs cannot share a folder" in left.err


@pytest.mark.slow
def test_a_run_that_starts_in_the_second_of_another_has_a_folder_of_its_own(
    command: Command, weights: Path, images: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Clock:
        @staticmethod
        def now() -> datetime:
            return datetime(2026, 11, 26, 12, 0, 0)

    monkeypatch.setattr("hydra.core.utils.datetime", Clock)
    monkeypatch.chdir(tmp_path)
    given = [
        f"data.root={images}", "model.name=squeezenet1_1", f"model.weights={weights}", "trainer.max_steps=1",
        "retention.generated=4", "contrast.generated=0", "trainer.precision=32-true",
    ]  # fmt: skip
    other = tmp_path / "outputs" / "folder" / "squeezenet1_1" / "2026-11-26_12-00-00"
    other.mkdir(parents=True)
    left = command("train", *given)
    assert left.code == 0, left.err
    assert [path.parent for path in tmp_path.rglob("metrics.json")] == [other.with_name(f"{other.name}_2")]
    assert not any(other.iterdir())


TWO = (
    "trainer.devices=2", "retention.generated=64", "retention.inverted=0", "trainer.kernel=rule",
    "trainer.max_steps=6", "trainer.checkpoint_steps=2",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "number"), [("in a step", signal.SIGTERM), ("in a validation", signal.SIGINT)]
)
def test_a_run_in_two_processes_that_is_stopped_ends_at_the_same_bytes(
    train: Train, command: Command, whole: Callable[..., Path], place: str, number: signal.Signals
) -> None:
    expected = bytes_of(whole(*TWO))
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, place, number)
        left, folder = train(*TWO)
    assert left.code == 128 + number, left.err
    assert f"visionlora train resume={folder} continues the run" in left.err
    assert not list(folder.glob(".process-*"))
    left = command("train", f"resume={folder}")
    assert left.code == 0, left.err
    assert bytes_of(folder) == expected


@pytest.mark.slow
def test_folds_in_two_processes_that_are_stopped_are_continued(train: Train, command: Command) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a step", signal.SIGTERM)
        left, folder = train(*TWO, "data.folds=2")
    assert left.code == 143, left.err
    left = command("train", f"resume={folder}")
    assert left.code == 0, left.err
    assert metrics_of(folder)["folds"]["count"] == 2
