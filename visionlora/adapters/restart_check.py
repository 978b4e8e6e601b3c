"""What ReLoRA's settings go together with. Needs no torch, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from visionlora.adapters.errors import LoraError
from visionlora.text import brief


def check_restarts(
    families: Sequence[str], dropout: float, bias: str, init: str, every: object, rank: object
) -> None:
    """Raises LoraError where `restart_every` or `restart_rank` is refused.

    Args:
        families, dropout, bias, init: of the same configuration.
        every, rank: the two settings.
    """
    for key, value in (("restart_every", every), ("restart_rank", rank)):
        whole = isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1
        if value is not None and not whole:
            raise LoraError(f"{key} is {brief(value)}: give a whole number of at least 1, or none.")
    if every is None:
        if rank is not None:
            raise LoraError("restart_rank cuts the sum of restarts: set restart_every too.")
        return
    if tuple(families) != ("lora",):
        named = ", ".join(families)
        raise LoraError(f"restart_every adds up B @ A of LoRA and not {named}: use family=lora alone.")
    if dropout:
        raise LoraError("restart_every does not go with dropout, which acts on B @ A only: use dropout=0.")
    if bias != "none":
        raise LoraError(f"restart_every adds up B @ A and no biases (bias={bias}): use bias=none.")
    if init not in ("auto", "default", "gaussian", "contrastive"):
        raise LoraError(
            f"restart_every starts A anew each time, and init={init} gives only one start: use contrastive "
            "or default."
        )
