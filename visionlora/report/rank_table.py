"""The table of an adapter's rank curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from visionlora.plain_table import plain_table
from visionlora.report.intervals import shown_share
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.text import for_terminal, percent

MOST_LAYERS = 5
"""Layers that are named: those that need the highest rank."""


def rank_curve_table(curve: Mapping[str, Any]) -> RenderableType:
    """What is left of an update at each rank, one row a rank, and the smallest ranks that keep enough.

    Args:
        curve: ``rank_curve`` of an evaluation.
    """
    share, smallest = curve["share"], curve["smallest_rank"]
    found = f"rank {smallest}"
    if smallest == NOT_MEASURED:
        found = f"{NOT_MEASURED}: the update adds nothing to top-1"
    title = f"the update cut to a rank; the smallest that keeps {percent(share)} of what was learned: {found}"
    table = plain_table()
    for name in ("rank", "energy", "top-1", "of what was learned", "old top-1 lost"):
        table.add_column(name, justify="right")
    for point in curve["curve"]:
        lost, kept = point["lost"], point["kept"]
        table.add_row(
            str(point["rank"]),
            percent(point["energy"], 1),
            shown_share(point["top1"]),
            kept if isinstance(kept, str) else percent(kept),
            lost if isinstance(lost, str) else f"{lost:+.3f}",
        )
    return Group(Text(title, style="italic"), table, Text(_layers(curve), style="dim italic"))


def _layers(curve: Mapping[str, Any]) -> str:
    layers = curve["layers"]
    if not layers:
        return "no weight has an update"
    ranks = sorted(one["smallest_rank"] for one in layers.values())
    most = sorted(layers, key=lambda name: -layers[name]["smallest_rank"])[:MOST_LAYERS]
    named = ", ".join(f"{for_terminal(name)} {layers[name]['smallest_rank']}" for name in most)
    return (
        f"the smallest that keeps {percent(curve['share'])} of the energy (squared norm): rank "
        f"{curve['smallest_rank_by_energy']} in all layers together, {ranks[0]} to {ranks[-1]} by layer "
        f"(most: {named})"
    )
