"""ReLoRA: a high-rank update out of low-rank ones, one after the other (Lialin et al. 2023,
https://arxiv.org/abs/2307.05695, algorithm 1).

From time to time B @ A is added to a running difference, A and B start again, B at zero, the optimizer's
moments are pruned and its learning rate warms up once more. So at any time only a rank of r is trained, but
the sum has up to r times the number of cycles. The paper adds to the weights themselves; here the sum stands
beside the base, which stays as it is, and is saved as one LoRA of its own rank.

The paper draws each A and trains it. Where a run knows which directions of a layer's inputs matter most
(`init.from_data.contrastive`), each cycle takes the next r of them instead and trains B alone. Rows of A have
length 1, so Adam's steps would soon move them away from there, and the loss ends higher (docs/growing.md).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from visionlora.adapters.base import AdapterSettings, LowRank
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.init.start import Start
from visionlora.adapters.layers import adapters_in
from visionlora.adapters.network import adapted_layers
from visionlora.text import percent

PRUNED = 0.99
"""Share of the moments that a restart sets to zero, the smallest ones first (section 3 of the paper)."""
_SPARE = 8
"""Directions more than the rank that its range is looked for in (Halko et al. 2011, section 4.2)."""


class RestartedLora(Lora):
    """LoRA on top of the sum of what it was before each restart.

    Attributes:
        difference: that sum, in the shape of the weight.
        directions: what the A of one cycle after the other start at, (n * r, in/groups, kernel...), r rows
            for each; empty: they are drawn.
        restarts: how many there were, a whole number.
        energy: share of the update's squared norm that was left when it was last cut to `kept_rank`.
        kept_rank: the rank that is saved at most; None: the whole sum is.
    """

    difference: Tensor
    directions: Tensor
    restarts: Tensor
    energy: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        settings: AdapterSettings,
        dtype: torch.dtype,
        generator: torch.Generator,
        kept_rank: int | None = None,
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        self.kept_rank = kept_rank
        self.register_buffer("difference", torch.zeros(self.shape, dtype=dtype))
        self.register_buffer("directions", torch.zeros(0, *self.shape[1:], dtype=dtype))
        self.register_buffer("restarts", torch.tensor(0))
        self.register_buffer("energy", torch.tensor(1.0))

    def weight(self, base: Tensor) -> Tensor:
        """base + difference + scaling * B @ A."""
        return super().weight(base + self.difference)

    def low_rank(self) -> LowRank | None:
        """None: the sum is of a higher rank than what is trained."""
        return None

    @torch.no_grad()
    def summed(self) -> Tensor:
        """The whole update at strength 1, in the shape of the weight."""
        return super().weight(self.difference)

    def plan(self, directions: Tensor) -> Start:
        """Keep the directions of all cycles, (n * r, in/groups, kernel...), the most important ones first;
        A stays in those of its cycle. Gives the start of the first one."""
        self.directions = directions.to(self.lora_A)
        self.lora_A.requires_grad_(False)
        return Start(self.directions[: self.settings.rank])

    @torch.no_grad()
    def restart_from(self, generator: torch.Generator) -> None:
        """Add B @ A to the difference, start A again and set B to zero: what is computed stays the same.

        A is at the next directions, after the last ones at the first again; it is drawn where there are none.
        """
        self.difference.copy_(self.summed())
        self.restarts += 1
        if len(self.directions):
            first = self.settings.rank * int(self.restarts) % len(self.directions)
            self.lora_A.copy_(self.directions[first : first + self.settings.rank])
        else:
            self.lora_A.copy_(Lora(self.shape, self.settings, self.lora_A.dtype, generator).lora_A)
        self.lora_B.zero_()

    @property
    def saved_rank(self) -> int:
        """The rank that is saved: no more than the cycles, the weight and `kept_rank` allow."""
        highest = min(self.shape[0], torch.Size(self.shape[1:]).numel())
        return min(self.settings.rank * (int(self.restarts) + 1), highest, self.kept_rank or highest)

    @torch.no_grad()
    def compress(self) -> None:
        """Cut the update to the rank that is saved, in place; `energy` is what is left of it."""
        whole = self.summed()
        A, B = self._factors_of(whole)
        left = LowRank(A, B, 1.0).added_to(torch.zeros_like(whole))
        total = whole.square().sum()
        self.energy.copy_(left.square().sum() / total if total > 0 else torch.ones_like(total))
        self.difference.copy_(left)
        self.lora_B.zero_()

    def to_peft(self) -> dict[str, Tensor]:
        """The sum as one LoRA of `saved_rank`, with a scaling of 1."""
        A, B = self._factors_of(self.summed())
        return {"lora_A.weight": A, "lora_B.weight": B}

    def peft_shapes(self) -> dict[str, tuple[int, ...]]:
        """Without a decomposition."""
        rank, ones = self.saved_rank, (1,) * (len(self.shape) - 2)
        return {"lora_A.weight": (rank, *self.shape[1:]), "lora_B.weight": (self.shape[0], rank, *ones)}

    @property
    def saved_settings(self) -> AdapterSettings:
        """Those of the sum."""
        rank = self.saved_rank
        alpha = rank**0.5 if self.settings.rslora else float(rank)
        return replace(self.settings, rank=rank, alpha=alpha, init="default")

    def _factors_of(self, update: Tensor) -> tuple[Tensor, Tensor]:
        """A and B of the best approximation of `saved_rank`."""
        rank, matrix = self.saved_rank, update.flatten(1)
        found = min(self.settings.rank * (int(self.restarts) + 1) + _SPARE, *matrix.shape)
        basis = None
        if 2 * found < min(matrix.shape):
            # The rank is known: a product with so many random vectors holds its whole range, and is small.
            draw = torch.Generator().manual_seed(0)
            vectors = torch.randn(matrix.shape[1], found, generator=draw).to(matrix)
            basis = torch.linalg.qr(matrix @ vectors)[0]
            matrix = basis.T @ matrix
        U, S, Vh = torch.linalg.svd(matrix, full_matrices=False)
        U, root = U if basis is None else basis @ U, S[:rank].sqrt()
        A = (root[:, None] * Vh[:rank]).reshape(rank, *self.shape[1:])
        return A, (U[:, :rank] * root).reshape(self.shape[0], rank, *(1,) * (len(self.shape) - 2))


def allow_restarts(model: nn.Module, name: str, kept_rank: int | None) -> None:
    """Make the LoRA adapters called `name` ones that can restart, in place, at what they are now."""
    for layer in adapted_layers(model).values():
        for called, part, adapter in list(adapters_in(layer)):
            if called != name or not isinstance(adapter, Lora):
                continue
            A = adapter.lora_A
            new = RestartedLora(adapter.shape, adapter.settings, A.dtype, torch.Generator(), kept_rank)
            new.load_state_dict(adapter.state_dict(), strict=False)
            new.to(A.device).train(adapter.training)
            parameters = dict(adapter.named_parameters())
            for key in parameters:  # the same objects, in the same memory format
                setattr(new, key, parameters[key])
            if part:
                layer.adapters[name][part] = new  # type: ignore[operator]
            else:
                layer.adapters[name] = new


def restarted_adapters(model: nn.Module) -> dict[str, RestartedLora]:
    """The active adapters that can restart, by the full name of their weight."""
    return {
        ".".join(one for one in (name, part) if one): adapter
        for name, layer in adapted_layers(model).items()
        for called, part, adapter in adapters_in(layer)
        if called in layer.active and isinstance(adapter, RestartedLora)
    }


def restart(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int, step: int) -> None:
    """Restart every active adapter that can; an A that is drawn is a function of seed, step and name.

    Args:
        model: an adapted network.
        optimizer: whose moments of A and B are pruned.
        seed: of the run.
        step: optimizer steps that were made.
    """
    for site, adapter in restarted_adapters(model).items():
        digest = hashlib.sha256(f"restart/{seed}/{step}/{site}".encode()).digest()
        adapter.restart_from(torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1))
        for parameter in (adapter.lora_A, adapter.lora_B):
            prune_moments(optimizer, parameter)


@torch.no_grad()
def prune_moments(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> None:
    """Set the share ``PRUNED`` of a parameter's moments to zero, where the first one is smallest.

    The same elements of all moments: a first moment without its second would be divided by next to nothing.
    Adam's count of steps starts again too. It corrects moments that began at zero; without that correction
    the steps after a restart would be up to six times as long (betas 0.9 and 0.999).
    """
    state = optimizer.state.get(parameter, {})
    moments = [
        value
        for value in state.values()
        if isinstance(value, Tensor) and value.shape == parameter.shape and value.is_floating_point()
    ]
    for key, first in (("step", 0), ("mu_product", 1)):  # the second is NAdam's
        if key in state:
            state[key] = torch.full_like(state[key], first) if isinstance(state[key], Tensor) else first
    if moments:
        size = moments[0].abs()
        least = size.flatten().kthvalue(max(1, math.ceil(PRUNED * size.numel()))).values
        for moment in moments:
            moment.masked_fill_(size <= least, 0)


def warmed_up(step: int, every: int, warmup: float) -> float:
    """What the learning rate is multiplied with: after each restart it rises again.

    Args:
        step: optimizer steps that were made.
        every: steps from one restart to the next.
        warmup: share of them in which it rises.
    """
    rising, since = max(1, round(warmup * every)), step % every
    return (since + 1) / (rising + 1) if step >= every and since < rising else 1.0


def compress(model: nn.Module) -> None:
    """Cut the update of every active adapter that can restart to the rank that is saved, in place."""
    for adapter in restarted_adapters(model).values():
        if adapter.kept_rank is not None:
            adapter.compress()


def describe_restarts(model: nn.Module) -> str | None:
    """Restarts, ranks and the energy that was kept, in words; None where no adapter can restart."""
    adapters = restarted_adapters(model)
    if not adapters:
        return None
    ranks = [adapter.saved_rank for adapter in adapters.values()]
    least = min(adapters, key=lambda site: float(adapters[site].energy))
    restarts = max(int(adapter.restarts) for adapter in adapters.values())
    times = "1 restart" if restarts == 1 else f"{restarts} restarts"
    mean = sum(float(adapter.energy) for adapter in adapters.values()) / len(adapters)
    return (
        f"{times} (lora.restart_every): the adapter is their sum, of rank {min(ranks)} to "
        f"{max(ranks)}, and keeps {percent(mean, 1)} of its energy (mean over layers; least: {least} "
        f"{percent(float(adapters[least].energy), 1)})"
    )
