"""Which of a run's weights become the adapter, and how strongly it is applied: chosen together.

Candidates are the weights at the best checkpoint, their average over the second half of training, and the
last ones. Between the frozen network (strength 0) and the trained one (strength 1) the update is multiplied
by a number, which is the interpolation of weights of Wortsman et al. 2022 (https://arxiv.org/abs/2109.01903,
equation 1). With an adapter a strength costs one pass over the evaluation images, and no memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rich.console import Console
from torch import Tensor, nn

from visionlora.adapters import load_part, scale, scaled
from visionlora.evaluation.budget import StrengthPoint
from visionlora.evaluation.choice import CANDIDATES, describe_choice
from visionlora.evaluation.cross_fit import Halves, cross_fitted_metrics
from visionlora.evaluation.grid import StrengthGrid
from visionlora.evaluation.images import Evaluation, EvaluationImages, evaluate_images, predict_test
from visionlora.evaluation.search import ChoosingImages, Decision, StrengthOptions, search
from visionlora.phases import phase
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED
from visionlora.report.progress import progress
from visionlora.text import counted, in_words

Candidates = Mapping[str, Mapping[str, Tensor]]
"""Trained tensors by their names in the network, by the candidate's name; the preferred one first."""


@dataclass(frozen=True)
class StrengthSelection:
    """The weights and the strength that the adapter has now.

    Attributes:
        evaluation: the predictions with them.
        candidate: whose weights these are.
        metrics: the choice, as ``strength`` of ``metrics.json``.
        notice: the choice in words.
        cross_fitted: the figures of images that did not choose, for ``metrics.json``.
    """

    evaluation: Evaluation
    candidate: str
    metrics: dict[str, Any]
    notice: str
    cross_fitted: dict[str, Any] | str = NOT_MEASURED


class _JudgedOn(NamedTuple):
    """The images that choose, in words; None where there are none of the kind.

    Attributes:
        learned: those that measure what was learned.
        lost: those that measure what was forgotten.
        called: those that measure false positives.
    """

    learned: str | None
    lost: str | None
    called: str | None

    @classmethod
    def of(cls, before: Evaluation, held_out_kind: str, retention_budget: float | None) -> _JudgedOn:
        """The images of an evaluation."""
        return cls(
            counted(len(before.validation), "validation image") if before.validation else None,
            _forgetting_images(before, held_out_kind, retention_budget),
            counted(len(before.contrast), "contrast image") if before.contrast is not None else None,
        )

    @property
    def metrics(self) -> dict[str, str]:
        """For ``strength`` of ``metrics.json``."""
        keys = ("learned_on", "judged_on", "called_on")
        return {key: kind or NOT_MEASURED for key, kind in zip(keys, self, strict=True)}


@phase("selection")
def select_strength(
    network: nn.Module,
    images: EvaluationImages,
    before: Evaluation,
    candidates: Candidates,
    options: StrengthOptions,
    console: Console | None = None,
) -> StrengthSelection:
    """Choose the weights and the strength together; the network gets both (the strength as its alpha).

    Args:
        network: adapted, at strength 1.
        images: what the run is judged by.
        before: the frozen network's predictions, old knowledge over its own outputs.
        candidates: at least one; where nothing is to be chosen the first is taken.
        options: the budgets and the outputs of the trained classes.
        console: where progress is shown; None: standard error.
    """
    judged_on = _JudgedOn.of(before, images.held_out_kind, options.retention_budget)
    requested = {
        "retention": options.retention_budget if judged_on.lost else None,
        "contrast": options.contrast_budget if judged_on.called else None,
    }
    reason = _no_choice(options, requested)
    if reason:
        return _first_candidate(network, images, candidates, requested, reason)
    passes = 0

    def measure(name: str, strength: float) -> Evaluation:
        nonlocal passes
        load_part(network, candidates[name])
        with scaled(network, strength):
            evaluation = evaluate_images(network, images)
        passes += 1
        advance(passes, None)
        return evaluation

    halves = Halves(before)
    choosing = [ChoosingImages(before)]
    if halves.enough:
        choosing += [ChoosingImages(half(before), half) for half in (halves.first, halves.second)]
    with progress(console or Console(stderr=True), "choosing the strength", "strengths tried") as advance:
        at_zero = before if options.keeps_head else None
        grid = StrengthGrid(measure, list(candidates), options.steps, at_zero)
        decision, *fitted = search(grid, choosing, requested, options)
    chosen = decision.choice.point
    load_part(network, candidates[chosen.candidate])
    scale(network, chosen.strength)
    metrics = _metrics(decision, requested, judged_on, passes)
    words = in_words([kind for kind in judged_on if kind])
    notice = describe_choice(decision.choice, decision.points, words, decision.budgets, requested)
    evaluation = replace(grid.predicted(chosen), test=predict_test(network, images))
    cross_fitted = _cross_fitted(grid, halves, fitted, before, options.targets) if fitted else NOT_MEASURED
    return StrengthSelection(evaluation, chosen.candidate, metrics, notice, cross_fitted)


