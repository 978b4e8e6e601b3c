"""How a network is computed, layer by layer, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table


def explanation_table(explanation: Mapping[str, Any]) -> Table:
    """A row a layer that is computed by a choice: what it is, and the way that each half of it takes, with
    all that were timed.

    Args:
        explanation: what ``visionlora explain output=NAME.json`` writes.
    """
    table = Table(
        title=_title(explanation), title_justify="left", caption=_totals(explanation), header_style="bold"
    )
    for name in ("layer", "kind", "input", "rank", "trained", "batch norm", "product, ms", "gradient, ms"):
        table.add_column(name, justify="right" if name in ("rank", "trained") else "left", overflow="fold")
    for layer in explanation["layers"]:
        table.add_row(
            escape(layer["name"]),
            layer["kind"],
            _input(layer),
            str(layer["rank"] or "frozen"),
            f"{layer['parameters']:,}",
            f"{escape(layer['folded'])} (folded)" if layer["folded"] else "",
            _ways(layer["product"]),
            _ways(layer["gradient"]),
        )
    return table


def _title(explanation: Mapping[str, Any]) -> str:
    step = " x ".join(map(str, explanation["input"]))
    return f"{explanation['model']}: images {step}, {explanation['precision']}, {explanation['device']}"


def _totals(explanation: Mapping[str, Any]) -> str:
    norms, parameters = explanation["batch_norms"], explanation["parameters"]
    adapted = sum(layer["rank"] > 0 for layer in explanation["layers"])
    return (
        f"{adapted} adapted layers, {parameters['trainable']:,} of "
        f"{parameters['total']:,} parameters trained; {norms['folded']} of {norms['all']} batch norms "
        f"folded; forward and backward {1000 * explanation['step_s']:.1f} ms, of that the ways that were "
        f"timed {1000 * explanation['ways_s']:.1f} ms{_below(explanation.get('frozen_below'))}"
    )


def _below(frozen: Mapping[str, Any] | None) -> str:
    if not frozen:
        return ""
    return f"; the {frozen['layers']} layers below {frozen['layer']} can be computed once (cache.features)"


def _input(layer: Mapping[str, Any]) -> str:
    if not layer["calls"]:
        return "weight read, layer not called"
    shape = " x ".join(map(str, layer["input"]))
    return shape if layer["calls"] == 1 else f"{shape}, {layer['calls']} calls"


def _ways(decision: Mapping[str, Any] | None) -> str:
    if decision is None:
        return "-"
    way, seconds = decision["implementation"], decision["seconds"]
    if not seconds:
        return f"[bold]{way}[/bold] (not timed)"
    others = sorted((taken, name) for name, taken in seconds.items() if name != way)
    rest = "".join(f", {name} {1000 * taken:.2f}" for taken, name in others)
    return f"[bold]{way} {1000 * seconds[way]:.2f}[/bold]{rest}"
