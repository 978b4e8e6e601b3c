"""Small charts as SVG inside a page, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from visionlora.report.classification_report import Bin
from visionlora.report.html import text
from visionlora.text import counted

WIDTH, HEIGHT = 440, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 40
TICKS = 4
"""Steps of an axis."""


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: in the legend.
        kind: the CSS class that colours it.
        points: (x, y); both as the axes have them.
        hollow: for each point whether it is drawn hollow.
    """

    name: str
    kind: str
    points: Sequence[tuple[float, float]]
    hollow: Sequence[bool] = ()


def line_chart(
    lines: Sequence[Line], x_name: str, highest: float, chosen: float, limit: float | None = None
) -> str:
    """Lines over x from 0 to 1, with a legend.

    Args:
        lines: at least one.
        x_name: of the x axis.
        highest: the end of the y axis, which starts at 0 or, where points are below, there.
        chosen: an x to mark.
        limit: a y to mark; None: none.
    """
    lowest, highest = _readable_axis(min(0.0, *(y for line in lines for _, y in line.points)), highest)
    parts = [_axes(x_name, lowest, highest)]
    x = _x(chosen)
    parts.append(f"<line class=chosen x1={x:.1f} x2={x:.1f} y1={TOP} y2={HEIGHT - BOTTOM} />")
    if limit is not None and limit <= highest:
        y = _y(limit, lowest, highest)
        parts.append(f"<line class=limit x1={LEFT} x2={WIDTH - RIGHT} y1={y:.1f} y2={y:.1f} />")
    for line in lines:
        places = [(_x(x), _y(y, lowest, highest)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f"<polyline class='line {line.kind}' points='{path}' />")
        hollow = line.hollow or [False] * len(places)
        parts += [
            f"<circle class='dot {line.kind}{' hollow' if open_ else ''}' cx={x:.1f} cy={y:.1f} r=3.5 />"
            for (x, y), open_ in zip(places, hollow, strict=True)
        ]
    legend = "".join(f"<span class='key {line.kind}'>{text(line.name)}</span>" for line in lines)
    limited = "<span class='key limit'>budget</span>" if limit is not None else ""
    return f"<figure class=chart>{_svg(parts)}<figcaption>{legend}{limited}</figcaption></figure>"


def reliability_chart(bins: Sequence[Bin]) -> str:
    """How often the network is right against how sure it is; on the diagonal both are equal."""
    most = max((one.images for one in bins), default=1)
    parts = [_axes("probability of the prediction", 0.0, 1.0)]
    parts.append(f"<line class=limit x1={_x(0)} x2={_x(1)} y1={_y(0, 0, 1)} y2={_y(1, 0, 1)} />")
    for one in bins:
        radius = 3 + 9 * (one.images / most) ** 0.5
        parts.append(
            f"<circle class='dot learned' cx={_x(one.confidence):.1f} cy={_y(one.correct, 0, 1):.1f} "
            f"r={radius:.1f}><title>{counted(one.images, 'image')}: {one.confidence:.2f} sure, "
            f"{one.correct:.2f} correct</title></circle>"
        )
    caption = "<span class='key learned'>share that is correct; larger: more images</span>"
    return f"<figure class=chart>{_svg(parts)}<figcaption>{caption}</figcaption></figure>"


def _svg(parts: Sequence[str]) -> str:
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img>{''.join(parts)}</svg>"


def _axes(x_name: str, lowest: float, highest: float) -> str:
    bottom = HEIGHT - BOTTOM
    parts = []
    for step in range(TICKS + 1):
        share = step / TICKS
        value = lowest + share * (highest - lowest)
        y, x = _y(value, lowest, highest), _x(share)
        parts.append(f"<line class=grid x1={LEFT} x2={WIDTH - RIGHT} y1={y:.1f} y2={y:.1f} />")
        parts.append(
            f"<text class=tick x={LEFT - 6} y={y + 4:.1f} text-anchor=end>{round(value, 9) + 0.0:.3g}</text>"
        )
        parts.append(f"<text class=tick x={x:.1f} y={bottom + 16} text-anchor=middle>{share:g}</text>")
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f"<text class=tick x={middle} y={HEIGHT - 6} text-anchor=middle>{text(x_name)}</text>")
    return "".join(parts)


def _readable_axis(lowest: float, highest: float) -> tuple[float, float]:
    """The ends of an axis that holds both values, with ticks at numbers of few digits, 0 among them."""
    step = (highest - lowest) / TICKS
    while True:
        step = _readable(step)
        start = step * math.floor(lowest / step + 1e-9)
        if start + TICKS * step >= highest - 1e-9 * step:
            return start, start + TICKS * step
        step *= 1.01


def _readable(step: float) -> float:
    """The step of an axis, made larger until it has few digits."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= step * (1 - 1e-9))


def _x(value: float) -> float:
    return LEFT + value * (WIDTH - LEFT - RIGHT)


def _y(value: float, lowest: float, highest: float) -> float:
    share = (value - lowest) / ((highest - lowest) or 1.0)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
