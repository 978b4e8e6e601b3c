"""Runs that continue from a trained adapter: a class joins, the earlier ones stay and are measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Command, Train, metrics_of
from visionlora.evaluation.classifier import load
from visionlora.models.restore import restore

Next = Callable[..., tuple]


@pytest.fixture
def classes(images: Path, tmp_path: Path) -> dict[str, Path]:
    """A folder of images of its own for each of three classes: red, blue, and one that the network lacks."""
    folders = {"red": tmp_path / "red", "blue": tmp_path / "blue", "scarlet": tmp_path / "scarlet"}
    for name, root in folders.items():
        for split in ("train", "val"):
            source = images / split / ("red" if name == "scarlet" else name)
            shutil.copytree(source, root / split / name)
    return folders


@pytest.fixture
def chain(train: Train, classes: dict[str, Path], tmp_path: Path) -> Callable[..., tuple]:
    """Runs one class, continuing from another run's folder or adapter."""

    def run(name: str, earlier: Path | None, *arguments: str) -> tuple:
        folder = tmp_path / f"run-{name}"
        again = () if earlier is None else (f"adapter={earlier}",)
        left, _ = train(
            f"data.root={classes[name]}", f"hydra.run.dir={folder}", "optimizer.lr=0.02",
            "trainer.max_steps=6", *again, *arguments,
        )  # fmt: skip
        return left, folder

    return run


def test_three_runs_make_one_adapter_that_every_command_takes(
    chain: Next, command: Command, classes: dict[str, Path], images: Path, tmp_path: Path
) -> None:
    old = f"retention.root={images / 'val'}"
    _, first = chain("red", None, old, "retention.strengths=3")
    _, second = chain("blue", first)
    left, third = chain("scarlet", second / "adapter", "retention.strengths=2")
    assert left.code == 0, left.err
    # Options come from the earlier run, but for those that are given.
    assert [len(metrics_of(run)["strength"]["curve"]) for run in (first, second, third)] == [4, 4, 3]
    assert "retention.root=" in left.out and "retention.strengths" not in left.out.split("Found")[0]
    metrics = metrics_of(third)
    assert metrics["head"] == "extend"
    assert metrics["classes"] == ["scarlet"]
    earlier = {one["class"]: one for one in metrics["earlier"]["classes"]}
    assert earlier.keys() == {"red", "blue"}
    assert all(one["images"] == 3 for one in earlier.values())
    # What a class had when it was learned is what its own run ended with.
    assert earlier["red"]["learned"] == metrics_of(first)["after"]["val/top1"]
    assert earlier["blue"]["learned"] == metrics_of(second)["after"]["val/top1"]
    kept = {one["class"]: one["after/top1"] for one in metrics_of(second)["earlier"]["classes"]}
    assert earlier["red"]["before/top1"] == kept["red"]
    lost = metrics_of(first)["retention"]["before/top1"] - metrics["retention"]["after/top1"]
    assert metrics["earlier"]["lost"] == pytest.approx(lost)
    assert "red" in left.out and "kept" in left.out
    # The images of earlier runs are anchors, and listed for the next run.
    assert metrics["images"]["anchors"] == metrics_of(first)["images"]["anchors"] + 10
    read = json.loads((third / "images.json").read_text())["images"]
    for role, count in (("earlier train", 5), ("earlier val", 3)):
        assert (
            sorted(one["label"] for one in read if one["role"] == role) == ["blue"] * count + ["red"] * count
        )

    shutil.rmtree(first), shutil.rmtree(second)  # the last adapter needs none of the others
    assert restore(third).classes == ("red", "blue", "scarlet")
    assert command("merge", f"adapter={third}", "output=merged.safetensors").code == 0
    predicted = command("predict", f"adapter={third}", f"images={classes['scarlet']}", "compare=true")
    assert predicted.code == 0, predicted.err
    judged = command("evaluate", f"adapter={third}", f"data.root={images}", "output=figures.json")
    assert judged.code == 0, judged.err
    figures = json.loads((tmp_path / "figures.json").read_text())["per_class"]
    assert {name: figures[name]["top1"] for name in ("red", "blue")} == {
        name: one["after/top1"] for name, one in earlier.items()
    }


@pytest.mark.slow
def test_images_that_are_gone_or_unknown_are_announced(
    chain: Next, classes: dict[str, Path], tmp_path: Path
) -> None:
    _, first = chain("red", None)
    (classes["red"] / "train" / "red" / "0.png").unlink()
    shutil.copy(classes["blue"] / "val" / "blue" / "0.png", classes["red"] / "val" / "red" / "0.png")
    left, second = chain("blue", first)
    assert "gone or changed: 2 images of the earlier runs" in left.out
    assert metrics_of(second)["earlier"]["classes"][0]["images"] == 2
    shutil.copytree(first / "adapter", tmp_path / "alone")
    left, third = chain("scarlet", tmp_path / "alone")
    assert "is not in a run folder" in left.out
    assert metrics_of(third)["earlier"]["classes"][0]["kept"] == "not measured"


def test_strength_zero_is_the_earlier_adapter_and_its_losses_use_up_the_budget(
    chain: Next, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = chain("red", None)
    monkeypatch.setattr("visionlora.evaluation.earlier.EarlierKnowledge.lost", lambda *_: 0.25)
    left, second = chain("blue", first, f"retention.root={images / 'val'}", "retention.budget=0.3")
    assert left.code == 0, left.err
    metrics = metrics_of(second)
    assert metrics["strength"]["budget"]["retention"] == pytest.approx(0.05)
    assert "earlier runs lost 0.250" in left.out
    assert metrics["strength"]["curve"][0]["val/top1"] == metrics["before"]["val/top1"]


@pytest.mark.slow
def test_features_of_frozen_layers_are_those_with_the_earlier_adapter(chain: Next, images: Path) -> None:
    _, first = chain("red", None)
    old = f"retention.root={images / 'val'}"
    left, second = chain("blue", first, "cache.features=true", "lora.targets=last:2", old)
    assert left.code == 0, left.err
    metrics = metrics_of(second)
    assert metrics["features"] != "computed at every step"
    batch = torch.randn(2, 3, 48, 48)
    torch.testing.assert_close(load(second)(batch), restore(second).network(batch), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_what_contradicts_the_earlier_run_is_refused_before_anything_is_trained(chain: Next) -> None:
    _, first = chain("red", None)
    left, second = chain("blue", first, "model.name=vgg11")
    assert left.code == 2
    assert "model.name=vgg11" in left.err and len(left.err.strip().splitlines()) == 1
    assert not second.exists()


def test_an_adapter_that_does_not_exist_is_named(chain: Next) -> None:
    left, folder = chain("blue", Path("/no/such/run"))
    assert left.code == 2
    assert "/no/such/run" in left.err and len(left.err.strip().splitlines()) == 1
    assert not folder.exists()


def test_resume_and_adapter_are_not_given_together(command: Command, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("seed: 0\n")
    left = command("train", f"resume={tmp_path / 'run'}", "adapter=another")
    assert left.code == 2
    assert "give one of them" in left.err