def _first_candidate(
    network: nn.Module,
    images: EvaluationImages,
    candidates: Candidates,
    requested: Mapping[str, float | None],
    reason: str,
) -> StrengthSelection:
    """The first candidate at strength 1: nothing is chosen."""
    name = next(iter(candidates))
    load_part(network, candidates[name])
    metrics = {
        "chosen": 1.0,
        "budget": requested,
        **_JudgedOn(None, None, None).metrics,
        "reason": reason,
        "curve": [],
        SELECTED: [],
    }
    notice = f"strength 1 of {CANDIDATES[name]}, not chosen: {reason}"
    return StrengthSelection(evaluate_images(network, images, test=True), name, metrics, notice)


def _cross_fitted(
    grid: StrengthGrid,
    halves: Halves,
    fitted: Sequence[Decision],
    before: Evaluation,
    targets: Sequence[int],
) -> dict[str, Any]:
    """The figures of what each half of the images chose, measured on the other half."""
    first, second = (grid.predicted(one.choice.point) for one in reversed(fitted))
    chosen = [
        {"candidate": one.choice.point.candidate, "strength": one.choice.point.strength} for one in fitted
    ]
    return {"chosen": chosen, **cross_fitted_metrics(before, halves.joined(first, second), targets)}


def _metrics(
    decision: Decision, requested: Mapping[str, float | None], judged_on: _JudgedOn, passes: int
) -> dict[str, Any]:
    """The choice, as ``strength`` of ``metrics.json``."""
    return {
        "chosen": decision.choice.point.strength,
        "budget": requested,
        **_limits(decision),
        **judged_on.metrics,
        "passes": passes,
        **_curves(decision),
        SELECTED: ["weights", "strength"],
    }


def _limits(decision: Decision) -> dict[str, Any]:
    whole, plausible, choice = decision.budgets.whole, decision.budgets.plausible, decision.choice
    intervals = decision.budgets.intervals(choice.point)
    return {
        **{f"{name}_interval": list(interval) for name, interval in intervals.items()},
        "allowed": {"retention": whole.lost, "contrast": whole.false_positives},
        "plausible": {"retention": plausible.lost, "contrast": plausible.false_positives},
        "kept": choice.kept,
        "plausibly_kept": choice.plausible,
    }


def _curves(decision: Decision) -> dict[str, Any]:
    taken = [one for one in decision.points if one.candidate == decision.choice.point.candidate]

    def row(point: StrengthPoint) -> dict[str, Any]:
        return {"strength": point.strength, "measured": point.measured, **point.metrics}

    return {
        "curve": [row(decision.frozen), *map(row, taken)],
        "grid": [{"candidate": point.candidate, **row(point)} for point in decision.points],
    }


def _forgetting_images(before: Evaluation, held_out_kind: str, budget: float | None) -> str | None:
    """Which images forgetting is measured on, in words; None where there are none."""
    if before.retention is not None:
        count = len(before.retention)
        if not before.retention.labelled:
            return f"{counted(count, 'old image')} (estimated)"
        coarse = f" (too few for it: one is {1 / count:.3f})" if budget and 1 / count > budget else ""
        return f"{counted(count, 'old image')}{coarse}"
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
