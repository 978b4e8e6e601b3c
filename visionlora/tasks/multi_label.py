"""Multi-label classification: each image has any number of labels, each of which is there or not.

Loss, metrics and decoding; everything that training and evaluation know about the task. Logits have the shape
(images, outputs); labels are float32 of the same shape, 1 where the image has the label and 0 where not. The
probability of a label is the sigmoid of its logit: those of an image do not add up to 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.report.intervals import with_interval
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED
from visionlora.tasks.base import Chosen, Prediction
from visionlora.tasks.thresholds import MIDDLE, best_thresholds, halves
from visionlora.text import listed

FEWEST = 8
"""Validation images; with fewer, half of them are too few to choose thresholds."""
NOTHING = "no label"
"""What stands for an image without any label where a name is shown."""


def loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy in nats, the mean over images and outputs: a scalar, computed in float32.

    Args:
        logits: shape (images, outputs).
        labels: 0 to 1, of the same shape.
        smoothing: a label of 1 counts as ``1 - smoothing / 2``, one of 0 as ``smoothing / 2``: the share of
            the label's probability that is spread over "there" and "not there".
        weights: of the images that have a label, shape (outputs,); None: 1.
    """
    target = labels * (1 - smoothing) + smoothing / 2 if smoothing else labels
    return F.binary_cross_entropy_with_logits(logits.float(), target, pos_weight=weights)


def positive_weights(counts: Mapping[int, int], images: int, outputs: int) -> Tensor:
    """The weight of the images that have a label: those without it divided by those with it, so that both
    count alike. A label that no image or every image has weighs 1.

    Args:
        counts: output -> images that have its label.
        images: how many there are.
        outputs: how many there are.

    Returns:
        float32, shape (outputs,).
    """
    weights = torch.ones(outputs)
    for output, count in counts.items():
        if 0 < count < images:
            weights[output] = (images - count) / count
    return weights


