"""Which of a run's weights become the adapter, and how strongly it is applied: chosen together.

Candidates are the weights at the best checkpoint, their average over the second half of training, and the
last ones. Between the frozen network (strength 0) and the trained one (strength 1) the update is multiplied
by a number, which is the interpolation of weights of Wortsman et al. 2022 (https://arxiv.org/abs/2109.01903,
equation 1). With an adapter a strength costs one pass over the evaluation images, and no memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from torch import Tensor, nn

from visionlora.adapters import scale, scaled
from visionlora.evaluation.budget import StrengthPoint, budgets_for
from visionlora.evaluation.choice import CANDIDATES, choose, describe_choice
from visionlora.evaluation.grid import StrengthGrid
from visionlora.evaluation.images import Evaluation, EvaluationImages, evaluate_images
from visionlora.evaluation.metrics import top1_lost
from visionlora.evaluation.predictions import Predictions
from visionlora.phases import phase
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.report.progress import progress

Candidates = Mapping[str, Mapping[str, Tensor]]
"""Trained tensors by their names in the network, by the candidate's name; the preferred one first."""


@dataclass(frozen=True)
class StrengthOptions:
    """What the choice depends on.

    Attributes:
        retention_budget: top-1 that may be forgotten; None: any.
        contrast_budget: share of the contrast images that may get a trained name; None: any.
        least_learned: the share of what can be learned below which a budget is given up.
        steps: the strengths that are tried are 1/steps, ..., 1.
        old_knowledge: whether the network still has its old outputs.
        keeps_head: whether it has these alone, so that strength 0 is the frozen network.
    """

    retention_budget: float | None
    contrast_budget: float | None
    least_learned: float = 0.5
    steps: int = 10
    old_knowledge: bool = True
    keeps_head: bool = True


@dataclass(frozen=True)
class StrengthSelection:
    """The weights and the strength that the adapter has now.

    Attributes:
        evaluation: the predictions with them.
        candidate: whose weights these are.
        metrics: the choice, as ``strength`` of ``metrics.json``.
        notice: the choice in words.
    """

    evaluation: Evaluation
    candidate: str
    metrics: dict[str, Any]
    notice: str


@phase("selection")
def select_strength(
    network: nn.Module,
    images: EvaluationImages,
    before: Evaluation,
    candidates: Candidates,
    options: StrengthOptions,
    targets: Sequence[int],
    console: Console | None = None,
) -> StrengthSelection:
    """Choose the weights and the strength together; the network gets both (the strength as its alpha).

    Args:
        network: adapted, at strength 1.
        images: what the run is judged by.
        before: the frozen network's predictions, old knowledge over its own outputs.
        candidates: at least one; where nothing is to be chosen the first is taken.
        options: the budgets.
        targets: the outputs of the trained classes.
        console: where progress is shown; None: standard error.
    """
    learned_on = f"{len(before.validation)} validation images" if before.validation else None
    lost_on = _forgetting_images(before, images.held_out_kind, options.retention_budget)
    called_on = _contrast_images(before)
    requested = {
        "retention": options.retention_budget if lost_on else None,
        "contrast": options.contrast_budget if called_on else None,
    }
    reason = _no_choice(options, requested)
    if reason:
        name = next(iter(candidates))
        network.load_state_dict(dict(candidates[name]), strict=False)
        metrics: dict[str, Any] = {
            "chosen": 1.0,
            "budget": requested,
            "learned_on": NOT_MEASURED,
            "judged_on": NOT_MEASURED,
            "called_on": NOT_MEASURED,
            "reason": reason,
            "curve": [],
        }
        notice = f"strength 1 of {CANDIDATES[name]}, not chosen: {reason}"
        return StrengthSelection(evaluate_images(network, images), name, metrics, notice)

    passes = 0

    def measure(name: str, strength: float) -> Evaluation:
        nonlocal passes
        network.load_state_dict(dict(candidates[name]), strict=False)
        with scaled(network, strength):
            evaluation = evaluate_images(network, images)
        passes += 1
        advance(passes, None)
        return evaluation

    frozen = strength_point(0.0, before, before, targets)
    budgets = budgets_for(requested, before, frozen)
    with progress(console or Console(stderr=True), "choosing the strength", "strengths tried") as advance:
        at_zero = before if options.keeps_head else None
        grid = StrengthGrid(measure, list(candidates), options.steps, at_zero)
        while True:
            points = grid_points(grid, before, targets)
            choice = choose(list(points.values()), budgets, frozen.learned, options.least_learned)
            name, step = choice.point.candidate, round(choice.point.strength * options.steps)
            if choice.point.measured:
                break
            grid.measure(name, step)
    network.load_state_dict(dict(candidates[name]), strict=False)
    scale(network, choice.point.strength)
    everything = list(points.values())
    metrics = {
        "chosen": choice.point.strength,
        "budget": requested,
        "allowed": {"retention": budgets.whole.lost, "contrast": budgets.whole.false_positives},
        "plausible": {"retention": budgets.plausible.lost, "contrast": budgets.plausible.false_positives},
        "kept": choice.kept,
        "plausibly_kept": choice.plausible,
        "learned_on": learned_on or NOT_MEASURED,
        "judged_on": lost_on or NOT_MEASURED,
        "called_on": called_on or NOT_MEASURED,
        "passes": passes,
        "curve": [_row(frozen), *(_row(point) for point in everything if point.candidate == name)],
        "grid": [{"candidate": point.candidate, **_row(point)} for point in everything],
    }
    measured_on = " and ".join(kind for kind in (learned_on, lost_on, called_on) if kind)
    notice = describe_choice(choice, everything, measured_on, budgets)
    return StrengthSelection(grid.at(name, step), name, metrics, notice)


def _row(point: StrengthPoint) -> dict[str, Any]:
    return {"strength": point.strength, "measured": point.measured, **point.metrics}


def grid_points(
    grid: StrengthGrid, before: Evaluation, targets: Sequence[int]
) -> dict[tuple[str, int], StrengthPoint]:
    """The figures of every candidate at every strength, by its name and step."""
    return {
        (name, step): replace(
            strength_point(step / grid.steps, before, grid.at(name, step), targets),
            candidate=name,
            measured=grid.measured(name, step),
        )
        for name in grid.candidates
        for step in range(1, grid.steps + 1)
    }


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
