"""How strongly the trained adapter is applied: as much as the budget for forgetting allows.

Between the frozen network (strength 0) and the trained one (strength 1) the update is multiplied by a number,
which is the interpolation of weights of Wortsman et al. 2022 (https://arxiv.org/abs/2109.01903, equation 1).
With an adapter every strength costs one pass over the images that the run is judged on, and no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from visionlora.adapters import scale, scaled
from visionlora.evaluation.budget import Budget, Point, budgets
from visionlora.evaluation.predictions import Answers
from visionlora.evaluation.results import Look, forgotten, look
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.training.setup import Job

THOROUGH = 400
"""Up to so many images every strength is tried; with more the largest one is found by bisection."""


@dataclass(frozen=True)
class Settled:
    """The strength that became the adapter's own.

    Attributes:
        look: the answers at that strength.
        metrics: the choice as ``metrics.json`` has it.
        notice: the choice in words.
    """

    look: Look
    metrics: dict[str, Any]
    notice: str


def settle(job: Job, before: Look, after: Look, interrupted: bool = False) -> Settled:
    """Choose the adapter's strength and make it the adapter's own (its alpha).

    Args:
        job: a trained run, at strength 1.
        before: the frozen network's answers.
        after: the answers at strength 1.
        interrupted: whoever ended training early is not made to wait for a choice.
    """
    lost_on, called_on = _lost_on(job, before), _called_on(before)
    asked = {
        "retention": job.retention.budget if lost_on else None,
        "contrast": job.contrast.budget if called_on else None,
    }
    reason = "training was interrupted" if interrupted else _no_choice(job, asked)
    if reason:
        metrics: dict[str, Any] = {
            "chosen": 1.0,
            "budget": asked,
            "judged_on": NOT_MEASURED,
            "called_on": NOT_MEASURED,
            "reason": reason,
            "curve": [],
        }
        return Settled(after, metrics, f"strength 1, not chosen: {reason}")

    def measure(strength: float) -> Point:
        if strength == 1:
            return point(job, 1.0, before, after)
        with scaled(job.network, strength):
            return point(job, strength, before, look(job))

    images = sum(len(part.labels) for part in before.parts())
    frozen = point(job, 0.0, before, before)
    exact, allowed = budgets(asked, before, frozen)
    points = explore(measure, job.retention.strengths, allowed, thorough=images <= THOROUGH)
    chosen, kept = choose(points, allowed, frozen.learned, job.retention.least_learned, exact)
    if chosen.strength < 1:
        scale(job.network, chosen.strength)
        after = look(job)
    metrics = {
        "chosen": chosen.strength,
        "budget": asked,
        "allowed": {"retention": allowed.lost, "contrast": allowed.called},
        "kept": kept,
        "judged_on": lost_on or NOT_MEASURED,
        "called_on": called_on or NOT_MEASURED,
        "curve": [{"strength": one.strength, **one.figures} for one in (frozen, *points)],
    }
    judged = " and ".join(images for images in (lost_on, called_on) if images)
    return Settled(after, metrics, announcement(chosen, points, kept, judged, allowed))


def point(job: Job, strength: float, before: Look, now: Look) -> Point:
    """The figures of one strength."""
    figures = {"val/top1": now.validation.top(1), "val/loss": now.validation.loss()}
    frozen_outputs = len(job.backbone.categories)
    lost = 0.0
    for name, then, here in (
        ("retention", before.retention, now.retention),
        ("anchors", before.held_out, now.held_out),
    ):
        if then is not None and here is not None:
            then = then.first(frozen_outputs)
            lost = figures["lost"] = forgotten(then, here)
            figures |= {f"{name}/{key}": value for key, value in _kept(then, here).items()}
    called = 0.0
    if now.contrast is not None:
        called = now.contrast.share_named(job.head.targets)
        figures["contrast/false_positive_rate"] = called
    return Point(strength, figures["val/top1"], lost, figures, called)


def explore(
    measure: Callable[[float], Point], steps: int, budget: Budget, thorough: bool = True
) -> list[Point]:
    """The points of 1/steps, ..., 1 that were measured, in ascending order.

    All of them, or (``thorough=False``) those that a bisection for the largest one inside the budget visits:
    about log2(steps) + 1. Where that is 1 itself, half of it is looked at too, for it may learn more.
    """
    if thorough:
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
    points: Sequence[Point],
    budget: Budget,
    untouched: float,
    least: float = 0.5,
    exact: Budget | None = None,
) -> tuple[Point, bool]:
    """The largest strength inside the budget that no smaller one beats in learning, and True.

    Of those that learn the same, the ones that are inside the exact budget too come first: the last image
    that rounding allows is only spent where it buys something.

    Where that learns less than ``least`` of what can be learned, or nothing is inside the budget, the budget
    is given up, for an adapter that does next to nothing is of no use: of the strengths that learn so much
    the one that exceeds it least, and False.

    Args:
        points: at least one, above 0.
        budget: what may be forgotten and wrongly called.
        untouched: what the frozen network has of ``learned``.
        least: a share of the most that any strength adds to that, 0 to 1.
        exact: the budget before it was rounded up to whole images.
    """
    most = max(point.learned for point in points)
    enough = untouched + least * (most - untouched) if most > untouched else 0.0
    inside = [point for point in points if budget.holds(point)]
    best = max((point.learned for point in inside), default=-1.0)
    if best >= enough:
        equal = [point for point in inside if point.learned == best]
        frugal = [point for point in equal if exact is None or exact.holds(point)]
        return max(frugal or equal, key=lambda p: p.strength), True
    useful = [point for point in points if point.learned >= enough]
    return min(useful, key=lambda p: (budget.excess(p), -p.learned)), False


def announcement(chosen: Point, points: Sequence[Point], kept: bool, judged: str, allowed: Budget) -> str:
    """The choice in words, with its price."""
    full = points[-1]
    result = f"strength {chosen.strength:g}: {_price(chosen, allowed)} on {judged}"
    as_trained = f" (at strength 1: {_price(full, allowed)})" if chosen != full else ""
    limits = {"retention.budget": allowed.lost, "contrast.budget": allowed.called}
    bounds = " and ".join(f"{name}, {limit:.3f}" for name, limit in limits.items() if limit < 1)
    if kept:
        return f"{result}, inside {bounds}{as_trained}"
    inside = [point for point in points if allowed.holds(point)]
    why = "no strength is inside"
    if inside:
        best = max(inside, key=lambda point: point.learned)
        why = (
            f"strength {best.strength:g}, which is inside, has {best.learned:.3f} right, too little for "
            "retention.least_learned"
        )
    return (
        f"THE BUDGET IS NOT KEPT ({bounds}): {why}. {result}{as_trained}. More anchors, or fewer "
        "trainer.max_steps, keep more; retention.budget=null and contrast.budget=null take strength 1"
    )


def _price(point: Point, allowed: Budget) -> str:
    lost = f", {point.lost:.3f} lost" if allowed.lost < 1 else ""
    wrongly = f", {point.called:.3f} wrongly called" if allowed.called < 1 else ""
    return f"{point.learned:.3f} of the new images right{lost}{wrongly}"


def _kept(frozen: Answers, now: Answers) -> dict[str, float]:
    top1 = {"top1": now.top(1)} if now.labelled else {}
    return {
        **top1,
        "agreement": now.agreement(frozen),
        "divergence": now.divergence(frozen),
        "estimated_lost": now.estimated_lost(frozen),
    }


def _called_on(before: Look) -> str | None:
    """Which images say what is wrongly called, in words; None where none do."""
    return f"{len(before.contrast.labels)} contrast images" if before.contrast is not None else None


def _lost_on(job: Job, before: Look) -> str | None:
    """Which images say how much is forgotten, in words; None where none do."""
    if before.retention is not None:
        count, budget = len(before.retention.labels), job.retention.budget
        if not before.retention.labelled:
            return f"{count} retention images (estimated)"
        coarse = f" (too few for it: one is {1 / count:.3f})" if budget and 1 / count > budget else ""
        return f"{count} retention images{coarse}"
    if before.held_out is not None:
        count = len(before.held_out.labels)
        if job.held_out is not None and isinstance(job.held_out.anchors[0], Tensor):
            return f"{count} generated images (estimated)"
        return f"{count} anchors held out (estimated)"
    return None


def _no_choice(job: Job, asked: Mapping[str, float | None]) -> str | None:
    if job.retention.budget is None and job.contrast.budget is None:
        return "retention.budget and contrast.budget are null"
    if job.head.kind == "new":
        return "head new has nothing to forget"
    if all(budget is None for budget in asked.values()):
        return "there are neither retention nor contrast images, nor anchors enough to hold some out"
    return None
