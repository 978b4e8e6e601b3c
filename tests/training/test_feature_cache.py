"""Runs whose frozen layers are computed once."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.conftest import PREPROCESSING, Train, metrics_of
from visionlora.adapters import LoraConfig, attach
from visionlora.data import AugmentConfig, ImageDataset, scan, training_transform
from visionlora.data.loading.cached_images import CachedImages
from visionlora.frozen.features import FeatureCache
from visionlora.frozen.split import split
from visionlora.report.metrics_file import flatten
from visionlora.retention.anchor_views import AnchorViews
from visionlora.retention.stream import AnchorStream
from visionlora.training.feature_cache import CachedAnchors

NEVER = "augment=none"


def adapter_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def both(train: Train, tmp_path: Path, *arguments: str) -> tuple[Path, Path]:
    """The same run, with every layer computed at every step, and with features."""
    folders = []
    for features in ("false", "true"):
        left, folder = train(f"cache.features={features}", *arguments)
        assert left.code == 0, left.err
        folders.append(folder.rename(tmp_path / f"features_{features}"))
    return folders[0], folders[1]


@pytest.mark.parametrize(
    ("targets", "head"),
    [("classifier", "keep"), ("last:4", "keep"), ("last:8", "keep"), ("last:4", "new"), ("last:8", "new")],
)
def test_the_adapter_is_the_same_without_augmentation(
    train: Train,
    tmp_path: Path,
    targets: str,
    head: str,
) -> None:
    whole, kept = both(train, tmp_path, NEVER, f"lora.targets={targets}", f"model.head={head}")
    assert metrics_of(kept)["features"]["frozen_layers"] >= 1
    assert metrics_of(whole)["features"] == "computed at every step"
    expected, found = adapter_of(whole), adapter_of(kept)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5)
    assert any(value.any() for name, value in found.items() if "lora_B" in name or "modules" in name)


def test_figures_are_the_same_with_and_without(train: Train, tmp_path: Path, images: Path) -> None:
    whole, kept = both(
        train, tmp_path, NEVER, "lora.targets=classifier", f"retention.root={images / 'val'}",
        f"contrast.root={images.parent / 'others'}",
    )  # fmt: skip
    one, other = metrics_of(whole), metrics_of(kept)
    for part in ("before", "after", "contrast"):
        assert one[part].keys() == other[part].keys()
        assert flatten(other[part]) == pytest.approx(flatten(one[part]), abs=1e-4)


def test_views_of_an_image_are_reused_and_then_replaced(train: Train) -> None:
    left, folder = train(
        "lora.targets=classifier", "cache.features=true", "cache.views=2", "cache.uses=2",
        "trainer.max_steps=15", "trainer.validations=1", "data.batch_size=16", "retention.weight=0",
    )  # fmt: skip
    assert left.code == 0, left.err
    # An epoch is one step: views 0 1 0 1, then others; 8 different ones of 15.
    log = (folder / "train.log").read_text()
    assert "once for each of 2 views" in log


@pytest.mark.parametrize("uses", [1, 2, 8])
def test_views_of_one_image_in_a_batch_are_different(images: Path, network: nn.Module, uses: int) -> None:
    attach(network, LoraConfig(rank=2, targets=["last:1"]))
    parts = split(network)
    assert parts is not None
    transform = training_transform(AugmentConfig(), PREPROCESSING)
    files = scan(images).train[:1]
    plain = ImageDataset(files, PREPROCESSING, targets={"blue": 0}, transform=transform)
    cache = FeatureCache(parts, nullcontext, torch.device("cpu"), 1, images, 2)
    cached = CachedImages(plain, cache, "train", views=2, uses=uses)
    turns = [0, 1, 2 * uses, 2 * uses + 1]  # two views, and the two that are drawn in their place
    batch = cached.collate([cached[turn, 0] for turn in turns])
    direct = [plain[turn, 0][0] for turn in range(4)]
    expected = cache.compute(plain.normalise(direct))
    assert torch.equal(batch["features0"], expected[0])
    assert len(batch["features0"].unique(dim=0)) == 4


def test_held_out_anchors_are_computed_once(images: Path, network: nn.Module) -> None:
    attach(network, LoraConfig(rank=2, targets=["last:1"]))
    parts = split(network)
    assert parts is not None
    views = AnchorViews(PREPROCESSING, training_transform(AugmentConfig(), PREPROCESSING))
    stream = AnchorStream([scan(images).train[:3]], 1, views)
    cache = FeatureCache(parts, nullcontext, torch.device("cpu"), 1, images, 3)
    batches = CachedAnchors(stream.batches(2), cache)
    first, again = list(batches), list(batches)
    assert cache.computed == 3
    assert [batch["labels"].tolist() for batch in first] == [[-1, -1], [-1]]
    found = torch.cat([batch["features0"] for batch in first])
    assert torch.equal(found, cache.compute(stream.plain_images(range(3)))[0])
    assert torch.equal(found, torch.cat([batch["features0"] for batch in again]))


def test_a_run_states_why_there_is_nothing_to_cache(train: Train) -> None:
    left, folder = train("cache.features=true", "lora.targets=all")
    assert left.code == 0
    assert "there is nothing to keep" in " ".join(metrics_of(folder)["notices"])
    assert json.loads((folder / "metrics.json").read_text())["features"] == "computed at every step"


def test_a_measured_share_that_decides_against_caching_is_announced(
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("visionlora.training.feature_cache.WORTHWHILE", 1.1)
    _, folder = train("lora.targets=classifier", "trainer.max_steps=1")
    assert metrics_of(folder)["features"] == "computed at every step"
    assert "auto keeps them from 110 % on" in " ".join(metrics_of(folder)["notices"])


def test_a_disk_without_room_decides_against_caching(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionlora.training.feature_cache.WORTHWHILE", 0.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    _, folder = train("lora.targets=classifier", "trainer.max_steps=1", "cache.memory_mb=0")
    assert metrics_of(folder)["features"] == "computed at every step"
    assert ", with 0 MB free" in " ".join(metrics_of(folder)["notices"])


def test_layers_above_active_dropout_are_not_cached(train: Train) -> None:
    left, folder = train("cache.features=true", "lora.targets=classifier", "model.dropout=true")
    assert left.code == 0, left.err
    # SqueezeNet's dropout is the first layer of its classifier: the layers before it are kept.
    assert metrics_of(folder)["features"]["first_trained_layer"] == "classifier.0"
