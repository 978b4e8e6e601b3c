"""Whole runs on a small network: what they write."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

import visionlora
from tests.conftest import COLOURS, Command, Train, Trained, metrics_of
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.evaluation.classifier import load
from visionlora.models import WeightsMetadata
from visionlora.models.restore import restore


@pytest.mark.usefixtures("figures")
def test_a_run_writes_every_file_that_the_design_names(train: Train) -> None:
    left, folder = train()
    assert left.code == 0, left.err
    for name in (
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapter/README.md",
        "adapter/preview.png",
        "checkpoints/step-4.safetensors", "config.yaml", "metrics.json", "kernels.json", "images.json",
        "run.json", "before_after.png", "retention_changes.png", "strength.png", "train.log", "report.html",
        "classes.csv",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    assert list((folder / "tensorboard").glob("events.*"))


def test_a_run_that_is_refused_after_it_said_something_leaves_nothing(train: Train, images: Path) -> None:
    for image in sorted(images.rglob("*.png")):
        image.rename(image.with_name(f"{image.parent.name}.{image.name}"))
    left, folder = train("data.class_from=names", "lora.targets=nothing")
    assert left.code == 2
    assert "data.class_from=names" in left.out  # it is in the log too
    assert not folder.exists()


def test_metrics_state_what_was_and_what_was_not_measured(trained: Trained) -> None:
    metrics = metrics_of(trained.run)
    assert metrics["retention"] == "not measured"
    assert metrics["contrast"] == "not measured"
    assert metrics["model"]["used"] == "squeezenet1_1"
    assert metrics["head"] == "keep"
    assert metrics["classes"] == ["blue", "red"]
    assert set(metrics["before"]) == set(metrics["after"])
    assert {name for name in metrics["after"] if not name.endswith("interval")} == {
        "val/top1", "val/top5", "val/loss", "val/balanced_accuracy", "per_class", "selected_on_these_images",
    }  # fmt: skip
    low, high = metrics["after"]["val/top1_interval"]
    assert low < metrics["after"]["val/top1"] < high or metrics["after"]["val/top1"] in (low, high)
    assert metrics["parameters"]["adapter_bytes"] == 4 * metrics["parameters"]["trainable"]
    assert metrics["time"]["step_ms"] > 0
    assert metrics["steps"] == 4


def test_retention_and_contrast_are_measured_where_there_are_folders(train: Train, images: Path) -> None:
    _, folder = train(f"retention.root={images / 'val'}", f"contrast.root={images.parent / 'others'}")
    metrics = metrics_of(folder)
    assert metrics["retention"]["images"] == 6
    assert metrics["retention"]["labelled"]
    assert metrics["retention"]["before/top1"] == metrics["before"]["val/top1"]
    assert metrics["retention"]["after/top1"] == metrics["after"]["val/top1"]
    assert metrics["contrast"]["images"] == 6
    assert 0 <= metrics["contrast"]["after/false_positive_rate"] <= 1


def test_a_run_from_a_source_tree_without_an_installed_package_writes_its_version(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    left, folder = train("trainer.max_steps=1")
    assert left.code == 0, left.err
    assert metrics_of(folder)["versions"]["visionlora"] == visionlora.__version__
    assert metrics_of(folder)["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize("step", ["select_strength", "build_metrics", "write_outputs"])
def test_the_adapter_is_saved_before_anything_that_can_fail_after_training(
    train: Train, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise VisionLoraError("no space left on device")

    monkeypatch.setattr(f"visionlora.training.run.{step}", fail)
    left, folder = train("trainer.max_steps=2")
    assert left.code == 2
    assert any(
        value.any() for name, value in restore(folder).network.state_dict().items() if "lora_B" in name
    )


def test_kernels_json_names_the_implementation_of_each_choice(train: Train) -> None:
    _, folder = train("trainer.max_steps=2")
    decisions = json.loads((folder / "kernels.json").read_text())
    assert any("cpu float32" in key and "gradient" in key for key in decisions), list(decisions)
    assert all(decision["implementation"] for decision in decisions.values())


def test_base_tensors_stay_bit_for_bit_unchanged(train: Train, weights: Path) -> None:
    _, folder = train("trainer.max_steps=8")
    restored = restore(folder)
    base = {name: value for name, value in restored.network.state_dict().items() if "lora_" not in name}
    stored = load_file(weights)
    assert base.keys() == stored.keys()
    assert all(torch.equal(base[name], stored[name]) for name in base)
    assert any(value.any() for name, value in restored.network.state_dict().items() if "lora_B" in name)


@pytest.mark.parametrize("head", ["keep", "extend", "new"])
def test_merged_weights_load_into_torchvision_and_give_the_same_logits(
    train: Train, command: Command, images: Path, tmp_path: Path, head: str
) -> None:
    if head != "keep":
        (images / "train" / "red").rename(images / "train" / "scarlet")
        (images / "val" / "red").rename(images / "val" / "scarlet")
    left, folder = train(f"model.head={head}")
    assert left.code == 0, left.err
    assert command("merge", f"adapter={folder}", "output=merged.safetensors").code == 0
    names = json.loads((tmp_path / "merged.classes.json").read_text())
    expected = {"keep": list(COLOURS), "extend": [*COLOURS, "scarlet"], "new": ["blue", "scarlet"]}[head]
    assert names["classes"] == expected
    plain = torchvision.models.get_model("squeezenet1_1", num_classes=len(expected)).eval()
    plain.load_state_dict(load_file(tmp_path / "merged.safetensors"))
    images = torch.randn(3, 3, 48, 48)
    adapted = restore(folder).network(images)
    torch.testing.assert_close(plain(images), adapted, rtol=1e-4, atol=1e-4)
    loaded = load(folder)
    torch.testing.assert_close(loaded(images), adapted, rtol=1e-4, atol=1e-4)
    assert list(loaded.classes) == expected


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    """A resnet18 of four outputs whose batch norms are no identities."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=4)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(0, 0.1)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.7, 1.3)
    half = (0.5, 0.5, 0.5)
    about = WeightsMetadata(COLOURS, ("",) * 4, Preprocessing(48, 48, half, half, "bilinear"))
    save_file(network.state_dict(), tmp_path / "resnet.safetensors", about.as_text())
    return tmp_path / "resnet.safetensors"


