"""Runs in several processes: what one process would give, and each folder written once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

from tests.conftest import Command, Train, Trained, metrics_of
from visionlora.errors import MachineFault, VisionLoraError
from visionlora.processes import gather, joined, run_in
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.shared_folder import shared
from visionlora.this_process import Process

TRIALS = [{"lr": 0.001, "val/objective": 0.5}]
SAME = ("retention.generated=64", "retention.inverted=0", "trainer.kernel=rule", "augment=none")


def test_two_processes_learn_the_adapter_of_one(train: Train, tmp_path: Path, images: Path) -> None:
    # 10 images in batches of 4: the last one of an epoch has 2. Of 3 anchors a step one process has 2.
    # Images of one colour give equal values to a pooling layer, and with some seeds rounding decides.
    found = {}
    for devices in (1, 2):
        left, folder = train(
            *SAME, f"trainer.devices={devices}", "trainer.strategy=ddp", "retention.per_step=3", "seed=2",
            "trainer.max_steps=3", f"contrast.root={images.parent / 'others'}",
        )  # fmt: skip
        assert left.code == 0, left.err
        found[devices] = folder.rename(tmp_path / f"{devices}_processes")
    one, two = (load_file(run / "adapter" / "adapter_model.safetensors") for run in found.values())
    assert any(value.any() for name, value in one.items() if "lora_B" in name)
    for name, value in one.items():
        assert (two[name] - value).norm() <= 1e-3 * value.norm() + 1e-6, name
    alone, shared = map(metrics_of, found.values())
    assert shared["after"]["val/loss"] == pytest.approx(alone["after"]["val/loss"], abs=1e-3)
    assert shared["images"] == alone["images"]
    assert shared["strength"]["chosen"] == alone["strength"]["chosen"]
    assert shared["contrast"]["images"] == alone["contrast"]["images"] == 6
    sent = shared["parameters"]["adapter_bytes"]
    assert f"2 processes: each sent {sent:,} bytes of gradients a step" in " ".join(shared["notices"])
    names = [sorted(path.name for path in run.iterdir()) for run in found.values()]
    assert names[0] == names[1], "the other process left something"
    assert len(list((found[2] / "tensorboard").iterdir())) == len(list((found[1] / "tensorboard").iterdir()))


def test_two_processes_measure_what_is_kept_of_an_earlier_adapter(train: Train, tmp_path: Path) -> None:
    _, folder = train("trainer.max_steps=1", "trainer.validations=1")
    first = folder.rename(tmp_path / "first")
    left, second = train(f"adapter={first}", "trainer.max_steps=1", "trainer.devices=2")
    assert left.code == 0, left.err
    earlier = metrics_of(second)["earlier"]["classes"]
    assert [(one["class"], one["images"]) for one in earlier] == [("blue", 3), ("red", 3)]


def test_predict_and_evaluate_in_two_processes_write_the_one_ordered_result(
    trained: Trained, command: Command, images: Path, tmp_path: Path
) -> None:
    (images / "val" / "red" / "broken.png").write_bytes(b"no image")
    texts = []
    for devices in (1, 2):
        left = command(
            "predict", f"adapter={trained.run}", f"images={images}", f"devices={devices}", "batch_size=3",
            "output=names.jsonl",
        )  # fmt: skip
        assert left.code == 3, left.err
        assert left.err.count("not read:") == 1
        texts.append((tmp_path / "names.jsonl").read_text())
    assert len(texts[0].splitlines()) == 17
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_evaluate_in_two_processes_gives_the_figures_of_one(
    trained: Trained, command: Command, tmp_path: Path
) -> None:
    figures = []
    for devices in (1, 2):
        left = command(
            "evaluate",
            f"adapter={trained.run}",
            f"data.root={trained.images}",
            f"devices={devices}",
            "output=figures.json",
        )
        assert left.code == 0, left.err
        figures.append(json.loads((tmp_path / "figures.json").read_text()))
    assert figures[1].pop("loss") == pytest.approx(figures[0].pop("loss"))
    assert figures[1] == figures[0]


def test_a_batch_that_the_processes_cannot_share_is_refused(train: Train) -> None:
    left, folder = train("trainer.devices=3", "data.batch_size=4")
    assert left.code == 2
    expected = "trainer.devices is 3: they cannot share data.batch_size=4 evenly; set data.batch_size=3"
    assert expected in left.err
    assert not folder.exists()


@pytest.mark.slow
def test_torchrun_makes_one_run(images: Path, weights: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone",
        "-m", "visionlora.train", f"data.root={images}", "model.name=squeezenet1_1",
        f"model.weights={weights}", "trainer.max_steps=2", "trainer.validations=1", "data.batch_size=4",
        "lora.rank=2", "retention.weight=0", "trainer.precision=32-true",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (run,) = [path.parent for path in (tmp_path / "outputs").rglob("config.yaml")]
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    assert len({path.name.split(".")[-2] for path in (run / "tensorboard").glob("events.*")}) == 1, (
        "processes"
    )
    assert metrics_of(run)["steps"] == 2
    assert done.stdout.count("Result\n") == 1


def test_each_process_stops_a_run_that_a_launcher_started_otherwise(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "4")
    left, _ = train("trainer.devices=2")
    assert left.code == 2
    assert "2 processes are asked for, but the launcher started 4 on this machine" in left.err


def test_another_process_is_told_what_the_first_one_was_whatever_its_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A resumed run's file has the paths and numbers that it was begun with.
    folder = RunFolder.start(tmp_path / "run", OmegaConf.create({"seed": 1}))
    folder.record.set("learning_rate_trials", TRIALS)
    sent: list[Any] = []
    module = "visionlora.run_folder.shared_folder"
    monkeypatch.setattr(f"{module}.agreed", lambda value: sent.append(value) or value)
    assert shared(folder, OmegaConf.create({"seed": 2})) is folder
    monkeypatch.setattr(f"{module}.agreed", lambda value: sent[0])
    monkeypatch.setattr(f"{module}.this_process", lambda: Process(rank=3, count=4))
    other = shared(None)
    assert other.path == tmp_path / "run" / ".process-3"
    assert other.config().seed == 2
    assert other.record.get("learning_rate_trials") == TRIALS


def fails(*_: Any) -> int:
    raise VisionLoraError("b.png: no such file; repair or remove it")


def dies(*_: Any) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.parametrize(
    ("other", "kind", "said"),
    [
        (fails, VisionLoraError, "process 1 of 2: b.png: no such file; repair or remove it"),
        (dies, MachineFault, "process 1 of 2: signal 9 ended it"),
    ],
)
@pytest.mark.parametrize("early", [False, True], ids=["at work", "before they have met"])
def test_where_another_process_ends_the_first_one_says_why(
    other: Any, kind: type, said: str, early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux" or torch.accelerator.is_available():
        pytest.skip("processes are forked on Linux, and not where an accelerator has threads")
    forked = multiprocessing.get_context("fork")
    monkeypatch.setattr("visionlora.processes.multiprocessing.get_context", lambda _: forked)

    def talks() -> int:
        with joined("cpu"):
            gather(1)  # which nobody answers
        return 0

    def taking_part(*arguments: Any) -> int:
        if early:
            return other(*arguments)
        with joined("cpu"):
            return other(*arguments)

    with pytest.raises(VisionLoraError, match=said) as ended:
        run_in(2, talks, taking_part)
    assert type(ended.value) is kind
