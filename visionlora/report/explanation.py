"""The table of ``visionlora explain``: how each layer of a network is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from visionlora.plain_table import plain_table
from visionlora.text import counted, printable


def explanation_table(explanation: Mapping[str, Any]) -> Table:
    """One row per adapted layer: its shape, the implementation in use, and the times of all candidates.

    Args:
        explanation: the content of ``visionlora explain output=NAME.json``.
    """
    table = plain_table(escape(_title(explanation)))
    table.caption = escape(_totals(explanation))
    for name in (
        "layer", "kind", "input", "rank", "trained", "batch norm", "forward, ms", "weight gradient, ms",
    ):  # fmt: skip
        table.add_column(name, justify="right" if name in ("rank", "trained") else "left", overflow="fold")
    for layer in explanation["layers"]:
        table.add_row(
            Text(printable(layer["name"])),
            layer["kind"],
            _input(layer),
            str(layer["rank"] or "none") if layer["parameters"] else "frozen",
            f"{layer['parameters']:,}",
            Text(f"{printable(layer['folded'])} (folded)" if layer["folded"] else ""),
            _candidates(layer["product"]),
            _candidates(layer["gradient"]),
        )
    return table


def _title(explanation: Mapping[str, Any]) -> str:
    shape = " x ".join(map(str, explanation["input"]))
    return f"{explanation['model']}: images {shape}, {explanation['precision']}, {explanation['device']}"


def _totals(explanation: Mapping[str, Any]) -> str:
    norms, parameters = explanation["batch_norms"], explanation["parameters"]
    adapted = sum(layer["parameters"] > 0 for layer in explanation["layers"])
    return (
        f"{counted(adapted, 'adapted layer')}, {parameters['trainable']:,} of {parameters['total']:,} "
        f"parameters trained; {norms['folded']} of {norms['all']} batch norms folded; forward and backward "
        f"{1000 * explanation['step_s']:.1f} ms, of that in timed implementations "
        f"{1000 * explanation['timed_s']:.1f} ms{_frozen_part(explanation.get('frozen_below'))}"
    )


def _frozen_part(frozen: Mapping[str, Any] | None) -> str:
    if not frozen:
        return ""
    return f"; {counted(frozen['layers'], 'layer')} below {frozen['layer']} can be cached (cache.features)"


def _input(layer: Mapping[str, Any]) -> str:
    if not layer["calls"]:
        return "weight read, layer not called"
    shape = " x ".join(map(str, layer["input"]))
    return shape if layer["calls"] == 1 else f"{shape}, {layer['calls']} calls"


def _candidates(decision: Mapping[str, Any] | None) -> str:
    if decision is None:
        return "-"
    chosen, seconds = decision["implementation"], decision["seconds"]
    if not seconds:
        return f"[bold]{chosen}[/bold] (not timed)"
    others = sorted((taken, name) for name, taken in seconds.items() if name != chosen)
    rest = "".join(f", {name} {1000 * taken:.2f}" for taken, name in others)
    return f"[bold]{chosen} {1000 * seconds[chosen]:.2f}[/bold]{rest}"
