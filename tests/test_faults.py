"""Faults in the middle of a run: one line, an exit code, and the adapter as it was saved last."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning
import pytest
from lightning.pytorch.callbacks import Callback
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import Left
from visionlora.adapters import read_adapter_config

pytestmark = pytest.mark.slow


class AtStep(Callback):
    """Does something to the run after its third of four steps."""

    def __init__(self, fault: Callable[[lightning.LightningModule], None]) -> None:
        self.fault = fault

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: object
    ) -> None:
        if trainer.global_step == 3:
            self.fault(module)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own for the run's folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can't be mounted here: that needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.fixture
def run(
    command: Callable[..., Left], weights: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Left]:
    """Trains four steps into a folder, with a fault after the third."""

    def start(folder: Path, fault: Callable[[lightning.LightningModule], None], *arguments: str) -> Left:
        monkeypatch.setattr("visionlora.training.callbacks.progress", lambda *arguments: AtStep(fault))
        return command(
            "train", f"data.root={images}", "model.name=squeezenet1_1", f"model.weights={weights}",
            "trainer.max_steps=4", "trainer.validations=2", "data.batch_size=4", "lora.rank=2",
            "trainer.precision=32-true", "retention.weight=0", "contrast.generated=0", "data.cache_mb=0",
            "cache.features=false", f"hydra.run.dir={folder}", *arguments,
        )  # fmt: skip

    return start


def assert_ends_in_one_line(left: Left, code: int, said: str) -> None:
    assert left.code == code, left.err
    lines = [line for line in left.err.splitlines() if line.strip()]
    assert [line.partition(":")[0] for line in lines if "error" in line.lower()] == ["error"], left.err
    assert "Traceback" not in left.err + left.out
    assert said in lines[-1]


def assert_is_intact(folder: Path, left: Left) -> None:
    assert re.search(
        f"the adapter as it was after step [23] is in {folder}/adapter; resume={folder}", left.out
    )
    assert read_adapter_config(folder / "adapter")["family"] == "lora"
    tensors = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanishes_is_named(run, images: Path, tmp_path: Path, workers: int) -> None:
    def vanish(module: lightning.LightningModule) -> None:
        for path in images.rglob("train/red/*.png"):
            path.unlink()

    left = run(
        tmp_path / "run", vanish, f"data.workers={workers}", "trainer.max_steps=9", "trainer.validations=4"
    )
    assert_ends_in_one_line(left, 2, ".png: no such file")
    assert_is_intact(tmp_path / "run", left)


def test_a_run_without_a_checkpoint_says_how_to_begin_again(run, images: Path, tmp_path: Path) -> None:
    def vanish(module: lightning.LightningModule) -> None:
        for path in images.rglob("train/red/*.png"):
            path.unlink()

    left = run(tmp_path / "run", vanish, "trainer.max_steps=9", "trainer.validations=1")
    assert_ends_in_one_line(left, 2, ".png: no such file")
    assert f"no checkpoint is saved yet; resume={tmp_path / 'run'} begins the training again" in left.out


def test_an_image_that_changes_is_named(run, images: Path, tmp_path: Path) -> None:
    def change(module: lightning.LightningModule) -> None:
        for path in images.rglob("train/red/*.png"):
            Image.new("RGB", (50, 50)).save(path)

    left = run(tmp_path / "run", change)
    assert_ends_in_one_line(left, 2, "it has changed since it was first read")
    assert_is_intact(tmp_path / "run", left)


def test_parameters_that_are_no_numbers_are_not_saved(run, tmp_path: Path) -> None:
    def spoil(module: lightning.LightningModule) -> None:
        parameter = next(iter(module.trainable))
        parameter.register_hook(lambda gradient: gradient * float("nan"))

    left = run(tmp_path / "run", spoil)
    assert_ends_in_one_line(left, 2, "lower optimizer.lr")
    assert_is_intact(tmp_path / "run", left)


def test_a_disk_that_is_full_leaves_the_last_adapter(run, disk: Path) -> None:
    def fill(module: lightning.LightningModule) -> None:
        with (disk / "full").open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
                file.flush()

    left = run(disk / "run", fill)
    assert_ends_in_one_line(left, 4, "No space left on device")
    assert_is_intact(disk / "run", left)


def test_a_disk_that_becomes_read_only_leaves_the_last_adapter(run, disk: Path) -> None:
    def remount(module: lightning.LightningModule) -> None:
        # Files are open for writing, so a plain remount is refused: a second mount hides the first one.
        subprocess.run(["mount", "--bind", disk, disk], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)

    try:
        left = run(disk / "run", remount)
        assert_ends_in_one_line(left, 4, "Read-only file system")
        assert_is_intact(disk / "run", left)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_folder_that_is_removed_ends_the_run(run, tmp_path: Path) -> None:
    left = run(tmp_path / "run", lambda module: shutil.rmtree(tmp_path / "run"))
    assert_ends_in_one_line(left, 4, "was removed while the run was writing into it")
    assert not (tmp_path / "run").exists()
