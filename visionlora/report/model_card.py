"""The adapter directory's README: what it is, what it was measured to do, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionlora.report.metrics_file import NOT_MEASURED

MOST = 10
"""The card names at most so many old classes that suffered; ``metrics.json`` has more."""

TAKEN = {
    "average": "the average over the second half of training",
    "best": "the training's best moment by `val/objective`",
    "last": "as they were when training was interrupted",
}


def model_card(metrics: Mapping[str, Any], lora: Mapping[str, Any]) -> str:
    """Markdown with YAML front matter.

    Accuracies stand with their 95 % Wilson intervals.

    Args:
        metrics: the content of the run's ``metrics.json``.
        lora: the fields of the ``LoraConfig``.
    """
    used, classes = metrics["model"]["used"], metrics["classes"]
    lines = [
        "---",
        "library_name: visionlora",
        "tags: [lora, image-classification, torchvision]",
        f"base_model: {used}",
        "---",
        "",
        f"# LoRA adapter for {used}: {_few(classes)}",
        "",
        f"- network: torchvision `{used}`, weights `{metrics['model']['weights']}`",
        f"- classes: {_few(classes, 20)}",
        f"- head: `{metrics['head']}`",
        f"- rank {lora['rank']}, alpha {lora['alpha']:g}, targets `{', '.join(lora['targets'])}`",
        f"- {metrics['parameters']['trainable']:,} of {metrics['parameters']['total']:,} parameters trained "
        f"in {metrics['steps']} steps on {metrics['pictures']['train']} images, seed {metrics['seed']}",
        f"- the weights are {TAKEN[metrics['candidates']['taken']]}",
        "",
        "## Measured",
        "",
        "| images | figure | before | after |",
        "| --- | --- | --- | --- |",
        *_figures(metrics),
        "",
        _strength(metrics["strength"]),
        "",
        changes_markdown(metrics["retention"], MOST),
        *[f"\n> {notice}" for notice in metrics["notices"] if "FALLS BACK" in notice],
        "",
        "## Use",
        "",
        "```sh",
        "python -m visionlora.predict adapter=THIS_DIRECTORY images=IMAGES",
        "```",
        "",
        "```python",
        "from visionlora import load",
        'network = load("THIS_DIRECTORY")',
        "```",
        "",
        *_peft(metrics),
        "The training images and the base weights have licences of their own; this card grants none.",
        "",
    ]
    return "\n".join(lines)


def changes_markdown(retention: Mapping[str, Any] | str, most: int | None = None) -> str:
    """The old classes that suffered, the worst first (``most`` of them), as a Markdown table."""
    if isinstance(retention, str):
        return f"Which old classes suffered: {retention}."
    changes = retention["changes"]
    if not changes["classes"]:
        return f"Of {retention['pictures']} old images none is wrong that was right."
    lines = [
        f"Of {retention['pictures']} old images {changes['forgotten']} were forgotten "
        f"({changes['forgotten_for_a_trained_name']} of them for a trained name), "
        f"{changes['gained']} gained.",
        "",
        "| old class | images | before | after | called now |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in changes["classes"][:most]:
        names = ", ".join(f"{name} ({times})" for name, times in one["now"].items())
        before, after = _share(one, "before/top1"), _share(one, "after/top1")
        lines.append(f"| {one['class']} | {one['pictures']} | {before} | {after} | {names} |")
    return "\n".join(lines)


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    before, after = metrics["before"], metrics["after"]
    rows = [
        f"| {metrics['pictures']['val']} new | {name} | {_share(before, key)} | {_share(after, key)} |"
        for name, key in (("top-1", "val/top1"), ("top-5", "val/top5"), ("loss", "val/loss"))
    ]
    retention, contrast = metrics["retention"], metrics["contrast"]
    if retention == NOT_MEASURED:
        rows.append(f"| old (retention) | top-1 | {NOT_MEASURED} | {NOT_MEASURED} |")
    else:
        rows += _retention(retention)
    if contrast == NOT_MEASURED:
        rows.append(f"| other things (contrast) | called by a new name | {NOT_MEASURED} | {NOT_MEASURED} |")
    else:
        first, last = (_share(contrast, f"{when}/false_positive_rate") for when in ("before", "after"))
        name = f"{contrast['pictures']} other things (contrast)"
        rows.append(f"| {name} | called by a new name | {first} | {last} |")
    return rows


def _retention(retention: Mapping[str, Any]) -> list[str]:
    kind = f"{retention['pictures']} old (retention)"
    rows = []
    if retention["labelled"]:
        first, last = (_share(retention, f"{when}/top1") for when in ("before", "after"))
        rows.append(f"| {kind} | top-1 | {first} | {last} |")
    else:
        rows.append(f"| {kind} | top-1 lost, estimated | | {retention['lost']:.3f} |")
    return [*rows, f"| {kind} | same answer as before | | {_share(retention, 'agreement')} |"]


def _share(figures: Mapping[str, Any], key: str) -> str:
    """A figure, and its 95 % interval where it has one."""
    interval = figures.get(f"{key}_interval")
    return f"{figures[key]:.3f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def _strength(strength: Mapping[str, Any]) -> str:
    if not strength["curve"]:
        return f"The adapter is applied at the strength it was trained at: {strength['reason']}."
    point = next(one for one in strength["curve"] if one["strength"] == strength["chosen"])
    price = [f"{point['lost']:.3f} of top-1 lost on {strength['judged_on']}"] if "lost" in point else []
    if "contrast/false_positive_rate" in point:
        rate = point["contrast/false_positive_rate"]
        price.append(f"{rate:.3f} of {strength['called_on']} called by a new name")
    budgets = _budgets(strength["budget"])
    found = (
        f"is the largest one inside `{budgets}` that no smaller one beats"
        if strength["kept"]
        else f"DOES NOT keep `{budgets}`, inside which too little is learned"
    )
    return (
        f"Alpha is what was trained with times the strength {strength['chosen']:g}, which {found}: "
        f"{', '.join(price)}."
    )


def _budgets(budgets: Mapping[str, float | None]) -> str:
    """The budgets that a strength was chosen by: "retention.budget=0.01, contrast.budget=0.05"."""
    return ", ".join(f"{kind}.budget={most:g}" for kind, most in budgets.items() if most is not None)


def _peft(metrics: Mapping[str, Any]) -> list[str]:
    if metrics["head"] != "keep" or metrics["model"]["used"] == "pocket":
        return []
    used = metrics["model"]["used"]
    return [
        "The format is PEFT's. For networks without grouped convolutions it loads there too:",
        "",
        "```python",
        "import peft, torchvision",
        f'network = torchvision.models.get_model("{used}", weights="DEFAULT")',
        'network = peft.PeftModel.from_pretrained(network, "THIS_DIRECTORY")',
        "```",
        "",
    ]


def _few(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
