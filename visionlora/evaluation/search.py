"""The search for weights and strength: measure until the choice falls on a measured point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from visionlora.evaluation.budget import Budgets, StrengthPoint, budgets_for
from visionlora.evaluation.choice import Choice, choose
from visionlora.evaluation.grid import StrengthGrid
from visionlora.evaluation.images import Evaluation
from visionlora.evaluation.metrics import top1_lost
from visionlora.evaluation.predictions import Predictions


@dataclass(frozen=True)
class StrengthOptions:
    """What the choice depends on.

    Attributes:
        retention_budget: top-1 that may be forgotten; None: any.
        contrast_budget: share of the contrast images that may get a trained name; None: any.
        targets: the outputs of the trained classes.
        least_learned: the share of what can be learned below which a budget is given up.
        steps: the strengths that are tried are 1/steps, ..., 1.
        old_knowledge: whether the network still has its old outputs.
        keeps_head: whether it has these alone, so that strength 0 is the frozen network.
    """

    retention_budget: float | None
    contrast_budget: float | None
    targets: Sequence[int]
    least_learned: float = 0.5
    steps: int = 10
    old_knowledge: bool = True
    keeps_head: bool = True


@dataclass(frozen=True)
class ChoosingImages:
    """Images that choose.

    Attributes:
        before: the frozen network's predictions for them.
        part: their predictions among those for all images.
    """

    before: Evaluation
    part: Callable[[Evaluation], Evaluation] = lambda whole: whole


@dataclass(frozen=True)
class Decision:
    """What a set of images chose.

    Attributes:
        frozen: strength 0 on these images.
        points: every candidate at every strength on them.
        budgets: in images of theirs.
        choice: one of the points; it is measured.
    """

    frozen: StrengthPoint
    points: Sequence[StrengthPoint]
    budgets: Budgets
    choice: Choice


def search(
    grid: StrengthGrid,
    choosing: Sequence[ChoosingImages],
    requested: Mapping[str, float | None],
    options: StrengthOptions,
) -> list[Decision]:
    """What each set of images chooses; the grid has measured all of it.

    Args:
        grid: of the candidates and strengths.
        choosing: at least one set.
        requested: the budgets for ``retention`` and for ``contrast``; None: any.
        options: what else the choice depends on.
    """
    while True:
        decisions = [_decide(grid, images, requested, options) for images in choosing]
        missing = [one.choice.point for one in decisions if not one.choice.point.measured]
        if not missing:
            return decisions
        for point in missing:
            grid.measure(point.candidate, round(point.strength * grid.steps))


def _decide(
    grid: StrengthGrid,
    images: ChoosingImages,
    requested: Mapping[str, float | None],
    options: StrengthOptions,
) -> Decision:
    points = [
        replace(
            strength_point(
                step / grid.steps, images.before, images.part(grid.at(name, step)), options.targets
            ),
            candidate=name,
            measured=grid.measured(name, step),
        )
        for name in grid.candidates
        for step in range(1, grid.steps + 1)
    ]
    frozen = strength_point(0.0, images.before, images.before, options.targets)
    budgets = budgets_for(requested, images.before, frozen)
    return Decision(frozen, points, budgets, choose(points, budgets, frozen.learned, options.least_learned))


def strength_point(
    strength: float, before: Evaluation, now: Evaluation, targets: Sequence[int]
) -> StrengthPoint:
    """The figures of one strength. Without validation images nothing is learned at any: the largest strength
    within the budgets is chosen."""
    metrics: dict[str, float] = {}
    if now.validation is not None:
        metrics = {"val/top1": now.validation.top(1), "val/loss": now.validation.loss()}
    lost = 0.0
    for name, frozen, current in (
        ("retention", before.retention, now.retention),
        ("anchors", before.held_out, now.held_out),
    ):
        if frozen is not None and current is not None:
            lost = metrics["lost"] = top1_lost(frozen, current)
            metrics |= {f"{name}/{key}": value for key, value in _retained(frozen, current).items()}
    false_positives = 0.0
    if now.contrast is not None:
        false_positives = now.contrast.share_predicted(targets)
        metrics["contrast/false_positive_rate"] = false_positives
    return StrengthPoint(strength, metrics.get("val/top1", 0.0), lost, metrics, false_positives)


def _retained(frozen: Predictions, now: Predictions) -> dict[str, float]:
    top1 = {"top1": now.top(1)} if now.labelled else {}
    return {
        **top1,
        "agreement": now.agreement(frozen),
        "divergence": now.divergence(frozen),
        "estimated_lost": now.estimated_lost(frozen),
    }