def test_a_run_that_folds_batch_norm_ends_at_the_same_adapter(
    train: Train, resnet: Path, tmp_path: Path
) -> None:
    runs = []
    for fold in ("true", "false"):
        runs.append(tmp_path / fold)
        left, _ = train(
            f"trainer.fold_batch_norm={fold}", "model.name=resnet18", f"model.weights={resnet}",
            "lora.exclude=[layer3.1.conv1]", "lora.alpha=2", "trainer.max_steps=2",
            f"hydra.run.dir={runs[-1]}",
        )  # fmt: skip
        assert left.code == 0, left.err
    on, off = (metrics_of(run) for run in runs)
    assert (on["folded_batch_norms"], off["folded_batch_norms"]) == (20, 0)
    assert any("20 of 20 batch norms" in notice for notice in on["notices"])
    assert on["before"] == off["before"]
    assert on["after"]["val/loss"] == pytest.approx(off["after"]["val/loss"], abs=1e-3)
    ours, theirs = (load_file(run / "adapter" / "adapter_model.safetensors") for run in runs)
    # Adam makes much of the rounding in gradients near zero, so not number by number.
    one, other = (torch.cat([run[name].flatten() for name in sorted(ours)]) for run in (ours, theirs))
    assert (one - other).norm() < 3e-2 * other.norm()
    states = [restore(run).network.state_dict() for run in runs]
    stored = load_file(resnet)
    for state in states:
        assert all(torch.equal(state[name], stored[name]) for name in stored)


def test_an_implementation_can_be_fixed_by_hand(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from visionlora.kernels import convolution

    used = []
    for name, compute in list(convolution.GRADIENTS.items()):
        counted = lambda *inputs, name=name, compute=compute: used.append(name) or compute(*inputs)  # noqa: E731
        monkeypatch.setitem(convolution.GRADIENTS, name, counted)
    left, _ = train("trainer.kernel=low_rank")
    assert left.code == 0, left.err
    assert set(used) == {"low_rank"}
    left, _ = train("trainer.kernel=fastest")
    assert left.code == 2 and "low_rank" in left.err
