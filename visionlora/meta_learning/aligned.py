"""The start that tasks move on from: the directions in which the gradients of different images agree."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from visionlora.adapters import adapters_off
from visionlora.adapters.collect import layer_inputs, weight_gradients
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.init.from_data import TooFewDirections, aligned, common_basis
from visionlora.adapters.init.start import Start
from visionlora.adapters.network import named_adapters, named_sites
from visionlora.frozen.weight import frozen_weight
from visionlora.meta_learning.problem import BATCH, Features, Problem

LENGTH = 2.0
"""Of A's rows. A Gaussian A's have length 1 on average; along these directions twice the step of the weight
still loses less of what the network knew (docs/growing.md)."""
CLASSES, IMAGES = 128, 8
"""At most so many classes, and images of each, whose gradients are compared."""
KNOWN = 256
"""At most so many anchors whose layer inputs are kept."""
ROWS = 512
"""So many patches of each batch a layer keeps."""


def aligned_starts(
    problem: Problem,
    classes: Mapping[str, Sequence[int]],
    task_classes: int,
    seed: int,
    advance: Callable[[int, int], None],
) -> dict[str, Start]:
    """By layer, A's directions in which a step on one image of each class of a task lowers the loss of the
    task's other images most, relative to what it does to anchors; layers with too few columns are left out.

    Args:
        problem: its adapters are LoRA's, with B at zero.
        classes: the places of each class's images, two or more.
        task_classes: classes in a task.
        seed: draws the images where there are more than are compared.
        advance: is told how many classes are done, and of how many.
    """
    adapters = {site: one for site, one in named_adapters(problem.network).items() if isinstance(one, Lora)}
    chosen = _chosen(classes, seed)
    new = _inputs(problem, problem.images, [places[0] for places in chosen], adapters)
    known = _known_inputs(problem, seed, adapters)
    bases = {site: common_basis(new[site], known.get(site)) for site in new}
    sums: dict[str, _Sums] = {}
    for number, places in enumerate(chosen):
        for site, gradients in _gradients(problem, places, bases).items():
            one = _of_class(gradients)
            sums[site] = _Sums(*map(torch.add, sums[site], one)) if site in sums else one
        advance(number + 1, len(chosen))
    starts = {}
    for site, total in sums.items():
        module, where = named_sites(problem.network)[site]
        base = where.view(frozen_weight(module, where.parameter).dense()).detach().float().cpu()
        settings = adapters[site].settings
        agreement = _agreement(total, len(chosen), task_classes)
        try:
            start = aligned(base, settings, agreement, known.get(site), bases[site])
        except TooFewDirections:
            continue
        starts[site] = Start(LENGTH * start.A)
    return starts


class _Sums(NamedTuple):
    """Over classes, of one layer.

    Attributes:
        mean: a class's mean gradient M, (out, columns).
        square: M'M, (columns, columns).
        within: the mean of G'H over pairs of different images of a class, (columns, columns).
    """

    mean: Tensor
    square: Tensor
    within: Tensor


def _of_class(gradients: Sequence[Tensor]) -> _Sums:
    rows, count = torch.stack(list(gradients)).double(), len(gradients)
    total = rows.sum(0)
    square, own = total.t() @ total, rows.flatten(0, 1).t() @ rows.flatten(0, 1)
    return _Sums(total / count, square / count**2, (square - own) / (count * (count - 1)))


def _agreement(sums: _Sums, classes: int, task_classes: int) -> Tensor:
    """The mean of G'H over tasks, G of the images that the steps see and H of the others: of the pairs of
    images, one in `task_classes` has one class."""
    within = sums.within / classes
    across = (sums.mean.t() @ sums.mean - sums.square) / (classes * (classes - 1))
    return across + (within - across) / min(task_classes, classes)


def _chosen(classes: Mapping[str, Sequence[int]], seed: int) -> list[list[int]]:
    """Images of each class whose gradients are compared."""
    draw = random.Random(f"aligned/{seed}")
    names = draw.sample(sorted(classes), min(CLASSES, len(classes)))
    return [draw.sample(list(classes[name]), min(IMAGES, len(classes[name]))) for name in names]


def _known_inputs(problem: Problem, seed: int, sites: Mapping[str, Lora]) -> dict[str, Tensor]:
    """Those of anchors; empty without any."""
    if problem.anchors is None:
        return {}
    count = len(problem.anchors.dataset)
    places = random.Random(f"known/{seed}").sample(range(count), min(KNOWN, count))
    return _inputs(problem, problem.anchors, places, sites)


def _inputs(
    problem: Problem, features: Features, places: Sequence[int], sites: Mapping[str, Lora]
) -> dict[str, Tensor]:
    def run() -> None:
        for start in range(0, len(places), BATCH):
            views = [(place, False) for place in places[start : start + BATCH]]
            problem.logits(features.get(views, problem.device))

    with torch.no_grad(), adapters_off(problem.network):
        return layer_inputs(problem.network, run, ROWS, only=set(sites))


def _gradients(
    problem: Problem, places: Sequence[int], bases: Mapping[str, Tensor | None]
) -> dict[str, list[Tensor]]:
    """By layer, each image's gradient of the weight, (out, columns) in the layer's basis."""
    found: dict[str, list[Tensor]] = {}
    for place in places:
        gradients = weight_gradients(problem.network, partial(problem.image_loss, place))
        for site, basis in bases.items():
            if site in gradients:  # else no output depends on it
                G = gradients[site].flatten(1).float().cpu()
                found.setdefault(site, []).append(G if basis is None else G @ basis.float())
    return found
