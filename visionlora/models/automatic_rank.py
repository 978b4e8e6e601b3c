"""``lora.rank=auto`` and ``lora.alpha=auto``. Needs no torch, so that ``--help`` is quick."""

from __future__ import annotations

from dataclasses import replace

from visionlora.adapters.config import LoraConfig
from visionlora.adapters.learned_start import is_learned
from visionlora.adapters.settings import AUTO

MANY_CLASSES = 16
"""Classes from which on a run counts as one of many. Each then has the others as negatives, and there is so
much to learn that a higher rank learns more and forgets less (docs/forgetting.md)."""
RANK = 8
RANK_OF_MANY = 16


def with_rank(lora: LoraConfig, head: str, classes: int, several: bool) -> LoraConfig:
    """The adapters with the numbers that ``auto`` stands for.

    The rank is that of a learned start where there is one. Else it is 8, and 16 where LoRA alone, without
    restarts, learns many classes of which an image has one, and the old outputs stay: there it was measured.
    Alpha is the rank, also in the layers of ``rank_pattern``, so that the update is B A.

    Args:
        lora: the adapters; rank and alpha may be ``auto``.
        head: ``keep``, ``extend`` or ``new``.
        classes: how many are trained.
        several: whether an image may have several of them.

    Raises:
        visionlora.adapters.LoraError: the learned start can't be read.
    """
    rank, alpha = lora.rank, lora.alpha
    if is_learned(lora.init) and AUTO in (rank, alpha):
        from visionlora.adapters.io.peft_config import read_adapter_config

        start = read_adapter_config(lora.init)
        rank = start["r"] if rank == AUTO else rank
        alpha = start["lora_alpha"] if alpha == AUTO else alpha
    if rank == AUTO:
        plain = lora.families == ("lora",) and lora.restart_every is None
        many = classes >= MANY_CLASSES and not several and head != "new"
        rank = RANK_OF_MANY if plain and many else RANK
    if alpha != AUTO:
        return replace(lora, rank=rank, alpha=alpha)
    own = lora.alpha_pattern  # comes first: the first match counts
    patterns = {**own, **{name: float(one) for name, one in lora.rank_pattern.items() if name not in own}}
    return replace(lora, rank=rank, alpha=float(rank), alpha_pattern=patterns)
