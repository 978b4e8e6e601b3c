"""Runs that train new blocks: they are saved, loaded, evaluated, resumed and scaled as adapters are."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

import visionlora
from tests.conftest import Command, Train, metrics_of
from tests.training.test_resume import stop_at
from visionlora.adapters import adapted_layers, adapters_off
from visionlora.frozen.growth import growths
from visionlora.models import load_backbone
from visionlora.models.restore import restore

X = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def test_a_run_trains_only_the_new_blocks_and_saves_them_with_their_strength(
    train: Train, command: Command, weights: Path, images: Path, tmp_path: Path
) -> None:
    left, folder = train(
        "model.expand=2", "optimizer.lr=0.01", f"retention.root={images / 'val'}", "retention.budget=0",
        "cache.features=true",
    )  # fmt: skip
    assert left.code == 0, left.err
    metrics = metrics_of(folder)
    assert any("new blocks are trained after features.7, features.12" in one for one in metrics["notices"])
    saved = restore(folder)
    assert list(growths(saved.network)) == ["features.7.growth", "features.12.growth"]
    assert not adapted_layers(saved.network)
    assert {one.gate.strength for one in growths(saved.network).values()} == {metrics["strength"]["chosen"]}
    trained = sum(one.numel() for growth in growths(saved.network).values() for one in growth.parameters())
    assert metrics["parameters"]["trainable"] == trained
    assert metrics["parameters"]["adapter_bytes"] == 4 * trained
    plain = load_backbone("squeezenet1_1", str(weights)).model
    with torch.no_grad():
        assert not torch.equal(saved.network(X), plain(X))
        with adapters_off(saved.network):
            assert torch.equal(saved.network(X), plain(X))
        torch.testing.assert_close(visionlora.load(folder)(X), saved.network(X))
    left = command("evaluate", f"adapter={folder}", f"data.root={images}", "output=e.json")
    assert left.code == 0, left.err
    evaluated = json.loads((tmp_path / "e.json").read_text())
    assert evaluated["loss"] == pytest.approx(metrics["after"]["val/loss"], abs=1e-4)
    left = command("evaluate", f"adapter={folder}", f"data.root={images}", "rank_curve=true")
    assert left.code == 2 and "rank_curve: the adapter updates no weight" in left.err
    left = command("merge", f"adapter={folder}", "output=merged.safetensors")
    assert left.code == 2 and "has new blocks (model.expand)" in left.err
    assert f"visionlora export adapter={folder} output=merged.pt2" in " ".join(left.err.split())
    left = command("train", f"adapter={folder}", f"data.root={images}", f"hydra.run.dir={tmp_path / 'next'}")
    assert left.code == 2 and "has new blocks (model.expand)" in left.err


@pytest.mark.slow
def test_a_grown_network_is_exported_with_its_blocks(train: Train, command: Command, tmp_path: Path) -> None:
    _, folder = train("model.expand=1", "optimizer.lr=0.01")
    network = visionlora.load(folder)
    for name in ("grown.pt2", "grown.onnx"):
        left = command("export", f"adapter={folder}", f"output={name}")
        assert left.code == 0, left.err  # it compares the file with PyTorch
    program = torch.export.load(tmp_path / "grown.pt2").module()
    torch.testing.assert_close(program(X), network(X))


@pytest.mark.slow
def test_training_of_new_blocks_continues_to_the_same_bytes(
    train: Train, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = ("model.expand=1", "lora.targets=last:2", "trainer.checkpoint_steps=1")
    assert train(*options, f"hydra.run.dir={tmp_path / 'whole'}")[0].code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "in a step", signal.SIGINT)
        left, folder = train(*options)
    assert left.code == 130
    assert command("train", f"resume={folder}").code == 0
    name = "adapter/adapter_model.safetensors"
    assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
