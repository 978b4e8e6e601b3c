"""Finds contenders by name and makes networks ready to be trained by them."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from benchmarks.contenders import CONTENDERS, Contender, Ready
from benchmarks.family_contenders import FAMILY_CONTENDERS
from visionlora.errors import VisionLoraError

EVERY = (*CONTENDERS, *FAMILY_CONTENDERS)


def by_name(name: str) -> Contender:
    """The contender of this name, in any case.

    Raises:
        VisionLoraError: there is none.
    """
    known = {contender.name.lower(): contender for contender in EVERY}
    if name.lower() not in known:
        names = ", ".join(contender.name for contender in EVERY)
        raise VisionLoraError(f"No contender is called {name!r}; there are {names}.")
    return known[name.lower()]


def layers_for(network: nn.Module, contender: Contender, rank: int, choice: str) -> list[str]:
    """Names of the layers that a contender adapts: with `shared` those that every contender can adapt, with
    `all` those that this contender can adapt."""
    if contender.can is None:
        return []
    involved: Iterable[Contender] = CONTENDERS if choice == "shared" else (contender,)
    able = [one.can for one in involved if one.can is not None]
    return [
        name
        for name, layer in network.named_modules()
        # By exact type: an attention's output projection is a Linear whose forward is never called.
        if type(layer) in (nn.Conv2d, nn.Linear) and all(can(layer, rank) for can in able)
    ]


def make_ready(contender: Contender, network: nn.Module, rank: int, choice: str = "shared") -> Ready:
    """Build a contender on the network, which is changed in place.

    Raises:
        VisionLoraError: the contender adapted another number of layers than requested.
    """
    layers = layers_for(network, contender, rank, choice)
    ready = contender.build(network, layers, rank)
    if ready.layers != len(layers):
        raise VisionLoraError(f"{contender.name} adapted {ready.layers} layers instead of {len(layers)}.")
    return ready
