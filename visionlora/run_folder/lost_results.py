"""What a run has written and lacks by now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from visionlora.errors import MachineFault

TENSORS = "adapter/adapter_model.safetensors"
RESULTS = ("adapter/adapter_config.json", TENSORS, "metrics.json", "report.html")


def lost_results(run: Path) -> Iterator[tuple[str, str]]:
    """Files of a finished run that are gone or damaged, and which of the two."""
    for name in RESULTS:
        if not (run / name).is_file():
            yield name, "is gone"
        elif name == TENSORS:
            try:
                with safe_open(run / name, "numpy"):
                    pass
            except (SafetensorError, OSError):
                yield name, "is damaged"


def made_again(run: Path, last_step: int | None) -> Iterator[str]:
    """What a finished run has lost, and how it gets it back: from its checkpoint, if there is one."""
    how = "the results are made again from the last checkpoint"
    if last_step is None:
        how = "there is no checkpoint to make it from, so the run trains again from the start"
    for name, state in lost_results(run):
        yield f"{run / name} {state}: {how}"


def was_removed(run: Path) -> MachineFault:
    """The error of a run whose folder somebody has removed or moved."""
    return MachineFault(f"{run} was removed while the run was writing into it; start the run again")
