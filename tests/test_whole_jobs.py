"""Whole jobs at full size, some on real weights and images: what the README promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from tests.conftest import Left
from visionlora.adapters import adapted_layers
from visionlora.models.restore import restore
from visionlora.paths import shipped

pytestmark = pytest.mark.slow

Command = Callable[..., Left]


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture
def anchors_and_retention(real: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two disjoint halves of the real photos: every second folder in sorted order."""
    halves = tmp_path / "anchors", tmp_path / "retention"
    for half in halves:
        half.mkdir()
    for place, folder in enumerate(sorted((real / "photos").iterdir())):
        (halves[place % 2] / folder.name).symlink_to(folder)
    return halves


@pytest.fixture
def squeezenet(real: Path) -> tuple[str, str]:
    return "model=squeezenet1_0", f"model.weights={real / 'squeezenet1_0-imagenet.safetensors'}"


def random_weights(name: str, path: Path) -> Path:
    torch.manual_seed(0)
    save_file(torchvision.models.get_model(name).state_dict(), path)
    return path


def test_goldfish_are_learned_in_unseen_styles_with_few_false_positives(
    command: Command, tmp_path: Path
) -> None:
    left = command("train", "data=goldfish", "model=pocket", f"hydra.run.dir={tmp_path / 'run'}")
    assert left.code == 0, left.err
    metrics = metrics_of(tmp_path / "run")
    assert metrics["before"]["val/top1"] <= 0.3
    assert metrics["after"]["val/top1"] >= 0.9
    assert metrics["retention"]["before/top1"] - metrics["retention"]["after/top1"] <= 0.03
    assert metrics["contrast"]["after/false_positive_rate"] <= 0.10


