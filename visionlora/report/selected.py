"""Which figures of a run are on images that chose something in it, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visionlora.report.learned import learned_in_comparison
from visionlora.report.metrics_file import SELECTED
from visionlora.text import in_words

_TRAINED = "trained on"
"""The entry of images that a run was trained on, beside what they chose."""


def selected_words(metrics: Mapping[str, Any]) -> str:
    """What the images of the starred figures have chosen; empty: nothing."""
    return selected_clause(_chosen(metrics["after"], metrics["retention"], metrics["contrast"]))


def selected_clause(chosen: Sequence[str]) -> str:
    """What images have chosen, as it stands beside their figures; empty: nothing."""
    others = [one for one in chosen if one != _TRAINED]
    words = f"selected on these images: {', '.join(others)}" if others else ""
    if _TRAINED not in chosen:
        return words
    return "trained on these images" + (f", and {words}" if words else "")


def selected_of_runs(runs: Sequence[Mapping[str, Any]]) -> str:
    """What the images of several runs' figures have chosen in them, as a clause; empty: nothing."""
    chosen = _chosen(
        *({SELECTED: learned_in_comparison(one).selected} for one in runs),
        *(one[part] for one in runs for part in ("retention", "contrast")),
    )
    trained, others = _TRAINED in chosen, [one for one in chosen if one != _TRAINED]
    also = ["some runs were trained on"] if trained else []
    if others:
        also.append(f"{'also ' if trained else ''}chose their run's {in_words(others)}")
    return f"the figures are on images that {' and that '.join(also)}" if also else ""


def _chosen(*sections: Mapping[str, Any] | str) -> list[str]:
    chosen = [one for section in sections if isinstance(section, Mapping) for one in section[SELECTED]]
    return list(dict.fromkeys(chosen))
