"""The strength of whole runs, and which images it is chosen on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import Command, Train, metrics_of
from visionlora.adapters import adapted_layers
from visionlora.evaluation.choice import Choice
from visionlora.evaluation.classifier import load
from visionlora.models.restore import restore


@pytest.mark.parametrize("head", ["keep", "extend"])
def test_the_chosen_strength_is_the_saved_adapters_own(
    train: Train,
    command: Command,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    head: str,
) -> None:
    # The second strength of the first candidate, whatever it does; it is measured before it is taken.
    monkeypatch.setattr(
        "visionlora.evaluation.search.choose",
        lambda points, *_: Choice(points[1], kept=True, plausible=True),
    )
    if head == "extend":
        for split in ("train", "val"):
            (images / split / "red").rename(images / split / "scarlet")
    left, folder = train(
        f"model.head={head}", f"retention.root={images.parent / 'others'}", "retention.strengths=5",
        "trainer.max_steps=12", "optimizer.lr=0.02", "retention.weight=0", "lora.alpha=6",
    )  # fmt: skip
    assert left.code == 0, left.err
    metrics = metrics_of(folder)
    strength = metrics["strength"]
    assert [point["strength"] for point in strength["curve"]] == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert strength["chosen"] == 0.4
    assert "strength 0.4" in left.out
    taken = [point for point in strength["grid"] if point["candidate"] == metrics["candidates"]["taken"]]
    assert [{k: v for k, v in point.items() if k != "candidate"} for point in taken] == strength["curve"][1:]
    assert sum(point["measured"] for point in strength["grid"]) == strength["passes"]
    point = strength["curve"][2]
    assert point["measured"]
    assert point["val/loss"] == pytest.approx(metrics["after"]["val/loss"], rel=1e-5)
    assert point["lost"] == pytest.approx(metrics["retention"]["lost"], rel=1e-5)
    restored = restore(folder)
    layers = adapted_layers(restored.network)
    assert {one.settings.alpha for layer in layers.values() for one in layer.active_adapters()} == {6 * 0.4}
    batch = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(load(folder)(batch), restored.network(batch), rtol=1e-4, atol=1e-4)
    again = command("evaluate", f"adapter={folder}", f"data.root={images}", "output=figures.json")
    assert again.code == 0, again.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["loss"] == pytest.approx(metrics["after"]["val/loss"], rel=1e-4)


def test_without_retention_images_others_choose_the_strength(train: Train, images: Path) -> None:
    _, folder = train("retention.generated=64", "retention.inverted=0")
    metrics = metrics_of(folder)
    assert metrics["strength"]["judged_on"] == "16 generated images (estimated)"
    assert metrics["images"]["anchors"] == 64
    assert metrics["retention"] == "not measured"
    assert all(point["anchors/estimated_lost"] >= 0 for point in metrics["strength"]["curve"])
    _, folder = train("retention.generated=64", "retention.inverted=0", "retention.budget=null")
    assert metrics_of(folder)["strength"]["chosen"] == 1
    assert metrics_of(folder)["images"]["anchors"] == 64
    for index in range(1, 70):
        shutil.copy(images.parent / "others" / "0.png", images.parent / "others" / f"{index}.png")
    _, folder = train(f"retention.anchors=[{images.parent / 'others'}]")
    assert metrics_of(folder)["strength"]["judged_on"] == "17 anchors held out (estimated)"


def test_contrast_images_alone_choose_the_strength_without_measuring_forgetting(
    train: Train, images: Path
) -> None:
    _, folder = train(f"contrast.root={images.parent / 'others'}")
    strength = metrics_of(folder)["strength"]
    assert strength["judged_on"] == "not measured"
    assert strength["called_on"] == "6 contrast images"
    assert strength["budget"] == {"retention": None, "contrast": 0.05}
    assert not any("lost" in point for point in strength["curve"])
    assert "of top-1 lost" not in (folder / "adapter" / "README.md").read_text()
    assert "false-positive rate" in (folder / "adapter" / "README.md").read_text()


def test_forgetting_is_estimated_on_retention_images_without_labels(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    root = f"retention.root={images.parent / 'others'}"
    left, folder = train(root)
    assert left.code == 0, left.err
    assert "has no labels" in left.out
    retention = metrics_of(folder)["retention"]
    assert not retention["labelled"]
    assert retention["images"] == 6
    assert retention["lost"] == retention["estimated_lost"] >= 0
    assert "before/top1" not in retention
    again = command(
        "evaluate",
        f"adapter={folder}",
        f"data.root={images}",
        root,
        "output=figures.json",
        "sheet=lost.png",
    )
    assert again.code == 0, again.err
    assert "written to figures.json and lost.png" in again.out
    figures = json.loads((tmp_path / "figures.json").read_text())["retention"]
    assert Image.open(tmp_path / "lost.png").width > 200
    assert figures["changes"] == retention["changes"]
    assert figures["agreement_interval"] == retention["agreement_interval"]
    assert figures["divergence"] == pytest.approx(retention["divergence"], rel=1e-2)
