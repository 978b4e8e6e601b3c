"""Single-label classification: each image has exactly one class.

Loss, distillation, metrics and decoding; everything that training and evaluation know about the task.
Logits have the shape (images, outputs), labels are int64 of shape (images,), -1 where an image has none.
torchmetrics is imported by what measures: it takes up to a second, and predictions need none of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.report.intervals import with_interval
from visionlora.tasks.base import Chosen, Prediction


def loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy in nats, a scalar, computed in float32.

    ``labels`` may be probabilities, shape (images, outputs), where images are mixed. ``weights``, shape
    (outputs,), are those of the classes in the mean.

    ``smoothing`` is the share of the label's probability that is spread over all outputs (Szegedy et al.
    2016, https://arxiv.org/abs/1512.00567, section 7).
    """
    return F.cross_entropy(logits.float(), labels, weights, label_smoothing=smoothing)


def class_weights(counts: Mapping[int, int], outputs: int) -> Tensor:
    """Weights of the outputs in the loss, inversely proportional to their number of images.

    An output with the mean number of images has weight 1; one without images has it too.

    Args:
        counts: output -> images of it.
        outputs: how many there are.

    Returns:
        float32, shape (outputs,).
    """
    weights = torch.ones(outputs)
    mean = sum(counts.values()) / max(1, len(counts))
    for output, count in counts.items():
        weights[output] = mean / count
    return weights


