"""The YAML header of a model card, as a hub reads it: written here, and read again for the gallery.

``model-index`` is Hugging Face's format of evaluation results
(https://github.com/huggingface/hub-docs/blob/main/modelcard.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from visionlora.report.learned import learned, number
from visionlora.report.metrics_file import has_several_labels
from visionlora.text import printable

POCKET = "pocket"
MOST_BYTES = 2**20
"""Of a card that is read."""
MOST_NAMES = 20
"""Class names in the header."""

_RESULTS = {
    "learned": ("new images", "accuracy", "top-1"),
    "forgotten": ("old images", "forgotten", "top-1 lost"),
    "false_positives": ("other images", "false_positive_rate", "false-positive rate"),
}
"""figure -> (data set, type of the metric, its name)."""
_ALSO = {"learned": ("mean_average_precision",)}
"""figure -> its type where an image may have several labels."""


def figures_of_run(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's ``metrics.json`` says, in three figures; None: not measured.

    Returns:
        ``learned``: top-1 (mean average precision), as :func:`visionlora.report.learned.learned`;
        ``forgotten``: top-1 lost on old images, measured or estimated; ``false_positives``: their rate;
        ``selected``: whether the images that give ``learned`` chose something.
    """
    retention, contrast, new = metrics["retention"], metrics["contrast"], learned(metrics)
    return {
        "learned": new.after,
        "forgotten": None if isinstance(retention, str) else number(retention["lost"]),
        "false_positives": (
            None if isinstance(contrast, str) else number(contrast["after/false_positive_rate"])
        ),
        "selected": bool(new.selected),
    }


def images_of_run(metrics: Mapping[str, Any]) -> dict[str, int]:
    """How many images the three figures of :func:`figures_of_run` are measured on; 0: not measured."""
    parts = {"forgotten": metrics["retention"], "false_positives": metrics["contrast"]}
    return {
        "learned": learned(metrics).images,
        **{key: 0 if isinstance(one, str) else one["images"] for key, one in parts.items()},
    }


def card_header(metrics: Mapping[str, Any], lora: Mapping[str, Any], date: str) -> str:
    """The header, between its ``---`` lines.

    Args:
        metrics: the content of the run's ``metrics.json``.
        lora: the fields of the ``LoraConfig``.
        date: of the run, as 2026-11-26.
    """
    used = metrics["model"]["used"]
    tags = ["lora", "image-classification", *([] if used == POCKET else ["torchvision"])]
    if used.startswith("timm/"):
        tags[-1] = "timm"
    names = [printable(name) for name in metrics["classes"]]
    header: dict[str, Any] = {
        "library_name": "visionlora",
        "license": "unknown",
        "pipeline_tag": "image-classification",
        "tags": tags,
        # base_model names a published model, which pocket and a user's own code are not.
        **({} if used == POCKET or ":" in used else {"base_model": used}),
        "date": date,
        "adapter": {"network": used, "family": lora["family"], "rank": lora["rank"], "classes": len(names)},
        "model-index": [{"name": f"{used}: {', '.join(names[:MOST_NAMES])}", "results": _results(metrics)}],
    }
    text = yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=110)
    return f"---\n{text}---"


def _results(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    results, figures = [], figures_of_run(metrics)
    for key, (images, kind, name) in _RESULTS.items():
        if key == "learned" and has_several_labels(metrics):
            kind, name = "mean_average_precision", "mean average precision"
        if figures[key] is None:
            continue
        selected = " (selected on these images)" if key == "learned" and figures["selected"] else ""
        results.append(
            {
                "task": {"type": "image-classification"},
                "dataset": {"name": f"{images}{selected}", "type": "imagefolder"},
                "metrics": [{"type": kind, "name": name, "value": round(figures[key], 4)}],
            }
        )
    return results


def read_header(card: Path) -> dict[str, Any]:
    """What a card's header says, {} where there is none that can be read."""
    if not card.is_file():  # a pipe would be waited for
        return {}
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MOST_BYTES)
        start, _, rest = text.partition("---\n")
        header = yaml.safe_load(rest.partition("\n---")[0]) if not start.strip() else None
    except (OSError, yaml.YAMLError, RecursionError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}


def figures_in(header: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a header, as :func:`figures_of_run` has them; of an untrusted one too."""
    found: dict[str, Any] = {**dict.fromkeys(_RESULTS), "selected": False}
    for result in _list(_first(header.get("model-index")).get("results")):
        data_set = _dict(_dict(result).get("dataset")).get("name")
        for metric in _list(_dict(result).get("metrics")):
            kind, value = _dict(metric).get("type"), number(_dict(metric).get("value"))
            for key, (images, wanted, _) in _RESULTS.items():
                if (
                    kind in (wanted, *_ALSO.get(key, ()))
                    and isinstance(data_set, str)
                    and data_set.startswith(images)
                ):
                    found[key] = value
                    found["selected"] |= "selected on these images" in data_set
    return found


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: object) -> dict[str, Any]:
    return _dict(_list(value)[0]) if _list(value) else {}
