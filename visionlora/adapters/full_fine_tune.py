"""An adapter of a full fine-tune: everything that differs between two networks of one architecture."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import DEFAULT
from visionlora.adapters.collect_updates import BIAS, Kept, attach_updates
from visionlora.adapters.combine import Update
from visionlora.adapters.errors import LoraError
from visionlora.adapters.extraction import SAME_WEIGHTS
from visionlora.adapters.families.bias import Bias
from visionlora.adapters.network import named_sites
from visionlora.adapters.replaced_tensors import replace_tensors
from visionlora.adapters.sites import plain_weight
from visionlora.text import listed


class TunedAdapter(NamedTuple):
    """What the adapter holds.

    Attributes:
        kept: of each weight's difference.
        biases: layers whose bias changed.
        whole: modules that are saved whole: norms with their statistics, and other parameters.
    """

    kept: dict[str, Kept]
    biases: list[str]
    whole: list[str]


@torch.no_grad()
def extract_tuned(
    base: nn.Module,
    tuned: nn.Module,
    rank: int | None,
    *,
    trained_whole: Collection[str] = (),
) -> TunedAdapter:
    """Give `base` an adapter, in place, with which it computes what `tuned` does, as far as the rank allows.

    Differences of weights become LoRA of that rank, without one whole differences (family `full`); those of
    biases become adapters of their own; norms are replaced whole.

    Args:
        base, tuned: plain networks of one architecture.
        rank: at most; None: nothing is lost.
        trained_whole: modules of the head that take over the tuned tensors as they are.

    Raises:
        LoraError: the networks differ in their layers or shapes, or in nothing.
    """
    ours, theirs = base.state_dict(), tuned.state_dict()
    _require_one_architecture(ours, theirs)
    heads = tuple(f"{module}." for module in trained_whole)
    for key in ours:
        if key.startswith(heads) and heads:
            ours[key].copy_(theirs[key])
    updates, compared = _updates(base, tuned)
    rest = {
        key: theirs[key] for key in ours if key not in compared and not torch.equal(ours[key], theirs[key])
    }
    modules = list(dict.fromkeys(key.rpartition(".")[0] for key in rest))
    if not updates and not rest and not heads:
        raise LoraError(SAME_WEIGHTS)
    if not updates:
        raise LoraError(
            f"Only {listed(modules)} differ, and no weight that an adapter could change: use the tuned "
            f"weights as they are."
        )
    kept = attach_updates(base, updates, rank, name=DEFAULT)
    replace_tensors(base, rest)
    return TunedAdapter(kept, [key.removeprefix(BIAS) for key in updates if key.startswith(BIAS)], modules)


def _require_one_architecture(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    missing = sorted(ours.keys() ^ theirs.keys())
    shapes = [key for key in ours if key in theirs and ours[key].shape != theirs[key].shape]
    if missing or shapes:
        raise LoraError(
            f"{listed(missing or shapes)} differ in the two networks: give two of the same architecture."
        )


def _updates(base: nn.Module, tuned: nn.Module) -> tuple[dict[str, Update], set[str]]:
    """What differs in the weights and biases that adapters can change, and the names of all of these."""
    updates: dict[str, Update] = {}
    compared: set[str] = set()
    tuned_sites = named_sites(tuned)
    paths = {module: path for path, module in reversed([*base.named_modules()])}
    for site, (module, where) in named_sites(base).items():
        prefix = f"{paths[module]}." if paths[module] else ""
        other = tuned_sites[site][0]
        compared.add(f"{prefix}{where.parameter}")
        after, before = (where.view(plain_weight(site, one, where)).float() for one in (other, module))
        differences = {site: after - before}
        if Bias.can_attach_to(module) and not where.part:
            compared.add(f"{prefix}bias")
            differences[BIAS + site] = other.bias.float() - module.bias.float()  # type: ignore[operator]
        updates |= {name: one for name, one in differences.items() if bool(one.any())}
    return updates, compared
