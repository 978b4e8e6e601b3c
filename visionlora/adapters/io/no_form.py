"""What to do where a file of another program has no place for what the adapters of a network do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from visionlora.adapters.errors import NoFormError
from visionlora.adapters.merging import is_mergeable
from visionlora.frozen.growth import growths


@contextmanager
def advised(model: nn.Module) -> Iterator[None]:
    """Inside, errors of this kind say what works on the network instead."""
    try:
        yield
    except NoFormError as error:
        merges = is_mergeable(model) and not growths(model)
        instead = "merge the adapters instead" if merges else "save_adapter writes all of it"
        error.args = (f"{error.reason}: {instead}.",)
        raise


def refuse_new_blocks(model: nn.Module, program: str) -> None:
    """Raises NoFormError where the network has new blocks, for which no file of this program has a place."""
    if growths(model):
        raise NoFormError(f"The network has new blocks (model.expand), which {program} has no place for")
