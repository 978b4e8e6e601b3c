"""Progress of work that takes long: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[int, int | None], None]
"""Called with (done, total); total is None where it is not known."""

PATIENCE_S = 1.0
"""Work that is done sooner shows no bar."""

LINE_EVERY_S = 10.0
"""Between two lines in a log file."""


@contextmanager
def progress(
    console: Console, what: str, unit: str = "images", clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """Show how far the block is; the bar is gone when it ends.

    Args:
        console: where.
        what: is done, in words.
        unit: what is counted.
        clock: gives seconds.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(what, total=None)
    started = last = clock()
    shown = False
    terminal = console.is_terminal  # looked up in the environment at each call

    def advance(done: int, total: int | None) -> None:
        nonlocal last, shown
        now = clock()
        if not terminal:
            if now - last >= LINE_EVERY_S:
                last = now
                of = "" if total is None else f" of {total:,}"
                console.print(Text(f"{what}: {done:,}{of} {unit}"))
            return
        bar.update(task, completed=done, total=total)
        if not shown and now - started >= PATIENCE_S:
            shown = True
            bar.start()

    try:
        yield advance
    finally:
        if shown:
            bar.stop()
