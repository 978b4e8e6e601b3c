"""What is minimised: the new images' cross-entropy, and the distance to the frozen network on anchors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def distillation(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence of the student from the frozen network's answer (Li and Hoiem 2016, equation 2).

    ``T^2 * mean_b sum_c p_bc (log p_bc - log q_bc)`` with ``p = softmax(teacher / T)`` and
    ``q = softmax(student / T)``, computed in float32. The factor ``T^2`` keeps the gradient's size
    independent of the temperature (Hinton et al. 2015, section 2).

    Args:
        student: logits of the adapted network, shape (batch, outputs).
        teacher: logits of the frozen network, shape (batch, old outputs). Where a head was extended the
            student has more outputs than the teacher: the frozen network gives those no probability.
        temperature: softens both answers.

    Returns:
        The divergence in nats, a scalar.
    """
    log_q = F.log_softmax(student.float() / temperature, dim=1)[:, : teacher.shape[1]]
    log_p = F.log_softmax(teacher.float() / temperature, dim=1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * temperature**2


def top_k_hits(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """Which rows have their label among the ``k`` largest logits: bool, shape (batch,)."""
    k = min(k, logits.shape[1])
    return (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)


def gradient_norm(parameters: list[torch.nn.Parameter]) -> Tensor:
    """The L2 norm over every gradient that is there, a scalar."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)
