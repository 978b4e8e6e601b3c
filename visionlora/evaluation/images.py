"""The images that a run is judged by, and what the network predicts for all of them at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from visionlora.adapters import merged
from visionlora.evaluation.predictions import Predictions, predict_batches

Batches = Iterable[Mapping[str, Tensor]]
"""Batches that can be iterated over again and again: a loader, or anything like one."""


@dataclass(frozen=True)
class EvaluationImages:
    """What a run is judged by.

    Attributes:
        validation: labelled images of the classes that are learned; None where there are none.
        retention: images of what the network knew before; None where there are none.
        contrast: images of other things in the new style; None where there are none.
        held_out: anchors that training does not use, where there are no retention images.
        held_out_views: how many batches have of each of them, one after the other.
        held_out_kind: what those are, in words.
        test: labelled images that choose nothing; None where there are none.
        earlier: labelled images of the classes of an adapter that is continued; they choose nothing either.
        suffix: the part of the network that is left to compute where all but the last two hold features.
    """

    validation: Batches | None = None
    retention: Batches | None = None
    contrast: Batches | None = None
    held_out: Batches | None = None
    held_out_views: int = 1
    held_out_kind: str = ""
    test: Batches | None = None
    earlier: Batches | None = None
    suffix: nn.Module | None = None


@dataclass(frozen=True)
class Evaluation:
    """The network's predictions for each kind of image at one moment; None where there are no images."""

    validation: Predictions | None = None
    retention: Predictions | None = None
    contrast: Predictions | None = None
    held_out: Predictions | None = None
    test: Predictions | None = None

    def before_training(self, old_outputs: int) -> Evaluation:
        """The same as what the frozen network says: outputs that were added to its head know nothing yet.

        Old knowledge is judged over the frozen network's own ``old_outputs``; on the other images the added
        outputs are never predicted.
        """
        return Evaluation(
            validation=None if self.validation is None else self.validation.muted(old_outputs),
            retention=None if self.retention is None else self.retention.first(old_outputs),
            contrast=None if self.contrast is None else self.contrast.muted(old_outputs),
            held_out=None if self.held_out is None else self.held_out.first(old_outputs),
            test=None if self.test is None else self.test.muted(old_outputs),
        )


def evaluate_images(network: nn.Module, images: EvaluationImages, test: bool = False) -> Evaluation:
    """Run the network, with its adapters merged, over every image that the run is judged by.

    Args:
        network: adapted.
        images: what the run is judged by.
        test: whether the test images are among them: they choose nothing, so most passes do without.
    """

    def predict(batches: Batches | None, views: int = 1) -> Predictions | None:
        if batches is None:
            return None
        return replace(predict_batches(network, batches, images.suffix), views=views)

    with merged(network):
        return Evaluation(
            validation=predict(images.validation),
            retention=predict(images.retention),
            contrast=predict(images.contrast),
            held_out=predict(images.held_out, images.held_out_views),
            test=predict_batches(network, images.test) if test and images.test is not None else None,
        )


def evaluate_frozen(network: nn.Module, images: EvaluationImages, old_outputs: int) -> Evaluation:
    """What the frozen network says, test images included; a head without any old output says nothing about
    any image, and is not asked.

    Args:
        network: adapted, not yet trained.
        images: what the run is judged by.
        old_outputs: how many of its outputs are the frozen network's.
    """
    if old_outputs == 0:
        return Evaluation()
    return evaluate_images(network, images, test=True).before_training(old_outputs)


def predict_test(network: nn.Module, images: EvaluationImages) -> Predictions | None:
    """The predictions for the test images alone; None where there are none."""
    return evaluate_images(network, EvaluationImages(test=images.test), test=True).test
