"""Runs on a quantised base, and the files and commands around them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from tests.conftest import Command, Train, metrics_of
from visionlora.adapters.io.fingerprint import fingerprint
from visionlora.errors import VisionLoraError
from visionlora.frozen.quantised import packed_weights
from visionlora.models import load_backbone
from visionlora.models.quantise import quantise_base
from visionlora.models.restore import restore

QUANTISED = ("model.quantise=nf4", "lora.rank=4", "trainer.kernel=rule")


def test_a_run_on_a_quantised_base_says_so_and_every_command_loads_it_so(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    left, run = train(*QUANTISED, "lora.init=loftq", "trainer.fold_batch_norm=false")
    assert left.code == 0, left.err
    assert "the base is quantised to nf4" in left.out
    metrics = metrics_of(run)["quantised"]
    assert (metrics["scheme"], metrics["skip"]) == ("nf4", ["first", "head"])
    assert metrics["bytes"] < 0.5 * metrics["dense_bytes"]
    assert "features.0" not in metrics["layers"] and "classifier.1" not in metrics["layers"]
    # The start makes up for a part of each layer's error.
    assert all(0 < layer["left"] < layer["error"] < 0.2 for layer in metrics["layers"].values())
    own = json.loads((run / "adapter/adapter_config.json").read_text())["auto_mapping"]["visionlora"]
    assert own["quantise"] == {"scheme": "nf4", "skip": ["first", "head"], "corrected": 24}

    restored = restore(run)
    weights = packed_weights(restored.network)
    assert set(weights) == set(metrics["layers"])
    assert all("added_A" in weight.parts for weight in weights.values())
    left = command("predict", f"adapter={run}", f"images={images / 'val'}")
    assert left.code == 0 and "quantised to nf4" in left.out
    left = command("evaluate", f"adapter={run}", f"data.root={images}", f"output={tmp_path / 'figures.json'}")
    assert left.code == 0 and "quantised to nf4" in left.out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["top1"] == pytest.approx(metrics_of(run)["after"]["val/top1"])

    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = restored.network(x)
        for to in ("visionlora", "peft"):
            left = command("convert", f"from={run}", f"to={to}", f"output={tmp_path / to}")
            assert left.code == 0, left.err
            torch.testing.assert_close(restore(tmp_path / to).network(x), expected)

    dense, packed = tmp_path / "merged.safetensors", tmp_path / "packed.safetensors"
    assert command("merge", f"adapter={run}", f"output={dense}").code == 0
    left = command("merge", f"adapter={run}", f"output={packed}", "quantise=int8")
    assert left.code == 0, left.err
    assert f"model=squeezenet1_1 model.weights={packed} loads it" in left.out
    assert packed.stat().st_size < 0.5 * dense.stat().st_size
    with torch.no_grad():
        for path, tolerance in ((dense, 1e-3), (packed, 0.1)):
            network = load_backbone("squeezenet1_1", str(path)).model
            assert (network(x) - expected).norm() < tolerance * expected.norm()


@pytest.mark.parametrize("head", ["new", "extend"])
def test_outputs_that_are_trained_stay_dense_whatever_is_skipped(
    train: Train, images: Path, head: str
) -> None:
    for split in ("train", "val"):
        (images / split / "red").rename(images / split / "scarlet")
    left, run = train(
        "model.quantise=nf4", "model.quantise_skip=[first]", f"model.head={head}", "trainer.max_steps=1"
    )
    assert left.code == 0, left.err
    packed = packed_weights(restore(run).network)
    assert ("classifier.1.old" in packed) == (head == "extend")
    assert not {"classifier.1", "classifier.1.new"} & set(packed)


def test_the_base_of_a_damaged_adapter_is_refused(train: Train, tmp_path: Path) -> None:
    _, run = train(*QUANTISED, "lora.init=pissa", "retention.weight=0")
    adapter = tmp_path / "copy"
    shutil.copytree(run / "adapter", adapter)
    path = adapter / "base_correction.safetensors"
    tensors = load_file(path)
    first = next(iter(tensors))
    for wrong in (tensors[first][:, :1].contiguous(), tensors[first] * float("nan"), tensors[first].float()):
        save_file({**tensors, first: wrong}, path)
        with pytest.raises(VisionLoraError, match="does not fit the network"):
            restore(adapter)
    path.unlink()  # what the adapter was trained on is not there without it
    with pytest.raises(VisionLoraError, match="is missing, which makes up for"):
        restore(adapter)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lora.init=loftq",), "set model.quantise=nf4 or int8"),
        (("model.quantise=nf4", "model.quantise_skip=[nothing]"), "matches no layer"),
        (("model.quantise=nf4", "model.quantise_skip=['.*']"), "leaves no layer to quantise"),
        (("model.quantise=nf4", "trainer.devices=2"), "trained by one process"),
        (("optimizer=paged_adamw", "trainer.accelerator=cpu"), "optimizer.name=paged_adamw needs a GPU"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(
    train: Train, arguments: tuple[str, ...], said: str
) -> None:
    left, _ = train(*arguments)
    assert left.code == 2
    assert said in left.err and left.err.count("\n") == 1


def test_a_quantised_adapter_is_not_continued_and_converted_with_a_word_about_its_base(
    train: Train, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "first"
    train(*QUANTISED, "retention.weight=0", f"hydra.run.dir={run}")
    left, _ = train(f"adapter={run}")
    assert left.code == 2 and "merge it (visionlora merge" in left.err
    left = command("convert", f"from={run}", "to=lycoris", "output=a.safetensors")
    assert left.code == 0, left.err
    assert "trained on a base of nf4, and lycoris has dense weights" in " ".join(left.out.split())


@pytest.fixture
def quantised_file(command: Command, weights: Path, tmp_path: Path) -> Path:
    path = tmp_path / "nf4.safetensors"
    left = command("quantise", "model=squeezenet1_1", f"model.weights={weights}", f"output={path}")
    assert left.code == 0, left.err
    assert "quantised to nf4" in left.out
    return path


def test_a_quantised_file_loads_without_the_dense_weights(
    quantised_file: Path, train: Train, weights: Path
) -> None:
    assert quantised_file.stat().st_size < 0.3 * weights.stat().st_size
    network = load_backbone("squeezenet1_1", str(quantised_file)).model
    assert len(packed_weights(network)) == 24
    left, run = train(f"model.weights={quantised_file}", "model.quantise_skip=[]")
    assert left.code == 0, left.err
    assert "model.quantise_skip is not used: model.weights is quantised already" in left.out
    assert packed_weights(restore(run).network)
    for asked in ("model.quantise=int8", "lora.init=loftq"):
        left, _ = train(f"model.weights={quantised_file}", asked)
        assert left.code == 2
        assert f"error: {asked}: {quantised_file} is quantised already; leave it out" in left.err
    left, _ = train(f"model.weights={quantised_file}", "model.expand=1")
    assert left.code == 2
    assert f"model.weights={quantised_file}: new blocks (model.expand) are trained, and quantised" in left.err


def test_hostile_quantised_files_are_refused_in_a_line(quantised_file: Path, tmp_path: Path) -> None:
    with safe_open(quantised_file, framework="pt") as file:
        metadata = file.metadata()
    tensors, about = load_file(quantised_file), json.loads(metadata["quantised"])
    name = next(iter(about))
    huge = {**about, name: {"scheme": "nf4", "shape": [2**30, 2**30]}}
    changes = [
        ({f"{name}.codes": tensors[f"{name}.codes"][:-1].clone()}, about),
        ({f"{name}.scale_scales": tensors[f"{name}.scale_scales"] * float("nan")}, about),
        ({f"{name}.codes": tensors[f"{name}.codes"].int()}, about),
        ({f"{name}.surprise": torch.zeros(1)}, about),
        ({name: torch.zeros(1)}, about),
        ({}, huge),
        ({}, {**about, name: {"scheme": "nf3", "shape": [1, 1]}}),
        ({}, {**about, name: {"scheme": "nf4", "shape": [-1, 4]}}),
        ({}, [1]),
        ({}, {key: one for key, one in about.items() if key != name}),
    ]
    path = tmp_path / "hostile.safetensors"
    for changed, claimed in changes:
        save_file({**tensors, **changed}, path, {**metadata, "quantised": json.dumps(claimed)})
        with pytest.raises(VisionLoraError) as caught:
            load_backbone("squeezenet1_1", str(path))
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_packed_base_is_the_same_whoever_makes_it(weights: Path, quantised_file: Path) -> None:
    backbone = load_backbone("squeezenet1_1", str(weights))
    quantise_base(backbone.model, "nf4", ("first", "head"), "classifier.1", 64)
    assert fingerprint(backbone.model) == fingerprint(
        load_backbone("squeezenet1_1", str(quantised_file)).model
    )


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what is mapped")
def test_a_quantised_network_does_not_hold_the_file_of_its_dense_weights(tmp_path: Path) -> None:
    file = tmp_path / "dense.safetensors"
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 64, 3), nn.Flatten(), nn.Linear(64, 5)).eval()
    save_file(network.state_dict(), file)
    with safe_open(file, "pt") as opened:
        network.load_state_dict({key: opened.get_tensor(key) for key in opened.keys()}, assign=True)  # noqa: SIM118
    first = network[0].weight.clone()
    assert str(file) in Path("/proc/self/maps").read_text()
    quantise_base(network, "nf4", ("first", "head"), "3", 5)
    assert str(file) not in Path("/proc/self/maps").read_text()
    assert torch.equal(network[0].weight, first)
