"""AdaLoRA: W + alpha / r * P diag(E) Q, a singular value decomposition whose small parts are pruned in
training (Zhang et al. 2023, https://arxiv.org/abs/2303.10512, equation 3).

The layers share a budget of singular values: from r each it falls to `target_rank` each on average
(equation 13), and where it falls short the least important triplets lose their value. A triplet's
importance is that of its value plus the means over its two vectors (equation 8); a parameter's is the
product of two moving averages, of |parameter * gradient| and of its deviation from that average (equations
9 to 11). P and Q are kept close to orthogonal by a penalty (equation 4). E starts at zero, so the update
does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings, LowRank, Option, padding_obstacle, scaling_of

_PARTS = ("lora_A", "lora_E", "lora_B")


class Adalora(Adapter):
    """AdaLoRA's three factors, under PEFT's names. The rank is the one at the beginning.

    Options:
        target_rank: how many singular values a layer keeps on average; 0: two thirds of the rank.
        warmup: share of the steps before the budget begins to fall.
        final: share of the steps after it has fallen.
        interval: steps from one pruning to the next.
        beta1, beta2: of the two moving averages.
        orthogonality: weight of the penalty.

    Attributes:
        lora_A: Q, (r, in/groups * kernel...).
        lora_E: E, (r, 1).
        lora_B: P, (out, r).
        kept: (r, 1), which values were left by the last pruning.
    """

    family: ClassVar[str] = "adalora"
    peft_type: ClassVar[str | None] = "ADALORA"
    uses_dropout: ClassVar[bool] = True
    strength_in: ClassVar[str] = "alpha"
    lr_factor: ClassVar[float] = 3.0
    defaults: ClassVar[Mapping[str, Option]] = {
        "target_rank": 0,
        "warmup": 0.1,
        "final": 0.3,
        "interval": 10,
        "beta1": 0.85,
        "beta2": 0.85,
        "orthogonality": 0.1,
    }
    minima: ClassVar[Mapping[str, float]] = {"target_rank": 0, "interval": 1, "orthogonality": 0}
    kept: Tensor

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, columns, rank = shape[0], torch.Size(shape[1:]).numel(), settings.rank
        std = settings.init_std or 0.02  # the authors' and PEFT's

        def gaussian(*size: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(size, dtype=dtype, generator=generator).mul_(std))

        self.lora_A = gaussian(rank, columns)
        self.lora_E = nn.Parameter(torch.zeros(rank, 1, dtype=dtype))
        self.lora_B = gaussian(out, rank)
        self.register_buffer("kept", torch.ones(rank, 1, dtype=torch.bool))
        for part in _PARTS:
            like = torch.zeros_like(getattr(self, part).detach())
            self.register_buffer(f"{part}_sensitivity", like)
            self.register_buffer(f"{part}_uncertainty", like.clone())

    def factors(self) -> tuple[Tensor, Tensor]:
        """diag(E) Q as (r, in/groups, kernel...) and P as (out, r, 1...)."""
        ones = (1,) * (len(self.shape) - 2)
        return (self.lora_A * self.lora_E).view(-1, *self.shape[1:]), self.lora_B.view(
            *self.lora_B.shape, *ones
        )

    def weight(self, base: Tensor) -> Tensor:
        """base + alpha / r * P diag(E) Q."""
        return LowRank(*self.factors(), scaling_of(self.settings)).added_to(base)

    def low_rank(self) -> LowRank:
        """diag(E) Q, P and the scaling."""
        return LowRank(*self.factors(), scaling_of(self.settings, self.strength))

    def regularizer(self) -> Tensor | None:
        """orthogonality * (||P^T P - I||^2 + ||Q Q^T - I||^2), Frobenius norms."""
        identity = torch.eye(self.settings.rank, dtype=self.lora_A.dtype, device=self.lora_A.device)
        left = self.lora_B.t() @ self.lora_B - identity
        right = self.lora_A @ self.lora_A.t() - identity
        return self.option("orthogonality") * (left.square().sum() + right.square().sum())

    def on_step(self, step: int, total: int) -> None:
        """With a budget for this layer alone."""
        self.on_step_together([self], step, total)

    @classmethod
    def on_step_together(cls, adapters: Sequence[Adapter], step: int, total: int) -> None:
        """Update the importances; prune to the budget that all layers share."""
        ours = [cast(Adalora, one) for one in adapters]
        warmup, final, interval = ours[0].schedule(total)
        if step < total - final:
            for one in ours:
                one._update_importance()
        if step > total - final:
            for one in ours:
                one._prune(one.kept)
        elif step == total - final or (step > warmup and step % interval == 0):
            full = sum(one.settings.rank for one in ours)
            target = sum(one.target_rank for one in ours)
            _prune_together(ours, full - budget(step, total, warmup, final, full, target))

    @property
    def target_rank(self) -> int:
        """How many values this layer brings into the final budget."""
        wanted = self.option("target_rank") or round(self.settings.rank / 1.5)
        return max(1, min(wanted, self.settings.rank))

    def schedule(self, total: int) -> tuple[int, int, int]:
        """Steps of warm-up, final steps, and steps from one pruning to the next."""
        return int(self.option("warmup") * total), int(self.option("final") * total), self.option("interval")

    @torch.no_grad()
    def _update_importance(self) -> None:
        beta1, beta2 = self.option("beta1"), self.option("beta2")
        for part in _PARTS:
            parameter = getattr(self, part)
            if parameter.grad is None:
                continue
            now = (parameter * parameter.grad).abs()
            sensitivity = getattr(self, f"{part}_sensitivity")
            sensitivity.mul_(beta1).add_((1 - beta1) * now)
            uncertainty = getattr(self, f"{part}_uncertainty")
            uncertainty.mul_(beta2).add_((1 - beta2) * (now - sensitivity).abs())

    def importance(self) -> Tensor:
        """Of each triplet, (r, 1)."""
        score = {part: getattr(self, f"{part}_sensitivity") * getattr(self, f"{part}_uncertainty")
                 for part in _PARTS}  # fmt: skip
        vectors = score["lora_A"].mean(1) + score["lora_B"].mean(0)
        return score["lora_E"] + vectors[:, None]

    @torch.no_grad()
    def _prune(self, kept: Tensor) -> None:
        self.kept = kept
        self.lora_E.masked_fill_(~kept, 0)

    @classmethod
    def check_options(cls, options: Mapping[str, Option]) -> None:
        """Shares have steps between them, averages have betas below 1."""
        super().check_options(options)
        given: dict[str, Any] = {**cls.defaults, **options}
        if not (given["warmup"] >= 0 and given["final"] >= 0 and given["warmup"] + given["final"] < 1):
            raise ValueError(
                f"options warmup ({given['warmup']}) and final ({given['final']}) of adalora are shares of "
                f"the steps: give numbers of at least 0 with a sum below 1."
            )
        for name in ("beta1", "beta2"):
            if not 0 < given[name] < 1:
                raise ValueError(f"option {name} of adalora is {given[name]}: give a number between 0 and 1.")

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`AdaLoraConfig`'s keys; its schedule is in steps, which are over."""
        return {
            "init_r": settings.rank,
            "target_r": settings.rank,
            "lora_alpha": settings.alpha,
            "lora_dropout": settings.dropout,
            "total_step": 1,
            "tinit": 0,
            "tfinal": 0,
            "rank_pattern": None,
        }

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Rank and alpha."""
        if config.get("rank_pattern"):
            raise ValueError(
                "rank_pattern holds what PEFT pruned, which is not known here: merge the adapter in PEFT."
            )
        return {"rank": config.get("init_r", 12), "alpha": config.get("lora_alpha", 8)}

    def peft_obstacle(self, layer: nn.Module) -> str | None:
        """PEFT convolves with the update by itself, and divides by the rank alone."""
        return "PEFT has no rsLoRA for AdaLoRA" if self.settings.rslora else padding_obstacle(layer)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The rows of Q."""
        Q = tensors.get("lora_A")
        return None if Q is None or Q.ndim != 2 else Q.shape[0]


def budget(step: int, total: int, warmup: int, final: int, full: int, target: int) -> int:
    """How many values all layers have after a step: a cubic fall from `full` to `target` (equation 13)."""
    if step <= warmup:
        return full
    if step >= total - final:
        return target
    left = 1 - (step - warmup) / (total - final - warmup)
    return int((full - target) * left**3 + target)


def _prune_together(adapters: Sequence[Adalora], count: int) -> None:
    """Set the `count` least important values of all layers to zero."""
    if count <= 0:
        return
    scores = [one.importance() for one in adapters]
    threshold = torch.cat([score.flatten().cpu() for score in scores]).kthvalue(count).values
    for one, score in zip(adapters, scores, strict=True):
        one._prune(score > threshold.to(score.device))