def test_vgg19_is_adapted_trained_predicted_and_merged(command: Command, tmp_path: Path) -> None:
    weights = random_weights("vgg19", tmp_path / "vgg19.safetensors")
    left = command(
        "train", "data=goldfish", "model=vgg19", f"model.weights={weights}", "trainer.max_steps=2",
        "trainer.validations=1", "retention.generated=8", "retention.per_step=2", "contrast.root=null",
        "retention.inverted=0", "lora.targets=all", f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert left.code == 0, left.err
    checkpoints = list((tmp_path / "run" / "checkpoints").iterdir())
    assert checkpoints and all(path.stat().st_size < 15_000_000 for path in checkpoints)
    restored = restore(tmp_path / "run")
    kinds = [type(layer).__name__ for layer in adapted_layers(restored.network).values()]
    assert kinds == ["AdaptedConv2d"] * 16 + ["AdaptedLinear"] * 3
    stored = load_file(weights)
    state = restored.network.state_dict()
    assert all(torch.equal(state[name], stored[name]) for name in stored)
    assert any(value.any() for name, value in state.items() if "lora_B" in name)

    images = shipped("data/goldfish/val")
    assert command("predict", f"adapter={tmp_path / 'run'}", f"images={images}").code == 0
    merged = tmp_path / "merged.safetensors"
    assert command("merge", f"adapter={tmp_path / 'run'}", f"output={merged}").code == 0
    plain = torchvision.models.get_model("vgg19").eval()
    plain.load_state_dict(load_file(merged))
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(plain(images), restored.network(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["vgg11", "resnet18"])
def test_an_adapter_of_a_run_loads_with_peft(command: Command, tmp_path: Path, name: str) -> None:
    peft = pytest.importorskip("peft", reason="PEFT is in the dev extra")
    weights = random_weights(name, tmp_path / f"{name}.safetensors")
    left = command(
        "train", "data=goldfish", f"model.name={name}", f"model.weights={weights}", "trainer.max_steps=2",
        "trainer.validations=1", "retention.weight=0", "contrast.root=null",
        f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert left.code == 0, left.err
    plain = torchvision.models.get_model(name)
    plain.load_state_dict(load_file(weights))
    theirs = peft.PeftModel.from_pretrained(plain, str(tmp_path / "run" / "adapter")).eval()
    ours = restore(tmp_path / "run").network
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(theirs(images), ours(images), rtol=1e-4, atol=1e-4)


def test_real_goldfish_drawings_are_learned_and_real_photos_are_not_forgotten(
    command: Command,
    tmp_path: Path,
    real: Path,
    squeezenet: tuple[str, str],
    anchors_and_retention: tuple[Path, Path],
) -> None:
    photos, retention = anchors_and_retention
    anchors = f"retention.anchors=[{photos}]"
    left = command(
        "train", "data=goldfish", *squeezenet, anchors, f"retention.root={retention}",
        f"contrast.root={real / 'illustrated' / 'unseen'}", f"hydra.run.dir={tmp_path / 'run'}",
        # What this job is held to below; the defaults buy less of the drawings.
        "retention.budget=0.05", "contrast.budget=0.15",
        # Measured choices may round differently from run to run; this one is to come out the same.
        "trainer.kernel=rule", "trainer.precision=bf16-mixed",
    )  # fmt: skip
    assert left.code == 0, left.err
    metrics = metrics_of(tmp_path / "run")
    assert metrics["after"]["val/top1"] >= 0.8
    assert metrics["retention"]["before/top1"] - metrics["retention"]["after/top1"] <= 0.05
    assert metrics["contrast"]["after/false_positive_rate"] <= 0.15


def test_five_classes_are_learned_one_after_the_other_and_none_is_forgotten(
    command: Command,
    tmp_path: Path,
    real: Path,
    squeezenet: tuple[str, str],
    anchors_and_retention: tuple[Path, Path],
) -> None:
    photos, retention = anchors_and_retention
    first = *squeezenet, f"retention.anchors=[{photos}]", f"retention.root={retention}"
    runs: list[Path] = []
    for name in ("tiger", "ambulance", "pineapple", "accordion", "flamingo"):
        for split, folder in (("train", "train"), ("val", "unseen")):
            (tmp_path / name / split).mkdir(parents=True)
            (tmp_path / name / split / name).symlink_to(real / "illustrated" / folder / name)
        left = command(
            "train", f"data.root={tmp_path / name}", f"hydra.run.dir={tmp_path / f'run-{name}'}",
            # The settings of docs/forgetting.md, which take a quarter of the time of the defaults, and the
            # same kernels in every run: with those that happened to be fastest, 1 to 5 photos were lost.
            "trainer.max_steps=120", "optimizer.lr=2e-3", "lora.targets=last:12", "trainer.kernel=rule",
            "cache.features=true", "cache.views=2", "retention.views=4", "retention.strengths=4",
            "data.batch_size=8",
            *((f"adapter={runs[-1]}",) if runs else first),
        )  # fmt: skip
        assert left.code == 0, left.err
        runs.append(tmp_path / f"run-{name}")
    metrics = metrics_of(runs[-1])
    assert len(metrics["earlier"]["classes"]) == 4
    assert all(one["learned"] == 1 and one["kept"] >= 0.9 for one in metrics["earlier"]["classes"])
    assert metrics["after"]["val/top1"] == 1
    assert metrics["earlier"]["lost"] <= 0.04  # 6 of 150 photos: other CPUs round otherwise
    lost = metrics_of(runs[0])["retention"]["before/top1"] - metrics["retention"]["after/top1"]
    assert metrics["earlier"]["lost"] == pytest.approx(lost)


def test_142_drawn_classes_are_learned_towards_an_unseen_style(
    command: Command,
    tmp_path: Path,
    real: Path,
    squeezenet: tuple[str, str],
    anchors_and_retention: tuple[Path, Path],
) -> None:
    photos, retention = anchors_and_retention
    for split, folder in (("train", "train"), ("val", "unseen")):
        (tmp_path / "drawn").mkdir(exist_ok=True)
        (tmp_path / "drawn" / split).symlink_to(real / "illustrated" / folder)
    left = command(
        "train", f"data.root={tmp_path / 'drawn'}", *squeezenet, f"retention.anchors=[{photos}]",
        f"retention.root={retention}", f"hydra.run.dir={tmp_path / 'run'}", "trainer.max_steps=264",
    )  # fmt: skip
    assert left.code == 0, left.err
    metrics = metrics_of(tmp_path / "run")
    assert metrics["head"] == "keep"
    assert len(metrics["classes"]) == 142
    assert metrics["before"]["val/top1"] < 0.1
    assert metrics["after"]["val/top1"] > 0.25
