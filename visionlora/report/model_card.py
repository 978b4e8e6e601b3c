"""The adapter directory's README: what it is, what it was measured to do, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionlora.report.metrics_file import NOT_MEASURED


def model_card(metrics: Mapping[str, Any], lora: Mapping[str, Any]) -> str:
    """Markdown with YAML front matter.

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
        f"in {metrics['steps']} steps on {metrics['pictures']['train']} pictures, seed {metrics['seed']}",
        "",
        "## Measured",
        "",
        "| pictures | figure | before | after |",
        "| --- | --- | --- | --- |",
        *_figures(metrics),
        *[f"\n> {notice}" for notice in metrics["notices"] if "FALLS BACK" in notice],
        "",
        "## Use",
        "",
        "```sh",
        "python -m visionlora.predict adapter=THIS_DIRECTORY images=PICTURES",
        "```",
        "",
        "```python",
        "from visionlora import load",
        'network = load("THIS_DIRECTORY")',
        "```",
        "",
        *_peft(metrics),
        "The training pictures and the base weights have licences of their own; this card grants none.",
        "",
    ]
    return "\n".join(lines)


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    before, after = metrics["before"], metrics["after"]
    rows = [
        f"| {metrics['pictures']['val']} new | {name} | {before[key]:.3f} | {after[key]:.3f} |"
        for name, key in (("top-1", "val/top1"), ("top-5", "val/top5"), ("loss", "val/loss"))
    ]
    retention, contrast = metrics["retention"], metrics["contrast"]
    if retention == NOT_MEASURED:
        rows.append(f"| old (retention) | top-1 | {NOT_MEASURED} | {NOT_MEASURED} |")
    else:
        first, last = retention["before/top1"], retention["after/top1"]
        rows.append(f"| {retention['pictures']} old (retention) | top-1 | {first:.3f} | {last:.3f} |")
    if contrast == NOT_MEASURED:
        rows.append(f"| other things (contrast) | called by a new name | {NOT_MEASURED} | {NOT_MEASURED} |")
    else:
        first, last = contrast["before/false_positive_rate"], contrast["after/false_positive_rate"]
        name = f"{contrast['pictures']} other things (contrast)"
        rows.append(f"| {name} | called by a new name | {first:.3f} | {last:.3f} |")
    return rows


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
