"""Curves go where ``logger=`` says."""

from __future__ import annotations

import csv
import errno
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Left, Train
from visionlora.command import in_words
from visionlora.errors import MachineFault, VisionLoraError
from visionlora.run_folder.loggers import close_logger, make_logger, require_logger


@pytest.mark.parametrize("kind", ["wandb", "mlflow"])
def test_a_logger_whose_package_is_missing_is_refused_in_one_line(
    command: Callable[..., Left], monkeypatch: pytest.MonkeyPatch, images: Path, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    left = command("train", f"data.root={images}", "model=pocket", f"logger={kind}", "hydra.run.dir=run")
    assert left.code == 2
    assert left.err.strip().count("\n") == 0
    assert f"pip install 'visionlora[{kind}]'" in left.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["tensorboard", "csv"])
def test_what_every_installation_has_is_not_refused(kind: str) -> None:
    require_logger(kind)


def test_a_service_that_refuses_is_named_before_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("no API key\nconfigured")

    monkeypatch.setattr("visionlora.run_folder.loggers.WandbLogger", refuse)
    with pytest.raises(VisionLoraError, match="logger wandb cannot start: no API key configured; "):
        make_logger("wandb", tmp_path, "folder")


def test_where_tensorboard_cannot_write_the_run_says_where_and_no_thread_prints_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    logger = make_logger("tensorboard", tmp_path, "folder")

    def full(self: object, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", full)
    with pytest.raises((OSError, ValueError)) as raised:
        for step in range(1000):
            logger.log_metrics({"loss": 1.0}, step)
            time.sleep(0.01)
    known = in_words(raised.value)
    assert isinstance(known, MachineFault)
    assert f"{tmp_path / 'tensorboard'} cannot be used: No space left on device" in str(known)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["costs $5_$HOME ${HOME}", "~", "~root", "run #1, a=b%20 (x)?"])
@pytest.mark.parametrize("kind", ["tensorboard", "csv"])
def test_curves_lie_in_the_runs_folder_whatever_its_name(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    logger = make_logger(kind, tmp_path / name, "folder")
    logger.log_metrics({"train/loss": 1.0}, step=0)
    close_logger(logger)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert any((tmp_path / name / kind).iterdir())


@pytest.mark.parametrize("name", ["50 % off", "what?"])
def test_a_folder_that_mlflow_would_take_for_another_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(VisionLoraError, match="logger mlflow cannot write into"):
        make_logger("mlflow", tmp_path / name, "folder")


def test_curves_and_final_figures_go_to_a_csv_file(train: Train, images: Path) -> None:
    shutil.copytree(images / "val", images / "test")
    left, folder = train("logger=csv")
    assert left.code == 0, left.err
    assert not (folder / "tensorboard").exists()
    with (folder / "csv" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    validated = [row["val/top1"] for row in rows if row["val/top1"]]
    assert len(validated) == 2
    metrics = json.loads((folder / "metrics.json").read_text())
    for name, value in (
        ("after/val/top1", metrics["after"]["val/top1"]),
        ("test/after/top1", metrics["test"]["after"]["top1"]),
    ):
        assert float(rows[-1][f"whole_run/{name}"]) == pytest.approx(value)
    # The figures of each class are in classes.csv, and what writing takes is not known yet.
    assert not [name for name in rows[-1] if "per_class" in name or name.endswith("time/total_s")]
    assert (folder / "report.html").is_file()


def test_a_resumed_run_keeps_the_curves_of_the_first_part(tmp_path: Path) -> None:
    for start in (None, 4):
        logger = make_logger("csv", tmp_path, "folder", start)
        logger.log_metrics({"train/loss": 1.0}, step=start or 0)
        logger.save()
    assert {path.parent.name for path in tmp_path.glob("*/metrics.csv")} == {"csv", "csv_after_step_4"}
