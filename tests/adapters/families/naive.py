"""What each family's weight is, written down as the papers have it: in double precision, with loops,
slowly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


def lora(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    A, B = p["lora_A"].flatten(1), p["lora_B"].flatten(1)
    update = torch.zeros_like(base.flatten(1))
    for component in range(A.shape[0]):
        update += scaling * torch.outer(B[:, component], A[component])
    return base + update.view(base.shape)


def dora(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    direction = lora(base, p, scaling, options)
    rows = [
        m * row / row.norm() for m, row in zip(p["magnitude"].flatten(), direction.flatten(1), strict=True)
    ]
    return torch.stack(rows).view(base.shape)


def loha(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    first, second = p["hada_w1_a"] @ p["hada_w1_b"], p["hada_w2_a"] @ p["hada_w2_b"]
    return base + scaling * (first * second).view(base.shape)


def lokr(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    w1 = p["lokr_w1"] if "lokr_w1" in p else p["lokr_w1_a"] @ p["lokr_w1_b"]
    w2 = p["lokr_w2"] if "lokr_w2" in p else p["lokr_w2_a"] @ p["lokr_w2_b"]
    (a, c), b = w1.shape, w2.shape[0]
    w2 = w2.reshape(b, base.shape[1] // c, *base.shape[2:])
    weight = base.clone()
    for i in range(a):
        for j in range(c):
            for k in range(b):
                for m in range(w2.shape[1]):
                    weight[i * b + k, j * w2.shape[1] + m] += scaling * w1[i, j] * w2[k, m]
    return weight


def rotation(skew: Tensor) -> Tensor:
    identity = torch.eye(len(skew), dtype=skew.dtype)
    return (identity - skew) @ torch.linalg.inv(identity + skew)


def oft(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    outputs, matrix = options.get("side") == "output", base.flatten(1)
    matrix = matrix if outputs else matrix.t()
    size = len(matrix) // len(p["oft_R"])
    blocks = []
    for numbers in p["oft_R"]:
        skew, values = torch.zeros(size, size, dtype=base.dtype), iter(numbers)
        for i in range(size):
            for j in range(i + 1, size):
                skew[i, j] = next(values)
                skew[j, i] = -skew[i, j]
        blocks.append(rotation(skew))
    turned = torch.block_diag(*blocks) @ matrix
    return (turned if outputs else turned.t()).reshape(base.shape)


def boft(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    """The permutations are PEFT's own."""
    from peft.tuners.boft.layer import BOFTLayer

    outputs, matrix = options.get("side") == "output", base.flatten(1)
    matrix = matrix if outputs else matrix.t()
    factors, blocks, size, _ = p["boft_R"].shape
    for stage in range(factors):
        D = torch.block_diag(*(rotation((block - block.t()) / 2) for block in p["boft_R"][stage]))
        order = BOFTLayer.block_butterfly_perm(None, len(matrix), blocks // 2**stage, size // 2, factors - 1)
        P = torch.zeros_like(D)
        for row, column in enumerate(order):
            P[row, column] = 1
        matrix = P @ D @ P.t() @ matrix
    matrix = matrix if outputs else matrix.t()
    return (p["boft_s"].view(-1, 1) * matrix).reshape(base.shape)


def ia3(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    weight, scales = base.clone(), p["ia3_l"].flatten()
    for channel, scale in enumerate(scales):
        if options.get("side") == "input":
            weight[:, channel] *= scale
        else:
            weight[channel] *= scale
    return weight


def vera(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    b, d, A, B = (p[name] for name in ("vera_lambda_b", "vera_lambda_d", "vera_A", "vera_B"))
    update = torch.diag(b) @ B.flatten(1) @ torch.diag(d) @ A.flatten(1)
    return base + update.view(base.shape)


def adalora(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    update = p["lora_B"] @ torch.diag(p["lora_E"].flatten()) @ p["lora_A"]
    return base + scaling * update.view(base.shape)


def glora(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    A, weight = p["a1"] @ p["a2"], base.clone()
    weight += scaling * (p["b1"] @ p["b2"].flatten(1)).view(base.shape)
    for j in range(base.shape[1]):
        for i in range(base.shape[1]):
            weight[:, j] += scaling * base[:, i] * A[i, j]
    return weight


def full(base: Tensor, p: Parameters, scaling: float, options: Any) -> Tensor:
    return base + p["difference"]


NAIVE = {
    "lora": lora,
    "dora": dora,
    "loha": loha,
    "lokr": lokr,
    "oft": oft,
    "boft": boft,
    "ia3": ia3,
    "vera": vera,
    "adalora": adalora,
    "dylora": lora,
    "glora": glora,
    "full": full,
}
