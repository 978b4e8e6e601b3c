"""A run that learns several labels an image, from the table to what predicts with it."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torchvision.models import resnet18

from tests.conftest import SIZE, Left, Train, metrics_of
from tests.report.test_metrics_page import documented, keys, matching
from visionlora import load
from visionlora.adapters import read_adapter_config
from visionlora.errors import VisionLoraError
from visionlora.models.config import MergeConfig
from visionlora.models.merge_weights import write_merged
from visionlora.settings import build
from visionlora.training.config import RunConfig

TASK = ("task=multi_label", "optimizer.class_weights=true", "augment=none")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Images with any of two labels, red and blue, and a table of them: train, val and test."""
    random = np.random.default_rng(0)
    rows = ["path,labels,split"]
    for place in range(36):
        names = [["red"], ["blue"], ["blue", "red"], []][place % 4]
        pixels = random.integers(0, 100, (SIZE + 8, SIZE + 8, 3))
        for name, channel in (("red", 0), ("blue", 2)):
            pixels[..., channel] += 150 * (name in names)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{place}.png")
        split = "train" if place < 16 else "val" if place < 26 else "test"
        rows.append(f"{place}.png,{'|'.join(names)},{split}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "labels.csv"


def written_about(folder: Path) -> dict[str, Any]:
    return read_adapter_config(folder / "adapter")["visionlora"]


def test_a_run_learns_labels_and_everything_after_it_gives_them(
    train: Train, command: Callable[..., Left], table: Path, tmp_path: Path
) -> None:
    left, folder = train(f"data.root={table}", *TASK, "trainer.max_steps=12")
    assert left.code == 0, left.err
    assert "labels separated by a bar (|)" in left.out + left.err
    metrics = metrics_of(folder)
    assert (metrics["task"], metrics["head"], metrics["classes"]) == ("multi_label", "new", ["blue", "red"])
    assert metrics["after"]["val/map"] > 0.9, "the start alone tells these colours apart"
    assert metrics["after"]["selected_on_these_images"][-1] == "thresholds"
    assert metrics["test"]["after"]["selected_on_these_images"] == []
    assert metrics["cross_fitted"]["validation"]["selected_on_these_images"] == ["checkpoint"]
    pages = documented("metrics.json") | documented("Several labels an image")
    assert [key for key in sorted(keys(metrics)) if not matching(key, pages)] == ["contrast", "retention"]

    thresholds = {name: one["threshold"] for name, one in metrics["after"]["per_label"].items()}
    about = written_about(folder)
    assert (about["task"], about["thresholds"]) == ("multi_label", thresholds)
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["blue", "red"]
    assert not (folder / "classes.csv").exists()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "average precision" in page
    assert "Confusion" not in page and "What was forgotten" not in page
    card = (folder / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "mean average precision" in card and "| blue |" in card and "top-1" not in card

    done = command(
        "predict", f"adapter={folder}", f"images={tmp_path}/[0-9]*.png", "output=said.csv", "sheet=s.png"
    )
    assert done.code == 0, done.err
    with (tmp_path / "said.csv").open(encoding="utf-8") as file:
        said = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    loaded = load(folder).predict(tmp_path / "2.png")[0]
    assert "|".join(name for name, _ in loaded) == said["2.png"]["labels"]
    assert all(value > thresholds[name] for name, value in loaded)
    assert len(said) == 36 and {row["labels"] for row in said.values()} >= {"red", "blue", ""}

    done = command("evaluate", f"adapter={folder}", f"data.root={table}", "output=e.json")
    assert done.code == 0, done.err
    evaluated = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert evaluated["map"] == pytest.approx(metrics["test"]["after"]["map"])
    assert evaluated["f1"] == metrics["test"]["after"]["f1"]
    described = documented("Several labels an image: the output of evaluate")
    assert [key for key in sorted(keys(evaluated)) if not matching(key, described)] == []

    refused = command("evaluate", f"adapter={folder}", f"data.root={table}", "rank_curve=true")
    assert refused.code != 0 and "rank_curve: " in refused.err
    refused = command("train", f"adapter={folder}", f"data.root={table}", "task=single_label")
    assert refused.code != 0 and "Traceback" not in refused.err
    with pytest.raises(VisionLoraError, match="ReLU behind the last layer was removed"):
        write_merged(MergeConfig(adapter=str(folder), output=str(tmp_path / "merged.safetensors")))


def test_one_label_an_image_and_several_are_not_confused(train: Train, table: Path, images: Path) -> None:
    left, _ = train(f"data.root={table}")
    assert left.code != 0 and "set task=multi_label" in left.err
    left, _ = train(f"data.root={images}", "task=multi_label")
    assert left.code != 0 and "say one label an image" in left.err
    rows = [row for row in table.read_text().splitlines() if "|" not in row and ",," not in row]
    (table.parent / "one.csv").write_text("\n".join(rows))
    left, _ = train(f"data.root={table.parent / 'one.csv'}", "task=multi_label")
    assert left.code != 0 and "each image has one label" in left.err


def test_a_table_of_labels_can_be_checked(command: Callable[..., Left], table: Path) -> None:
    left = command("check", f"data.root={table}", "task=multi_label")
    assert left.code == 0, left.out + left.err
    assert "blue" in left.out and "red" in left.out and "blue|red" not in left.out
    left = command("check", f"data.root={table}")
    assert left.code != 0 and "set task=multi_label" in left.err


@pytest.mark.parametrize(
    ("section", "value", "named"),
    [
        ("data", {"folds": 2}, "data.folds"),
        ("data", {"balance": True}, "data.balance"),
        ("data", {"class_name": "a"}, "data.class_name"),
        ("model", {"head": "extend"}, "model.head"),
        ("contrast", {"root": "x"}, "contrast.root"),
        ("lora", {"init": "lora_ga"}, "lora.init=lora_ga"),
        ("adapter", "run", "adapter"),
    ],
)
def test_what_makes_no_sense_for_several_labels_is_refused(section: str, value: Any, named: str) -> None:
    values: dict[str, Any] = {"task": "multi_label", "data": {"root": "x"}}
    values[section] = {**values.get(section, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(VisionLoraError, match=f"{named} is not for task=multi_label"):
        build(RunConfig, values)


def test_a_separator_is_for_several_labels() -> None:
    with pytest.raises(VisionLoraError, match=r"data.separator is bar: .* set task=multi_label"):
        build(RunConfig, {"data": {"root": "x", "separator": "bar"}})


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_thresholds(
    train: Train, command: Callable[..., Left], table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from visionlora.training import run

    options = (
        f"data.root={table}", "task=multi_label", "optimizer.class_weights=true", "augment.mixup=0.4",
        "optimizer.label_smoothing=0.1", "trainer.kernel=rule",
    )  # fmt: skip
    left, folder = train(*options)
    assert left.code == 0, left.err
    whole, adapter = written_about(folder), (folder / "adapter" / "adapter_model.safetensors").read_bytes()

    def dies(*arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(run, "select_strength", dies)
        left, folder = train(*options)
    assert left.code != 0
    left = command("train", f"resume={folder}", f"hydra.run.dir={folder}")
    assert left.code == 0, left.err
    assert written_about(folder)["thresholds"] == whole["thresholds"]
    assert (folder / "adapter" / "adapter_model.safetensors").read_bytes() == adapter


@pytest.mark.slow
def test_an_exported_file_and_its_script_give_the_labels(
    train: Train, command: Callable[..., Left], table: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    import subprocess
    import sys

    _, folder = train(f"data.root={table}", *TASK)
    left = command("export", f"adapter={folder}", "output=network.onnx", f"images={tmp_path}/[0-9]*.png")
    assert left.code == 0, left.err
    about = json.loads((tmp_path / "network.onnx.json").read_text(encoding="utf-8"))
    assert about["thresholds"] == list(written_about(folder)["thresholds"].values())
    script = subprocess.run(
        [sys.executable, str(tmp_path / "network.predict.py"), str(tmp_path / "2.png")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = script.stdout.rstrip("\n").split("\t")[1:]
    assert sorted(one for one in said if one) == sorted(
        name for name, _ in load(folder).predict(tmp_path / "2.png")[0]
    )


@pytest.mark.slow
def test_merged_weights_give_the_labels_where_no_relu_was_removed(
    train: Train, command: Callable[..., Left], table: Path, tmp_path: Path
) -> None:
    _, folder = train(
        f"data.root={table}", *TASK, "model.name=resnet18", "model.weights=none", "lora.targets=last:2"
    )
    left = command("merge", f"adapter={folder}", "output=merged.safetensors")
    assert left.code == 0, left.err
    with safe_open(tmp_path / "merged.safetensors", "pt") as file:
        about = file.metadata()
    assert json.loads(about["thresholds"]) == list(written_about(folder)["thresholds"].values())
    plain = resnet18(num_classes=2).eval()
    plain.load_state_dict(load_file(tmp_path / "merged.safetensors"))  # torchvision's own network
    adapted = load(folder)
    paths = [tmp_path / f"{place}.png" for place in range(8)]
    pixels = torch.stack([adapted.transform(path) for path in paths])
    with torch.inference_mode():
        torch.testing.assert_close(plain(pixels), adapted(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_two_processes_learn_the_labels_and_thresholds_of_one(
    train: Train, table: Path, tmp_path: Path
) -> None:
    found = {}
    for devices in (1, 2):
        left, folder = train(
            f"data.root={table}", *TASK, f"trainer.devices={devices}", "trainer.strategy=ddp",
            "trainer.kernel=rule", "trainer.max_steps=6",
        )  # fmt: skip
        assert left.code == 0, left.err
        found[devices] = folder.rename(tmp_path / f"{devices}_processes")
    one, two = (load_file(run / "adapter" / "adapter_model.safetensors") for run in found.values())
    for name, value in one.items():
        assert (two[name] - value).norm() <= 1e-3 * value.norm() + 1e-6, name
    alone, shared = map(metrics_of, found.values())
    assert shared["after"]["per_label"].keys() == alone["after"]["per_label"].keys()
    assert shared["after"]["val/map"] == pytest.approx(alone["after"]["val/map"], abs=1e-3)
    assert shared["test"]["after"]["map"] == pytest.approx(alone["test"]["after"]["map"], abs=1e-3)
    assert written_about(found[2])["thresholds"] == pytest.approx(
        written_about(found[1])["thresholds"], abs=1e-3
    )
