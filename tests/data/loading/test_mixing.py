"""Images of a step are mixed with each other, and their labels alike."""

from __future__ import annotations

import pytest
import torch

from visionlora.data.images.augment import BatchMixing
from visionlora.tasks.single_label import class_weights, loss

LABELS = torch.tensor([0, 1, 2, 2])
IMAGES = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 8, 8).contiguous()


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_labels_are_mixed_as_the_pixels_are(mixup: float, cutmix: float) -> None:
    mixing = BatchMixing(mixup, cutmix, 3, seed=0)
    for step in range(6):
        images, labels = mixing(IMAGES, LABELS, step)
        assert labels.shape == (4, 3)
        torch.testing.assert_close(labels.sum(1), torch.ones(4))
        partner = torch.roll(torch.arange(4), 1)
        share = (images.mean((1, 2, 3)) - partner) / (torch.arange(4.0) - partner)
        expected = (
            share[:, None] * torch.eye(3)[LABELS] + (1 - share)[:, None] * torch.eye(3)[LABELS[partner]]
        )
        torch.testing.assert_close(labels, expected, atol=1e-5, rtol=0)
    assert (IMAGES[:, 0, 0, 0] == torch.arange(4.0)).all(), "what is given stays as it is"


def test_the_same_seed_and_step_mix_alike_whatever_was_drawn_between() -> None:
    first = BatchMixing(0.4, 1.0, 3, seed=7)(IMAGES, LABELS, 5)
    torch.rand(100)
    again = BatchMixing(0.4, 1.0, 3, seed=7)(IMAGES, LABELS, 5)
    other = BatchMixing(0.4, 1.0, 3, seed=8)(IMAGES, LABELS, 5)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_class_weights_make_every_class_count_alike() -> None:
    weights = class_weights({0: 8, 2: 2}, outputs=3)
    assert weights.tolist() == [5 / 8, 1.0, 5 / 2]
    logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0] * 8 + [2] * 2)
    means = [loss(logits[labels == one], labels[labels == one]) for one in (0, 2)]
    torch.testing.assert_close(loss(logits, labels, 0.0, weights), torch.stack(means).mean())
