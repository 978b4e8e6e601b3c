"""Test-time augmentation: the mean over an image and its mirror image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tests.conftest import Left, Train
from visionlora.evaluation.mirrored import Mirrored


def test_an_image_and_its_mirror_image_get_the_mean_of_their_probabilities(network: nn.Module) -> None:
    images = torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    both = Mirrored(network)
    mean = (network(images).softmax(1) + network(images.flip(3)).softmax(1)) / 2
    torch.testing.assert_close(both(images).softmax(1), mean)
    torch.testing.assert_close(both(images), both(images.flip(3)))


def test_predict_and_evaluate_take_it(train: Train, command: Callable[..., Left], images: Path) -> None:
    _, run = train("optimizer.name=sgd", "optimizer.lr=0.01", "optimizer.options={momentum: 0.9}",
                   "augment.mixup=0.2", "augment.cutmix=1.0", "trainer.accumulate=2")  # fmt: skip
    assert "images are mixed" in (run / "train.log").read_text()
    for name, source, suffix in (("predict", "images", "csv"), ("evaluate", "data.root", "json")):
        files = [run / f"{kind}.{suffix}" for kind in ("plain", "mirrored")]
        for file, mirrored in zip(files, ("false", "true"), strict=True):
            left = command(
                name, f"adapter={run}", f"{source}={images}", f"output={file}", f"mirrored={mirrored}"
            )
            assert left.code == 0, left.err
        assert files[0].read_text() != files[1].read_text()


def test_mixing_is_refused_where_images_cannot_be_mixed(command: Callable[..., Left], images: Path) -> None:
    for option in ("cache.features=true", "optimizer.class_weights=true"):
        left = command("train", f"data.root={images}", "model=pocket", "augment.mixup=0.2", option)
        assert left.code == 2
        assert option.partition("=")[0] in left.err
