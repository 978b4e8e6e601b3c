"""Test-time augmentation: the mean over an image and its mirror image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import Left, Train
from visionlora.evaluation.mirrored import Mirrored
from visionlora.tasks.base import Task
from visionlora.tasks.multi_label import MultiLabel
from visionlora.tasks.single_label import SingleLabel


@pytest.mark.parametrize(
    ("task", "probabilities"),
    [(SingleLabel(), partial(torch.softmax, dim=1)), (MultiLabel(), torch.sigmoid)],
    ids=["one label", "several labels"],
)
@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_an_image_and_its_mirror_image_get_the_mean_of_their_probabilities(
    network: nn.Module, task: Task, probabilities: Callable[[Tensor], Tensor], scale: float
) -> None:
    images = scale * torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    both = Mirrored(network, task)
    mean = (probabilities(network(images)) + probabilities(network(images.flip(3)))) / 2
    torch.testing.assert_close(probabilities(both(images)), mean)
    torch.testing.assert_close(both(images), both(images.flip(3)))
    assert both(images).isfinite().all()


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