def distillation(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence of the student from the teacher (Li and Hoiem 2016, equation 2).

    ``T^2 * mean_b sum_c p_bc (log p_bc - log q_bc)`` with ``p = softmax(teacher / T)`` and
    ``q = softmax(student / T)``, computed in float32. The factor ``T^2`` keeps the size of the gradient
    independent of the temperature (Hinton et al. 2015, section 2).

    Args:
        student: logits of the adapted network, shape (batch, outputs).
        teacher: logits of the frozen network, shape (batch, old outputs). Where a head was extended, the
            student has more outputs than the teacher: the teacher gives those no probability.
        temperature: softens both distributions.

    Returns:
        The divergence in nats, a scalar.
    """
    log_q = F.log_softmax(student.float() / temperature, dim=1)[:, : teacher.shape[1]]
    log_p = F.log_softmax(teacher.float() / temperature, dim=1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * temperature**2


def accuracy(logits: Tensor, labels: Tensor, k: int = 1) -> float:
    """Top-k accuracy: the share of images whose label is among the ``k`` largest logits."""
    from torchmetrics.functional.classification import multiclass_accuracy

    outputs = logits.shape[1]
    return float(
        multiclass_accuracy(logits, labels, num_classes=outputs, top_k=min(k, outputs), average="micro")
    )


def calibration_error(logits: Tensor, labels: Tensor) -> float:
    """Expected calibration error of the most probable output, in 15 bins (Guo et al. 2017, equation 3)."""
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities = logits.softmax(1)
    return float(multiclass_calibration_error(probabilities, labels, num_classes=logits.shape[1], n_bins=15))


def confusion(logits: Tensor, labels: Tensor, outputs: Sequence[int]) -> Tensor:
    """Counts (K + 1, K + 1) over the K chosen outputs, truth by row; the last column and row stand for every
    other output."""
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    index = torch.full((logits.shape[1],), len(outputs))
    index[list(outputs)] = torch.arange(len(outputs))
    return multiclass_confusion_matrix(index[logits.argmax(1)], index[labels], num_classes=len(outputs) + 1)


def decode(logits: Tensor, outputs: Sequence[str], top: int) -> list[Prediction]:
    """For each image its ``top`` most probable classes.

    Args:
        logits: shape (images, outputs).
        outputs: the name of each output.
        top: how many; all of them where there are fewer.
    """
    values, indices = logits.float().softmax(1).topk(min(top, len(outputs)), dim=1)
    return [
        [(outputs[index], value) for index, value in zip(row_indices, row_values, strict=True)]
        for row_indices, row_values in zip(indices.tolist(), values.tolist(), strict=True)
    ]


def class_metrics(logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> dict[str, Any]:
    """Top-1 of each class, and its mean over them (balanced accuracy), in which a class with few images
    counts as much as one with many; nothing where images show fewer than two classes."""
    classes: dict[str, Any] = {}
    for output, name in names.items():
        own = labels == output
        count = int(own.sum())
        if count:
            classes[name] = {
                "images": count,
                **with_interval("top1", accuracy(logits[own], labels[own]), count),
            }
    if len(classes) < 2:
        return {}
    balanced = sum(one["top1"] for one in classes.values()) / len(classes)
    return {"balanced_accuracy": balanced, "per_class": classes}


@dataclass(frozen=True)
class SingleLabel:
    """The :class:`visionlora.tasks.base.Task` of this module.

    Attributes:
        smoothing: of the labels in the loss.
        weights: of the outputs in the loss, shape (outputs,); None: all alike.
    """

    smoothing: float = 0.0
    weights: Tensor | None = None
    name: ClassVar[str] = "single_label"
    figures: ClassVar[tuple[str, ...]] = ("top1", "top5", "loss")
    relative: ClassVar[bool] = True

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See :func:`loss`."""
        return loss(logits, labels, self.smoothing, self.weights)

    def head_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy."""
        return F.cross_entropy(logits, labels)

    def head_in_words(self, logits: Tensor, labels: Tensor) -> str:
        """The share of right images."""
        right = float((logits.argmax(1) == labels).float().mean())
        return f"top-1 {right:.3f} on the training images"

    def step_figures(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The cross-entropy as it is, and top-1."""
        right = (logits.argmax(1) == labels).float().mean()
        return {"loss": loss(logits.detach(), labels), "top1": right}

    def distillation(self, student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """See :func:`distillation`."""
        return distillation(student, teacher, temperature)

    def mean_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """The logarithms of the mean probabilities."""
        return torch.logaddexp(first.float().log_softmax(1), second.float().log_softmax(1)) - math.log(2)

    def scores(self, logits: Tensor, labels: Tensor) -> dict[str, float]:
        """Top-1, top-5 and the cross-entropy."""
        values = accuracy(logits, labels, 1), accuracy(logits, labels, 5), float(loss(logits, labels))
        return dict(zip(self.figures, values, strict=True))

    def objective(self, scores: Mapping[str, float]) -> float:
        """The error rate and a tenth of the loss: with the whole loss a single confident mistake could choose
        an early checkpoint."""
        return 1 - scores["top1"] + scores["loss"] / 10

    def metrics(self, logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> dict[str, Any]:
        """The scores, every accuracy with its interval; with several classes, figures of each."""
        figures: dict[str, Any] = {}
        for name, value in self.scores(logits, labels).items():
            figures |= {name: value} if name == "loss" else with_interval(name, value, len(labels))
        return figures | class_metrics(logits, labels, names)

    def decode(self, logits: Tensor, outputs: Sequence[str], top: int) -> list[Prediction]:
        """See :func:`decode`."""
        return decode(logits, outputs, top)

    def shown(self, logits: Tensor, outputs: Sequence[str], top: int) -> list[Prediction]:
        """The same: an image has one name."""
        return decode(logits, outputs, top)

    def mistakes(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Those whose most probable class is another one."""
        return logits.argmax(1) != labels

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy of each image in nats."""
        return F.cross_entropy(logits, labels, reduction="none")

    def truths(self, labels: Tensor, outputs: Sequence[str]) -> list[str | None]:
        """The name of each image's class."""
        return [outputs[label] if label >= 0 else None for label in labels.tolist()]

    def chosen_on(self, logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> Chosen:
        """Nothing: the most probable class needs no threshold."""
        return Chosen(self)

    def about(self, outputs: Sequence[str]) -> dict[str, Any]:
        """Nothing: adapters are of this task unless they say otherwise."""
        return {}