def distillation(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence of the student from the teacher, label by label: the sum over the outputs of the
    divergences of two-sided probabilities, the mean over the images, times ``T^2``, in float32.

    Args:
        student: logits, shape (images, outputs); outputs that the teacher lacks come last and do not count.
        teacher: logits of the frozen network, shape (images, old outputs).
        temperature: softens both.
    """
    said, known = student[:, : teacher.shape[1]].float() / temperature, teacher.float() / temperature
    p, log_p, log_not_p = known.sigmoid(), F.logsigmoid(known), F.logsigmoid(-known)
    divergence = p * (log_p - F.logsigmoid(said)) + (1 - p) * (log_not_p - F.logsigmoid(-said))
    return divergence.sum(1).mean() * temperature**2


def average_precision(logits: Tensor, labels: Tensor) -> Tensor:
    """The area under each label's curve of precision and recall, shape (outputs,); NaN where no image has the
    label."""
    from torchmetrics.functional.classification import multilabel_average_precision

    with warnings.catch_warnings():  # of labels that no image has, which are NaN here
        warnings.simplefilter("ignore", UserWarning)
        found = multilabel_average_precision(
            logits.sigmoid(), labels.long(), num_labels=logits.shape[1], average=None
        )
    return torch.where(labels.sum(0) > 0, found, torch.nan)


@dataclass(frozen=True)
class MultiLabel:
    """The :class:`visionlora.tasks.base.Task` of this module.

    Attributes:
        smoothing: of the labels in the loss.
        weights: of the images that have a label in the loss, shape (outputs,); None: 1.
        thresholds: of each output, probabilities; empty: nothing chose them, and 0.5 is taken.
    """

    smoothing: float = 0.0
    weights: Tensor | None = None
    thresholds: tuple[float, ...] = ()
    name: ClassVar[str] = "multi_label"
    figures: ClassVar[tuple[str, ...]] = ("map", "loss")
    relative: ClassVar[bool] = False

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See :func:`loss`."""
        return loss(logits, labels, self.smoothing, self.weights)

    def head_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The binary cross-entropy, summed over the outputs: each has a regression of its own."""
        return loss(logits, labels) * logits.shape[1]

    def head_in_words(self, logits: Tensor, labels: Tensor) -> str:
        """The mean average precision."""
        return f"mean average precision {self.scores(logits, labels)['map']:.3f} on the training images"

    def step_figures(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The binary cross-entropy as it is, and F1 of all labels together at a probability of 0.5."""
        given = (logits > 0).float()
        f1 = 2 * (given * labels).sum() / (given.sum() + labels.sum()).clamp_min(1)
        return {"loss": loss(logits.detach(), labels), "f1": f1}

    def distillation(self, student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """See :func:`distillation`."""
        return distillation(student, teacher, temperature)

    def mean_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Label by label, the logarithm of the mean odds."""
        both = first.float(), second.float()
        there = torch.logaddexp(*map(F.logsigmoid, both))
        return there - torch.logaddexp(*(F.logsigmoid(-one) for one in both))

    def scores(self, logits: Tensor, labels: Tensor) -> dict[str, float]:
        """Mean average precision over the labels that some image has, and the binary cross-entropy."""
        mean = average_precision(logits, labels).nanmean()
        return {"map": float(mean.nan_to_num()), "loss": float(loss(logits, labels))}

    def objective(self, scores: Mapping[str, float]) -> float:
        """What is missing to a mean average precision of 1, and a tenth of the loss."""
        return 1 - scores["map"] + scores["loss"] / 10

    def given(self, logits: Tensor) -> Tensor:
        """Which labels are given to the images: bool, of the shape of ``logits``."""
        limits = self.thresholds or (MIDDLE,) * logits.shape[1]
        return logits.double().sigmoid() > torch.tensor(limits, dtype=torch.float64, device=logits.device)

    def metrics(self, logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> dict[str, Any]:
        """The scores, precision, recall and F1 of all labels together (micro), F1's mean over the labels
        (macro), the share of images with exactly the right labels; and the figures of each label."""
        figures = _figures(self.given(logits), labels > 0.5, names)
        precision, limits = average_precision(logits, labels), self.thresholds or (MIDDLE,) * logits.shape[1]
        for output, name in names.items():
            own = figures["per_label"][name]
            ap = float(precision[output]) if own["images"] else NOT_MEASURED
            figures["per_label"][name] = {"ap": ap, "threshold": limits[output], **own}
        return {**self.scores(logits, labels), **figures}

    def decode(self, logits: Tensor, outputs: Sequence[str], top: int) -> list[Prediction]:
        """For each image all labels above their thresholds, the most probable first."""
        probabilities, given = logits.double().sigmoid(), self.given(logits)
        found = []
        for row, own in zip(probabilities, given, strict=True):
            places = sorted(own.nonzero()[:, 0].tolist(), key=lambda place: -float(row[place]))
            found.append([(outputs[place], float(row[place])) for place in places])
        return found

    def shown(self, logits: Tensor, outputs: Sequence[str], top: int) -> list[Prediction]:
        """All labels of an image as one name, with the lowest of their probabilities; of an image without
        any, how probable it is that the most probable one is not there."""
        surest = 1 - logits.double().sigmoid().amax(1)
        return [
            [(_together(name for name, _ in labels), min((p for _, p in labels), default=float(none)))]
            for labels, none in zip(self.decode(logits, outputs, top), surest, strict=True)
        ]

    def mistakes(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Those with a label too many or too few."""
        return (self.given(logits) != (labels > 0.5)).any(1)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The binary cross-entropy of each image in nats, the mean over its outputs."""
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1)

    def truths(self, labels: Tensor, outputs: Sequence[str]) -> list[str | None]:
        """All labels of an image as one name."""
        return [_together(outputs[place] for place in row.nonzero()[:, 0].tolist()) for row in labels > 0.5]

    def chosen_on(self, logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> Chosen:
        """The thresholds (:func:`best_thresholds`), and what they are worth where each half of the images has
        those that the other half chose."""
        chosen = replace(self, thresholds=tuple(best_thresholds(logits, labels).tolist()))
        kept = [name for output, name in names.items() if not 0 < labels[:, output].sum() < len(labels)]
        words = (
            f"the thresholds of the labels were chosen on the {len(labels)} validation images, for the "
            "largest F1 of each"
        )
        if kept:
            words += f"; {MIDDLE} for {listed(kept, most=5)}: these images do not tell"
        return Chosen(chosen, ("thresholds",), words, self._cross_fitted(logits, labels, names))

    def _cross_fitted(self, logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> dict[str, Any]:
        if len(labels) < FEWEST:
            return {}
        first = halves(labels)
        given = torch.zeros_like(labels, dtype=torch.bool)
        for half in (first, ~first):
            other = replace(self, thresholds=tuple(best_thresholds(logits[~half], labels[~half]).tolist()))
            given[half] = other.given(logits[half])
        figures = _figures(given, labels > 0.5, names)
        del figures["per_label"]
        return {"validation": {"images": len(labels), **figures, SELECTED: ["checkpoint"]}}

    def about(self, outputs: Sequence[str]) -> dict[str, Any]:
        """The task, and the threshold of each label; none where nothing chose them."""
        return {"task": self.name, "thresholds": dict(zip(outputs, self.thresholds, strict=False))}


def _figures(given: Tensor, own: Tensor, names: Mapping[int, str]) -> dict[str, Any]:
    """Precision, recall and F1 of labels that are given to images and of those that they have, bool."""
    from torchmetrics.functional.classification import multilabel_stat_scores

    counts = multilabel_stat_scores(given.int(), own.int(), num_labels=own.shape[1], average=None)
    per_label = {}
    for output, name in names.items():
        right, wrong, _, missed, count = counts.view(-1, 5)[output].tolist()
        per_label[name] = {"images": count, **_of_counts(right, wrong, missed)}
        if count:
            per_label[name] |= with_interval("recall", right / count, count)
    totals = counts.view(-1, 5).sum(0).tolist()
    measured = [one["f1"] for one in per_label.values() if one["images"]]
    return {
        **_of_counts(totals[0], totals[1], totals[3]),
        "macro_f1": sum(measured) / len(measured) if measured else NOT_MEASURED,
        **with_interval("exact", float((given == own).all(1).float().mean()), len(own)),
        "per_label": per_label,
    }


def _together(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or NOTHING


def _of_counts(right: int, wrong: int, missed: int) -> dict[str, Any]:
    """Precision (not measured where nothing was given), recall and F1."""
    return {
        "precision": right / (right + wrong) if right + wrong else NOT_MEASURED,
        "recall": right / (right + missed) if right + missed else NOT_MEASURED,
        "f1": 2 * right / (2 * right + wrong + missed) if right + wrong + missed else NOT_MEASURED,
    }
