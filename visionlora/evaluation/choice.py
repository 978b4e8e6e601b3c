"""Which candidate at which strength becomes the adapter, and the choice in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from visionlora.evaluation.budget import Budgets, StrengthPoint

PRICE = 4.0
"""How much more top-1 has to be learned for what exceeds a budget: on a dozen validation images and fifty
contrast images two more of the former are worth one of the latter, one is not."""

CANDIDATES = {
    "average": "the average over the second half of training",
    "best": "the checkpoint with the best val/objective",
    "last": "the last step",
}
"""The weights that a run may deliver, in words."""


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        point: the candidate and the strength.
        kept: whether it is within both budgets, rounded up to whole images.
        plausible: whether what exceeds them is within the interval of so few images.
    """

    point: StrengthPoint
    kept: bool
    plausible: bool


def choose(points: Sequence[StrengthPoint], budgets: Budgets, untrained: float, least: float = 0.5) -> Choice:
    """The point with the highest top-1, less :data:`PRICE` times what exceeds the budgets.

    Points whose excess is established are left out: the budget lies below the 95 % interval of what they
    lose. Of points that are equal, those within the exact budgets come first: the last image that rounding
    allows is only spent where it gains something. Then the sum of what is lost, the false positives and a
    tenth of the loss on the validation images decides, then the larger strength.

    Where that learns less than ``least`` of what can be learned, or nothing is left, the budgets are given
    up, because an adapter that does next to nothing is of no use: of the points that learn so much the one
    that exceeds them least.

    Args:
        points: at least one, at strengths above 0.
        budgets: what may be forgotten, and how many false positives there may be.
        untrained: the frozen network's ``learned``.
        least: a share of the most that any point adds to that, 0 to 1.
    """
    most = max(point.learned for point in points)
    enough = untrained + least * (most - untrained) if most > untrained else 0.0
    possible = [point for point in points if budgets.plausible.holds(point)]
    if max((point.learned for point in possible), default=-1.0) >= enough:
        chosen = max(possible, key=lambda point: _rank(point, budgets))
    else:
        useful = [point for point in points if point.learned >= enough]
        chosen = min(useful, key=lambda point: (budgets.whole.excess(point), -point.learned))
    return Choice(chosen, budgets.whole.holds(chosen), budgets.plausible.holds(chosen))


def _rank(point: StrengthPoint, budgets: Budgets) -> tuple[float, bool, float, float]:
    worth = point.learned - PRICE * budgets.whole.excess(point)
    cost = 0.0  # without validation images the budgets alone choose
    if "val/top1" in point.metrics:
        cost = point.lost + point.false_positives + point.metrics.get("val/loss", 0.0) / 10
    return round(worth, 6), budgets.exact.holds(point), -cost, point.strength


def describe_choice(
    choice: Choice,
    points: Sequence[StrengthPoint],
    measured_on: str,
    budgets: Budgets,
    requested: Mapping[str, float | None] | None = None,
) -> str:
    """The choice in words, with what it costs.

    Args:
        choice: what was chosen.
        points: all that it was chosen from.
        measured_on: the images, in words.
        budgets: what limited it.
        requested: the budgets as they were set, where ``budgets`` allow what the frozen network does already.
    """
    asked = requested or {}
    chosen, allowed = choice.point, budgets.whole
    full = next(p for p in points if p.candidate == chosen.candidate and p.strength == 1)
    whose = f"strength {chosen.strength:g} of {CANDIDATES[chosen.candidate]}"
    result = f"{whose}: {_figures(chosen, budgets)}, measured on {measured_on}"
    as_trained = f" (at strength 1: {_figures(full, budgets)})" if chosen != full else ""
    limits = {
        "retention.budget": (asked.get("retention") or budgets.exact.lost, allowed.lost),
        "contrast.budget": (asked.get("contrast") or budgets.exact.false_positives, allowed.false_positives),
    }
    bounds = " and ".join(_bound(name, *both) for name, both in limits.items() if both[1] < 1)
    if choice.kept:
        return f"{result}; within {bounds}{as_trained}"
    inside = [point for point in points if allowed.holds(point)]
    best = max(inside, key=lambda point: point.learned) if inside else None
    if choice.plausible:
        more = f" Within it the best has top-1 {best.learned:.3f} on validation images." if best else ""
        return (
            f"{result}{as_trained}. This is over the budget ({bounds}) by less than so few images can show "
            f"(95 % interval).{more}"
        )
    why = "no strength is within it"
    if best:
        why = (
            f"strength {best.strength:g}, which is within it, has top-1 {best.learned:.3f} on validation "
            "images, too little for retention.least_learned"
        )
    return (
        f"THE BUDGET IS NOT KEPT ({bounds}): {why}. {result}{as_trained}. More anchors, or fewer "
        "trainer.max_steps, keep more; retention.budget=null and contrast.budget=null take strength 1"
    )


def _bound(name: str, asked: float, allowed: float) -> str:
    """A budget as it was set, and as it is applied where that is more: see :func:`in_whole_images`."""
    rounded = f", rounded up to whole images {allowed:.3f}" if allowed > asked + 1e-4 else ""
    return f"{name}={round(asked, 4):g}{rounded}"


def _figures(point: StrengthPoint, budgets: Budgets) -> str:
    """What is learned, forgotten and predicted wrongly, the latter two with their 95 % intervals."""
    intervals = {
        name: f" ({low:.2f} to {high:.2f})" for name, (low, high) in budgets.intervals(point).items()
    }
    figures = [f"top-1 {point.learned:.3f} on validation images"] if "val/top1" in point.metrics else []
    if budgets.whole.lost < 1:
        figures.append(f"{point.lost:.3f}{intervals.get('lost', '')} of top-1 lost")
    if budgets.whole.false_positives < 1:
        figures.append(f"{point.false_positives:.3f}{intervals.get('false_positives', '')} false positives")
    return ", ".join(figures)
