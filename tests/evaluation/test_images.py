"""Evaluation of every kind of image that a run is judged by."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visionlora.adapters import LoraConfig, attach
from visionlora.evaluation.images import (
    Evaluation,
    EvaluationImages,
    evaluate_frozen,
    evaluate_images,
    predict_test,
)


def batches(count: int) -> list[dict[str, Tensor]]:
    return [{"images": torch.randn(count, 3, 8, 8), "labels": torch.full((count,), -1)}]


def test_kinds_without_images_are_not_evaluated(network: nn.Module) -> None:
    attach(network, LoraConfig(rank=1))
    found = evaluate_images(network, EvaluationImages(batches(3), contrast=batches(2)))
    assert (found.retention, found.held_out) == (None, None)
    assert found.contrast is not None and len(found.contrast) == 2


def test_before_training_an_output_that_was_added_is_never_predicted(network: nn.Module) -> None:
    attach(network, LoraConfig(rank=1))
    images = EvaluationImages(batches(1), batches(2), batches(3), batches(4))
    found = evaluate_frozen(network, images, 2)
    kinds = (found.validation, found.retention, found.contrast, found.held_out)
    assert [kind.logits.shape[1] for kind in kinds if kind is not None] == [4, 2, 4, 2]
    for kind in (found.validation, found.contrast):
        assert kind is not None and kind.predicted.max() < 2


def test_a_head_that_is_all_new_is_not_asked_before_training(network: nn.Module) -> None:
    attach(network, LoraConfig(rank=1))
    asked: list[object] = []
    network.register_forward_hook(lambda *arguments: asked.append(arguments))
    images = EvaluationImages(batches(1), contrast=batches(3), test=batches(2))
    assert evaluate_frozen(network, images, 0) == Evaluation()
    assert not asked


def test_test_images_are_predicted_only_where_that_is_asked_for(network: nn.Module) -> None:
    attach(network, LoraConfig(rank=1))
    images = EvaluationImages(batches(1), test=batches(4))
    assert evaluate_images(network, images).test is None
    asked, alone = evaluate_images(network, images, test=True).test, predict_test(network, images)
    assert asked is not None and alone is not None
    assert len(asked) == len(alone) == 4
    assert predict_test(network, EvaluationImages(batches(1))) is None
