"""How much a run learned, on the images that report it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visionlora.report.metrics_file import SELECTED, learned_figure

CROSS_VALIDATED = "cross-validated"


@dataclass(frozen=True)
class Learned:
    """Top-1 of a run on new images, or mean average precision where they have several labels.

    Attributes:
        kind: of the images: ``test``, ``cross-validated`` or ``validation``.
        images: how many there are.
        before: of the frozen network; None: not measured.
        after: of the trained one, and for cross-validated images of the runs that did not learn them; None:
            not measured.
        loss: nats; None: not measured.
        selected: what the images chose.
    """

    kind: str
    images: int
    before: float | None
    after: float | None
    loss: float | None
    selected: Sequence[str]


def learned(metrics: Mapping[str, Any]) -> Learned:
    """What a run is judged by: its test images; without any, as :func:`learned_in_comparison`."""
    test, key = metrics["test"], learned_figure(metrics)[0]
    if isinstance(test["after"], str):
        return learned_in_comparison(metrics)
    before = None if isinstance(test["before"], str) else number(test["before"][key])
    after, loss = number(test["after"][key]), number(test["after"].get("loss"))
    return Learned("test", test["after"]["images"], before, after, loss, ())


def learned_in_comparison(metrics: Mapping[str, Any]) -> Learned:
    """What a run is chosen by among others. Test images choose nothing.

    That is cross-validation where the run has it (``data.folds``): its last run validates on the images that
    it was trained on. Otherwise it is the validation images.
    """
    key, after = f"val/{learned_figure(metrics)[0]}", metrics.get("folds", metrics["after"])
    kind = CROSS_VALIDATED if "folds" in metrics else "validation"
    before = number(metrics["before"].get(key))
    return Learned(
        kind,
        metrics["images"]["val"],
        before,
        number(after[key]),
        number(after.get("val/loss")),
        after[SELECTED],
    )


def number(value: object) -> float | None:
    """A finite number as one; None for anything else, in an untrusted file too."""
    # Neither NaN nor a whole number of 400 digits is below it.
    fits = (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    )
    return float(value) if fits else None  # type: ignore[arg-type]
