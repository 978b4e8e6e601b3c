"""The README.md of an adapter directory: what was trained, the figures, and how to load it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visionlora.report.card_metadata import POCKET, card_header
from visionlora.report.card_results import results_markdown, share
from visionlora.report.label_figures import label_figures, labels_markdown
from visionlora.report.markdown import code, escaped
from visionlora.report.metrics_file import has_several_labels
from visionlora.text import counted, percent, printable

MAX_CLASSES = 10
"""The card lists at most so many old classes with forgotten images; ``metrics.json`` has more."""

MAX_LABELS = 50
"""Labels that the card lists; ``labels.csv`` has all of them."""

WEIGHTS_TAKEN = {
    "average": "the average over the second half of training",
    "best": "the checkpoint with the best `val/objective`",
    "last": "those of the last step",
}


def model_card(
    metrics: Mapping[str, Any], lora: Mapping[str, Any], date: str, not_for_peft: str | None = None
) -> str:
    """Write the card: Markdown with YAML front matter.

    Accuracies have their 95 % Wilson intervals.

    Args:
        metrics: the content of the run's ``metrics.json``.
        lora: the fields of the ``LoraConfig``.
        date: of the run, as 2026-11-26.
        not_for_peft: why PEFT refuses the adapter; None: it loads it.
    """
    used, classes = metrics["model"]["used"], metrics["classes"]
    lines = [
        card_header(metrics, lora, date),
        "",
        f"# LoRA adapter for {used}: {_names(classes, 3)}",
        "",
        f"- network: {_network(metrics['model'])}",
        f"- classes: {_names(classes, 20)}",
        *_earlier(metrics.get("earlier")),
        f"- head: `{metrics['head']}`",
        f"- rank {lora['rank']}{_by_layer(lora['rank_pattern'])}, alpha {lora['alpha']:g}, targets "
        f"{code(', '.join(lora['targets']))}",
        f"- {metrics['parameters']['trainable']:,} of {metrics['parameters']['total']:,} parameters trained "
        f"in {counted(metrics['steps'], 'step')} on {counted(metrics['images']['train'], 'image')}, "
        f"seed {metrics['seed']}",
        f"- the adapter's weights are {_weights(metrics, lora)}",
        "",
        "## Results",
        "",
        *results_markdown(metrics),
        "",
        *_figures(metrics),
        *[f"\n> {escaped(notice)}" for notice in metrics["notices"] if "FALLS BACK" in notice],
        "",
        "## Use",
        "",
        "```sh",
        "visionlora predict adapter=THIS_DIRECTORY images=IMAGES",
        "```",
        "",
        "```python",
        "from visionlora import load",
        'load("THIS_DIRECTORY").predict(["IMAGE.jpg"])  # [[("class", probability)]]',
        "```",
        "",
        *_peft(metrics, not_for_peft),
        "The licence is not stated (`license: unknown`): set it before you share the adapter. The training "
        "images and the base weights have their own.",
        "",
    ]
    return "\n".join(lines)


def _by_layer(ranks: Mapping[str, int]) -> str:
    """The ranks of single layers, in brackets."""
    return f" ({', '.join(f'{code(name)}: {rank}' for name, rank in ranks.items())})" if ranks else ""


def _weights(metrics: Mapping[str, Any], lora: Mapping[str, Any]) -> str:
    """Which of the weights that training passed through the adapter has."""
    taken = metrics["candidates"]["taken"]
    halfway = taken == "average" and metrics["head"] == "new" and lora["restart_every"] is None
    return f"{'halfway between the start and ' if halfway else ''}{WEIGHTS_TAKEN[taken]}"


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    """The strength and what was forgotten; where an image may have several labels, the figures of each."""
    if not has_several_labels(metrics):
        return [_strength(metrics["strength"]), "", changes_markdown(metrics["retention"], MAX_CLASSES)]
    found = label_figures(metrics)
    words = "An image has every label whose probability (the sigmoid of its output) is above the threshold."
    return [words] if found is None else [words, "", labels_markdown(found, MAX_LABELS)]


def changes_markdown(retention: Mapping[str, Any] | str, most: int | None = None) -> str:
    """The old classes with forgotten images as a Markdown table, the worst first.

    Args:
        retention: from ``metrics.json``.
        most: number of classes to list; None lists all.
    """
    if isinstance(retention, str):
        return f"Forgotten classes: {retention}."
    changes = retention["changes"]
    if not changes["classes"]:
        return f"Of {retention['images']} old images none was forgotten."
    lines = [
        f"Of {retention['images']} old images {changes['forgotten']} "
        f"{'was' if changes['forgotten'] == 1 else 'were'} forgotten "
        f"({changes['forgotten_for_a_trained_name']} now predicted as a trained class), "
        f"{changes['gained']} gained.",
        "",
        "| old class | images | top-1 before | top-1 after | predicted now |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in changes["classes"][:most]:
        names = ", ".join(f"{escaped(name)} ({times})" for name, times in one["now"].items())
        before, after = share(one, "before/top1"), share(one, "after/top1")
        lines.append(f"| {escaped(one['class'])} | {one['images']} | {before} | {after} | {names} |")
    return "\n".join(lines)


def _network(model: Mapping[str, Any]) -> str:
    """The network and its weights in words."""
    used, weights = model["used"], model["weights"]
    name = f"torchvision {code(used)}"
    if used.startswith("timm/") or ":" in used:
        name = code(used)
    if used == POCKET:
        name = f"`{POCKET}`, the small SqueezeNet that ships with VisionLoRA"
    if weights == "imagenet":
        own = "trained on rendered images" if used == POCKET else "ImageNet weights"
        return f"{name}, {own}"
    return f"{name}, random weights" if weights == "none" else f"{name}, weights {code(weights)}"


def _earlier(earlier: Mapping[str, Any] | None) -> list[str]:
    """The classes of earlier runs, and what was kept of each."""
    if earlier is None:
        return []
    kept = [
        one["kept"] if isinstance(one["kept"], str) else percent(one["kept"]) for one in earlier["classes"]
    ]
    names = [escaped(one["class"]) for one in earlier["classes"]]
    words = ", ".join(f"{name} ({share})" for name, share in zip(names, kept, strict=True))
    return [f"- classes of earlier runs, and what is kept of their top-1: {words}"]


def _strength(strength: Mapping[str, Any]) -> str:
    if not strength["curve"]:
        return f"The adapter has the strength of training: {escaped(strength['reason'])}."
    point = next(one for one in strength["curve"] if one["strength"] == strength["chosen"])
    figures = [f"{point['lost']:.3f} of top-1 lost on {strength['judged_on']}"] if "lost" in point else []
    if "contrast/false_positive_rate" in point:
        rate = point["contrast/false_positive_rate"]
        figures.append(f"a false-positive rate of {rate:.3f} on {strength['called_on']}")
    budgets = _budgets(strength["budget"])
    choice = (
        f"has the highest top-1 on validation images within `{budgets}`"
        if strength["kept"]
        else f"EXCEEDS `{budgets}`, within which too little is learned"
    )
    if strength["plausibly_kept"] and not strength["kept"]:
        choice = f"is over `{budgets}` by less than so few images can show (95 % interval)"
    if "val/top1" not in point:
        kept = f"is the largest strength within `{budgets}`"
        choice = kept if strength["kept"] else f"EXCEEDS `{budgets}`, as every strength does"
    return (
        f"Alpha is the alpha of training times the strength {strength['chosen']:g}, which {choice}: "
        f"{', '.join(figures)}."
    )


def _budgets(budgets: Mapping[str, float | None]) -> str:
    """The budgets that limited the choice: "retention.budget=0.01, contrast.budget=0.05"."""
    return ", ".join(f"{kind}.budget={most:g}" for kind, most in budgets.items() if most is not None)


def _peft(metrics: Mapping[str, Any], refusal: str | None) -> list[str]:
    """Code that loads the adapter in PEFT with the base weights that it was trained on, or why not."""
    used, weights = metrics["model"]["used"], metrics["model"]["weights"]
    if used == POCKET or ":" in used or weights == "none":
        return []
    if metrics["head"] != "keep":
        words = "This adapter has outputs of its own, which PEFT's loading code does not make: merge it first"
        return [f"{words} (`visionlora merge adapter=THIS_DIRECTORY output=merged.safetensors`).", ""]
    if refusal is not None:
        command = "visionlora convert from=THIS_DIRECTORY to=peft output=FOLDER"
        return [f"PEFT refuses this adapter: {refusal}. `{command}` writes what it loads, where it can.", ""]
    library, call = "torchvision", f"torchvision.models.get_model({used!r}"
    if used.startswith("timm/"):
        library, call = "timm", f"timm.create_model({used.removeprefix('timm/')!r}"
    published = "pretrained=True" if library == "timm" else 'weights="DEFAULT"'
    load = [f"network = {call}, {published})"] if weights == "imagenet" else _from_file(call, weights)
    return [
        "The format is PEFT's. An adapter without grouped convolutions also loads there:",
        "",
        "```python",
        f"import peft, {library}",
        *load,
        'network = peft.PeftModel.from_pretrained(network.eval(), "THIS_DIRECTORY")',
        "```",
        "",
    ]


def _from_file(call: str, weights: str) -> list[str]:
    """Code that loads base weights from a file."""
    path = repr(printable(weights))
    if weights.endswith(".safetensors"):
        read = ["import safetensors.torch", f"state = safetensors.torch.load_file({path})"]
    else:
        read = ["import torch", f"state = torch.load({path}, weights_only=True)"]
    if weights.endswith(".safetensors") and "mnasnet" in call and call.startswith("torchvision"):
        # MNASNet refuses a state dict without its version, which safetensors files don't hold
        read = ["import collections", *read, "state = collections.OrderedDict(state)"]
        read.append('state._metadata = {"": {"version": 2}}')
    return [*read, f"network = {call})", "network.load_state_dict(state)"]


def _names(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(escaped, names[:most])) + more
