"""``kernels.json``: everything that a run decides by a timing, written when it is decided."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from visionlora.errors import VisionLoraError
from visionlora.files import read_json, replacing
from visionlora.kernels.autotune import recorded, replay
from visionlora.kernels.decisions import Decisions, parse
from visionlora.notices import Notices
from visionlora.processes import agreed


class TimedChoices:
    """The choices of a run.

    Args:
        path: of the file.
        replayed: those that are not made again.
        used: those that were used; others fill it, and :meth:`write` writes it.
    """

    def __init__(self, path: Path, replayed: Decisions, used: Decisions) -> None:
        self.path = path
        self.replayed = replayed
        self.used = used
        self._written = -1

    def choose(self, what: str, candidates: Sequence[str], time: Callable[[], str]) -> str:
        """One of the candidates: the replayed one, or what ``time`` finds to be the fastest."""
        known = self.replayed.get(what, {"implementation": "", "seconds": {}})["implementation"]
        name = agreed(known if known in candidates else time())
        self.used[what] = {"implementation": name, "seconds": {}}
        self.write()
        return name

    def write(self) -> None:
        """Write the file if something was chosen since the last time."""
        if len(self.used) == self._written:
            return
        with replacing(self.path) as beside:
            beside.write_text(json.dumps({**self.replayed, **self.used}, indent=1, sort_keys=True))
        self._written = len(self.used)


@contextmanager
def timed_choices(path: Path, kernel: str, notices: Notices) -> Iterator[TimedChoices]:
    """Inside, layers are computed as ``trainer.kernel`` demands, and what is chosen is recorded.

    Args:
        path: the run's kernels.json; where it exists, its choices are replayed.
        kernel: a word, an implementation's name, or the path of another run's kernels.json, to be replayed.
        notices: told where a choice is missing in that one.

    Raises:
        VisionLoraError: a kernels.json is damaged.
    """
    other = Path(kernel) if kernel.lower().endswith(".json") else None
    source = path if path.exists() else other
    replayed = {} if source is None else read_kernels(source)
    with replay(replayed, "rule" if other else kernel) as missing, recorded() as used:
        choices = TimedChoices(path, replayed, used)
        choices.write()
        yield choices
        choices.write()
    if other and missing:
        first = f"{len(missing)} of the layers, first: {missing[0]}"
        notices.warn(f"trainer.kernel: {other} has no choice for {first}; there the rule chose")


def read_kernels(path: Path) -> Decisions:
    """The decisions in a run's ``kernels.json``.

    Raises:
        VisionLoraError: it is no such file.
    """
    try:
        return parse(read_json(path))
    except ValueError as error:
        raise VisionLoraError(f"trainer.kernel: {path} is not a run's kernels.json: {error}") from error
