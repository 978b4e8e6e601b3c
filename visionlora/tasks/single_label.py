"""Single-label classification: each image has exactly one class.

Loss, distillation, metrics and decoding; everything that training and evaluation know about the task.
Logits have the shape (images, outputs), labels are int64 of shape (images,), -1 where an image has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

Prediction = list[tuple[str, float]]
"""(class name, probability), most probable first."""


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
    outputs = logits.shape[1]
    return float(
        multiclass_accuracy(logits, labels, num_classes=outputs, top_k=min(k, outputs), average="micro")
    )


def calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error of the most probable output (Guo et al. 2017, equation 3)."""
    probabilities = logits.softmax(1)
    return float(
        multiclass_calibration_error(probabilities, labels, num_classes=logits.shape[1], n_bins=bins)
    )


def confusion(logits: Tensor, labels: Tensor, outputs: Sequence[int]) -> Tensor:
    """Counts (K + 1, K + 1) over the K chosen outputs, truth by row; the last column and row stand for every
    other output."""
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
