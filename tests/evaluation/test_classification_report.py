"""Precision, recall and calibration of each class, and where a network looks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchmetrics.functional.classification import multiclass_precision, multiclass_recall

from visionlora.evaluation.classification_report import (
    image_losses,
    mistakes_first,
    reliability,
    report_classes,
)
from visionlora.evaluation.grad_cam import grad_cam, last_feature_map
from visionlora.evaluation.predictions import Predictions
from visionlora.tasks.single_label import SingleLabel


def predictions(seed: int, images: int, outputs: int) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, outputs, generator=generator)
    return Predictions(logits, torch.randint(outputs, (images,), generator=generator))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 6))
def test_precision_and_recall_are_those_of_torchmetrics(seed: int, images: int, outputs: int) -> None:
    now = predictions(seed, images, outputs)
    report = report_classes(None, now, range(outputs), [str(one) for one in range(outputs)], "images", [])
    kinds = {"num_classes": outputs, "average": None}
    precision = multiclass_precision(now.logits, now.labels, **kinds)
    recall = multiclass_recall(now.logits, now.labels, **kinds)
    for place, one in enumerate(report.classes):
        assert (one.precision or 0.0) == pytest.approx(float(precision[place]))
        assert (one.recall or 0.0) == pytest.approx(float(recall[place]))
        assert one.recall_before is None
    assert sum(map(sum, report.confusion)) == images


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_the_bins_of_a_reliability_diagram_give_the_calibration_error(seed: int, images: int) -> None:
    now = predictions(seed, images, 4)
    bins = reliability(now, 15)
    assert sum(one.images for one in bins) == images
    error = sum(one.images * abs(one.confidence - one.correct) for one in bins) / images
    assert error == pytest.approx(now.calibration_error(), abs=1e-5)


def test_mistakes_come_first_and_the_worst_of_them_at_the_top() -> None:
    now = predictions(3, 30, 3)
    places, losses = mistakes_first(now, SingleLabel()), image_losses(now, SingleLabel())
    wrong = [bool(now.predicted[place] != now.labels[place]) for place in places]
    assert wrong == sorted(wrong, reverse=True)
    count = sum(wrong)
    for part in (places[:count], places[count:]):
        assert [losses[place] for place in part] == sorted((losses[place] for place in part), reverse=True)


class Corner(nn.Module):
    """Output 1 grows with the brightness of the upper left, output 0 is constant."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(inplace=True))
        self.head = nn.Linear(2, 2)
        nn.init.ones_(self.features[0].weight)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
            self.head.bias.copy_(torch.tensor([0.01, 0.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images).mean((2, 3)))


def test_the_map_is_bright_where_the_class_is_seen() -> None:
    network = Corner().requires_grad_(False).eval()
    images = torch.zeros(2, 3, 8, 8)
    images[:, :, :3, :3] = 1
    layer = last_feature_map(network, images)
    assert layer == "features"
    maps, predicted = grad_cam(network, images, layer)
    assert predicted.tolist() == [1, 1]
    assert maps.shape == (2, 8, 8)
    assert maps[:, :3, :3].min() == 1
    assert maps[:, 4:, 4:].max() == 0


def test_nothing_of_the_network_gets_a_gradient() -> None:
    network = Corner().eval()
    grad_cam(network, torch.rand(1, 3, 8, 8), "features")
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_that_ends_in_attention_has_no_map() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 4, 2, 2)
            self.attention = nn.MultiheadAttention(4, 1, batch_first=True)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            tokens = self.patches(images).flatten(2).transpose(1, 2)
            return self.attention(tokens, tokens, tokens)[0].mean(1)

    assert last_feature_map(Attention().eval(), torch.rand(1, 3, 8, 8)) is None
