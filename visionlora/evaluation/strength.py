"""How strongly the trained adapter is applied: as much as the budget for forgetting allows.

Between the frozen network (strength 0) and the trained one (strength 1) the update is multiplied by a number,
which is the interpolation of weights of Wortsman et al. 2022 (https://arxiv.org/abs/2109.01903, equation 1).
With an adapter every strength costs one pass over the evaluation images, and no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from torch import nn

from visionlora.adapters import scale, scaled
from visionlora.evaluation.budget import Budget, StrengthPoint, whole_image_budgets
from visionlora.evaluation.images import Evaluation, EvaluationImages, evaluate_images
from visionlora.evaluation.metrics import top1_lost
from visionlora.evaluation.predictions import Predictions
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.report.progress import progress

EXHAUSTIVE = 400
"""Up to so many images every strength is tried; with more the largest one is found by bisection."""


@dataclass(frozen=True)
class StrengthOptions:
    """What the choice depends on.

    Attributes:
        retention_budget: top-1 that may be forgotten; None: any.
        contrast_budget: share of the contrast images that may get a trained name; None: any.
        least_learned: the share of what can be learned below which a budget is given up.
        steps: the strengths that are tried are 1/steps, ..., 1.
        old_knowledge: whether the network still has its old outputs.
    """

    retention_budget: float | None
    contrast_budget: float | None
    least_learned: float = 0.5
    steps: int = 10
    old_knowledge: bool = True


@dataclass(frozen=True)
class StrengthSelection:
    """The strength that the adapter has now.

    Attributes:
        evaluation: the predictions at that strength.
        metrics: the choice, as ``strength`` of ``metrics.json``.
        notice: the choice in words.
    """

    evaluation: Evaluation
    metrics: dict[str, Any]
    notice: str


def select_strength(
    network: nn.Module,
    images: EvaluationImages,
    before: Evaluation,
    after: Evaluation,
    options: StrengthOptions,
    targets: Sequence[int],
    skip: str | None = None,
    console: Console | None = None,
) -> StrengthSelection:
    """Choose the adapter's strength and apply it to the adapter (its alpha).

    Args:
        network: trained, at strength 1.
        images: what the run is judged by.
        before: the frozen network's predictions, old knowledge over its own outputs.
        after: the predictions at strength 1.
        options: the budgets.
        targets: the outputs of the trained classes.
        skip: why nothing is to be chosen; None: there is no such reason.
        console: where progress is shown; None: standard error.
    """
    learned_on = f"{len(before.validation)} validation images" if before.validation else None
    lost_on = _forgetting_images(before, images.held_out_kind, options.retention_budget)
    called_on = _contrast_images(before)
    requested = {
        "retention": options.retention_budget if lost_on else None,
        "contrast": options.contrast_budget if called_on else None,
    }
    reason = skip or _no_choice(options, requested)
    if reason:
        metrics: dict[str, Any] = {
            "chosen": 1.0,
            "budget": requested,
            "learned_on": NOT_MEASURED,
            "judged_on": NOT_MEASURED,
            "called_on": NOT_MEASURED,
            "reason": reason,
            "curve": [],
        }
        return StrengthSelection(after, metrics, f"strength 1, not chosen: {reason}")

    exhaustive = before.image_count() <= EXHAUSTIVE
    tried: list[float] = []

    def measure(strength: float) -> StrengthPoint:
        if strength == 1:
            point = strength_point(1.0, before, after, targets)
        else:
            with scaled(network, strength):
                point = strength_point(strength, before, evaluate_images(network, images), targets)
        tried.append(strength)
        advance(len(tried), options.steps if exhaustive else None)
        return point

    frozen = strength_point(0.0, before, before, targets)
    exact, allowed = whole_image_budgets(requested, before, frozen)
    with progress(console or Console(stderr=True), "choosing the strength", "strengths tried") as advance:
        points = explore(measure, options.steps, allowed, exhaustive)
    chosen, kept = choose(points, allowed, frozen.learned, options.least_learned, exact)
    if chosen.strength < 1:
        scale(network, chosen.strength)
        after = evaluate_images(network, images)
    metrics = {
        "chosen": chosen.strength,
        "budget": requested,
        "allowed": {"retention": allowed.lost, "contrast": allowed.false_positives},
        "kept": kept,
        "learned_on": learned_on or NOT_MEASURED,
        "judged_on": lost_on or NOT_MEASURED,
        "called_on": called_on or NOT_MEASURED,
        "curve": [{"strength": point.strength, **point.metrics} for point in (frozen, *points)],
    }
    measured_on = " and ".join(kind for kind in (learned_on, lost_on, called_on) if kind)
    return StrengthSelection(after, metrics, describe_choice(chosen, points, kept, measured_on, allowed))


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


def explore(
    measure: Callable[[float], StrengthPoint], steps: int, budget: Budget, exhaustive: bool = True
) -> list[StrengthPoint]:
    """The points of 1/steps, ..., 1 that were measured, in ascending order.

    All of them, or (``exhaustive=False``) those that a bisection for the largest one within the budget
    visits: about log2(steps) + 1. Where that is 1 itself, half of it is measured too, for it may learn more.
    """
    if exhaustive:
        return [measure(step / steps) for step in range(1, steps + 1)]
    found = {steps: measure(1.0)}
    inside, outside = 0, steps
    if budget.holds(found[steps]):
        found[steps // 2] = measure(steps // 2 / steps)
        outside = 0
    while outside - inside > 1:
        middle = (inside + outside) // 2
        found[middle] = measure(middle / steps)
        if budget.holds(found[middle]):
            inside = middle
        else:
            outside = middle
    return [found[step] for step in sorted(found)]


def choose(
    points: Sequence[StrengthPoint],
    budget: Budget,
    untrained: float,
    least: float = 0.5,
    exact: Budget | None = None,
) -> tuple[StrengthPoint, bool]:
    """The largest strength within the budget that no smaller one beats in learning, and True.

    Of those that learn the same, the ones that are within the exact budget too come first: the last image
    that rounding allows is only spent where it gains something.

    Where that learns less than ``least`` of what can be learned, or nothing is within the budget, the budget
    is given up, because an adapter that does next to nothing is of no use: of the strengths that learn so
    much the one that exceeds it least, and False.

    Args:
        points: at least one, above 0.
        budget: what may be forgotten, and how many false positives there may be.
        untrained: the frozen network's ``learned``.
        least: a share of the most that any strength adds to that, 0 to 1.
        exact: the budget before it was rounded up to whole images.
    """
    most = max(point.learned for point in points)
    enough = untrained + least * (most - untrained) if most > untrained else 0.0
    inside = [point for point in points if budget.holds(point)]
    best = max((point.learned for point in inside), default=-1.0)
    if best >= enough:
        equal = [point for point in inside if point.learned == best]
        within_exact = [point for point in equal if exact is None or exact.holds(point)]
        return max(within_exact or equal, key=lambda p: p.strength), True
    useful = [point for point in points if point.learned >= enough]
    return min(useful, key=lambda p: (budget.excess(p), -p.learned)), False


def describe_choice(
    chosen: StrengthPoint, points: Sequence[StrengthPoint], kept: bool, measured_on: str, allowed: Budget
) -> str:
    """The choice in words, with what it costs."""
    full = points[-1]
    result = f"strength {chosen.strength:g}: {_figures(chosen, allowed)}, measured on {measured_on}"
    as_trained = f" (at strength 1: {_figures(full, allowed)})" if chosen != full else ""
    limits = {"retention.budget": allowed.lost, "contrast.budget": allowed.false_positives}
    bounds = " and ".join(f"{name}, {limit:.3f}" for name, limit in limits.items() if limit < 1)
    if kept:
        return f"{result}; within {bounds}{as_trained}"
    inside = [point for point in points if allowed.holds(point)]
    why = "no strength is within it"
    if inside:
        best = max(inside, key=lambda point: point.learned)
        why = (
            f"strength {best.strength:g}, which is within it, has top-1 {best.learned:.3f} on validation "
            "images, too little for retention.least_learned"
        )
    return (
        f"THE BUDGET IS NOT KEPT ({bounds}): {why}. {result}{as_trained}. More anchors, or fewer "
        "trainer.max_steps, keep more; retention.budget=null and contrast.budget=null take strength 1"
    )


def _figures(point: StrengthPoint, allowed: Budget) -> str:
    figures = [f"top-1 {point.learned:.3f} on validation images"] if "val/top1" in point.metrics else []
    if allowed.lost < 1:
        figures.append(f"{point.lost:.3f} of top-1 forgotten")
    if allowed.false_positives < 1:
        figures.append(f"{point.false_positives:.3f} false positives")
    return ", ".join(figures)


def _retained(frozen: Predictions, now: Predictions) -> dict[str, float]:
    top1 = {"top1": now.top(1)} if now.labelled else {}
    return {
        **top1,
        "agreement": now.agreement(frozen),
        "divergence": now.divergence(frozen),
        "estimated_lost": now.estimated_lost(frozen),
    }


def _contrast_images(before: Evaluation) -> str | None:
    """Which images the false-positive rate is measured on, in words; None where there are none."""
    return f"{len(before.contrast)} contrast images" if before.contrast is not None else None


def _forgetting_images(before: Evaluation, held_out_kind: str, budget: float | None) -> str | None:
    """Which images forgetting is measured on, in words; None where there are none."""
    if before.retention is not None:
        count = len(before.retention)
        if not before.retention.labelled:
            return f"{count} retention images (estimated)"
        coarse = f" (too few for it: one is {1 / count:.3f})" if budget and 1 / count > budget else ""
        return f"{count} retention images{coarse}"
    if before.held_out is not None:
        return f"{len(before.held_out)} {held_out_kind} (estimated)"
    return None


def _no_choice(options: StrengthOptions, requested: Mapping[str, float | None]) -> str | None:
    """Why there is nothing to choose; None where there is."""
    if options.retention_budget is None and options.contrast_budget is None:
        return "retention.budget and contrast.budget are null"
    if not options.old_knowledge:
        return "head new has nothing to forget"
    if all(budget is None for budget in requested.values()):
        return "there are neither retention nor contrast images, nor anchors enough to hold some out"
    return None
