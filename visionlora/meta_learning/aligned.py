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
from visionlora.adapters.init.contrastive import aligned, common_basis
from visionlora.adapters.init.from_data import TooFewDirections
from visionlora.adapters.init.start import Start
from visionlora.adapters.network import named_adapters, named_sites
from visionlora.frozen.weight import frozen_weight
from visionlora.meta_learning.problem import BATCH, Features, Problem
from visionlora.retention.starts import ROWS

LAST, FALL, LEAST = 3.2, 0.7, 0.8
"""How long A's rows are: of the last layer LAST, of each one before it FALL times that, but at least LEAST.
A Gaussian A's have length 1 on average. The length is how far a step of B moves the weight. Images that no
step saw gain most from the layers next to the output, and anchors lose as much in the others
(docs/growing.md)."""
CLASSES, IMAGES = 128, 8
"""At most so many classes, and images of each, whose gradients are compared."""
KNOWN = 256
"""At most so many anchors whose gradients are compared with."""
VIEWS = 4
"""Of each anchor: as it is, flipped, and augmented as in a run."""


def aligned_starts(
    problem: Problem,
    classes: Mapping[str, Sequence[int]],
    task_classes: int,
    seed: int,
    advance: Callable[[int, int], None],
) -> dict[str, Start]:
    """By layer, A's directions in which a step on one image of each class of a task lowers the loss of the
    task's other images most, relative to how far outputs for anchors move; layers with too few columns are
    left out.

    Args:
        problem: its adapters are LoRA's, with B at zero.
        classes: the places of each class's images, two or more.
        task_classes: classes in a task.
        seed: draws the images where there are more than are compared, and the labels of anchors.
        advance: is told how many classes and anchors are done, and of how many.
    """
    adapters = {site: one for site, one in named_adapters(problem.network).items() if isinstance(one, Lora)}
    chosen, known = _chosen(classes, seed), _known(problem, seed)
    bases = _bases(problem, [places[0] for places in chosen], known, adapters)
    sums: dict[str, _Sums] = {}
    for number, places in enumerate(chosen):
        losses = [partial(problem.image_loss, place) for place in places]
        for site, gradients in _gradients(problem, losses, bases).items():
            one = _of_class(gradients)
            sums[site] = _Sums(*map(torch.add, sums[site], one)) if site in sums else one
        advance(number + 1, len(chosen) + len(known))
    costs: dict[str, Tensor] = {}
    draw = torch.Generator().manual_seed(seed)
    for number, place in enumerate(known):
        for site, square in _cost(problem, place, bases, draw).items():
            costs[site] = costs.get(site, 0) + square / len(known)
        advance(len(chosen) + number + 1, len(chosen) + len(known))
    starts, lengths = {}, _lengths(list(adapters))
    for site, total in sums.items():
        module, where = named_sites(problem.network)[site]
        base = where.view(frozen_weight(module, where.parameter).dense()).detach().float().cpu()
        settings = adapters[site].settings
        agreement = _agreement(total, len(chosen), task_classes)
        try:
            start = aligned(base, settings, agreement, costs.get(site), bases[site])
        except TooFewDirections:
            continue
        starts[site] = Start(lengths[site] * start.A)
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


def _lengths(sites: Sequence[str]) -> dict[str, float]:
    """Of the rows of each layer's A; the layers in the network's order."""
    return {site: max(LEAST, LAST * FALL**place) for place, site in enumerate(reversed(sites))}


def _chosen(classes: Mapping[str, Sequence[int]], seed: int) -> list[list[int]]:
    """Images of each class whose gradients are compared."""
    draw = random.Random(f"aligned/{seed}")
    names = draw.sample(sorted(classes), min(CLASSES, len(classes)))
    return [draw.sample(list(classes[name]), min(IMAGES, len(classes[name]))) for name in names]


def _known(problem: Problem, seed: int) -> list[int]:
    """Anchors that are compared with; none without any."""
    if problem.anchors is None:
        return []
    count = len(problem.anchors.dataset)
    return random.Random(f"known/{seed}").sample(range(count), min(KNOWN, count))


def _bases(
    problem: Problem, new: Sequence[int], known: Sequence[int], sites: Mapping[str, Lora]
) -> dict[str, Tensor | None]:
    """Of each layer, for its gradients."""
    inputs = _inputs(problem, problem.images, new, sites)
    others = {} if problem.anchors is None else _inputs(problem, problem.anchors, known, sites)
    return {site: common_basis(inputs[site], others.get(site)) for site in inputs}


def _cost(
    problem: Problem, place: int, bases: Mapping[str, Tensor | None], draw: torch.Generator
) -> dict[str, Tensor]:
    """By layer, the mean of K'K over views of an anchor, K the gradient for a label drawn from
    what the frozen network predicts, softened (`Problem.anchor_loss`)."""
    losses = [partial(problem.anchor_loss, (place, view), draw) for view in range(VIEWS)]
    found = {}
    for site, gradients in _gradients(problem, losses, bases).items():
        rows = torch.cat(gradients).double()
        found[site] = rows.t() @ rows / len(losses)
    return found


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
    problem: Problem, losses: Sequence[Callable[[], Tensor]], bases: Mapping[str, Tensor | None]
) -> dict[str, list[Tensor]]:
    """By layer, each loss's gradient of the weight, (out, columns) in the layer's basis."""
    found: dict[str, list[Tensor]] = {}
    for loss in losses:
        gradients = weight_gradients(problem.network, loss)
        for site, basis in bases.items():
            if site in gradients:  # else no output depends on it
                G = gradients[site].flatten(1).float().cpu()
                found.setdefault(site, []).append(G if basis is None else G @ basis.float())
    return found
