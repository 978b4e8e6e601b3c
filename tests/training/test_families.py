"""Runs with families other than LoRA, from the command line to predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.conftest import Command, Train, metrics_of
from visionlora.adapters import adapters_off
from visionlora.evaluation.classifier import load
from visionlora.models.restore import restore

SHORT = [
    "data=goldfish", "model=pocket", "trainer.max_steps=2", "trainer.validations=1", "trainer.progress=false",
    "contrast.generated=0", "retention.per_step=2",
]  # fmt: skip

WITH_NORMS = ["model.name=mobilenet_v3_small", "model.weights=none", "retention.generated=0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (["lora.family=[lora,ia3]"], ["ia3"]),
        (["lora.family=[lora,conv_adapter]"], ["conv_adapter"]),
        (["lora.family=visual_prompt"], None),
        (["lora.train_norms=true", *WITH_NORMS], ["norm"]),
    ],
    ids=str,
)
def test_a_network_is_trained_and_predicts(
    settings: list[str], parts: list[str] | None, command: Command, tmp_path: Path
) -> None:
    left = command("train", *SHORT, *settings, f"hydra.run.dir={tmp_path / 'run'}")
    assert left.code == 0, left.err
    own = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text())["auto_mapping"]
    assert own["visionlora"].get("parts") == parts
    image = next((Path(__file__).parents[2] / "data" / "goldfish" / "val").glob("*/*"))
    left = command("predict", f"adapter={tmp_path / 'run'}", f"images={image}")
    assert left.code == 0, left.err
    assert "goldfish" in left.out


@pytest.mark.parametrize(("family", "factor"), [("ia3", 10), ("vera", 30), ("full", 0.1)])
def test_a_familys_own_learning_rate_is_said_and_recorded(family: str, factor: float, train: Train) -> None:
    left, folder = train(f"lora.family={family}", "trainer.max_steps=1")
    assert left.code == 0, left.err
    assert f"adapters train at {factor:g} times optimizer.lr" in " ".join(left.out.split())
    assert metrics_of(folder)["learning_rate"]["adapter_factor"] == factor


@pytest.mark.parametrize(
    "options",
    [
        ["lora.family=[lora,conv_adapter]", "lora.targets=last:4"],
        ["lora.family=visual_prompt", "lora.options={width: 4}"],
    ],
)
def test_modules_that_cannot_be_merged_stay_in_what_is_loaded_and_exported(
    options: list[str], train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    _, run = train(*options, "trainer.max_steps=1", "retention.weight=0", "optimizer.lr=0.1")
    restored, x = restore(run), torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = restored.network.eval()(x)
        assert torch.equal(load(run)(x), expected)
        with adapters_off(restored.network):
            assert not torch.equal(restored.network(x), expected)
    program = tmp_path / "network.pt2"
    left = command("export", f"adapter={run}", f"output={program}", f"images={images / 'val'}")
    assert left.code == 0, left.err
    torch.testing.assert_close(torch.export.load(program).module()(x), expected, rtol=1e-4, atol=1e-5)
    left = command("export", f"adapter={run}", f"output={tmp_path / 'x.safetensors'}", f"images={images}")
    assert left.code == 2 and "give an output that ends in .pt2 or .onnx" in left.err
    left = command("merge", f"adapter={run}", f"output={tmp_path / 'x.safetensors'}")
    assert left.code == 2 and ", modules of their own and no change of weights" in left.err
