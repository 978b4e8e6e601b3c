"""``lora.rank=auto`` and ``lora.alpha=auto``. Needs no torch, so that ``--help`` is quick."""

from __future__ import annotations

from dataclasses import replace

from visionlora.adapters.config import LoraConfig
from visionlora.adapters.learned_start import is_learned
from visionlora.adapters.patterns import exactly, matches
from visionlora.adapters.settings import AUTO

MANY_CLASSES = 16
"""Classes from which on a run counts as one of many. Each then has the others as negatives, and there is so
much to learn that a higher rank learns more and forgets less (docs/forgetting.md)."""
RANK = 8
RANK_OF_MANY = 16
RANK_OF_LAST = 64
"""The highest rank of the last layer. Each class needs a direction of its own there: with 16 for 142 classes
0.82 was learned, with 64 and the same weights 0.92, and no more forgotten (docs/forgetting.md)."""

CHOSEN = ("rank", "alpha", "rank_pattern", "alpha_pattern")
"""The settings that :func:`with_rank` may change."""


def with_rank(lora: LoraConfig, head: str, classes: int, several: bool, last: str | None) -> LoraConfig:
    """The adapters with the numbers that ``auto`` stands for.

    The rank is that of a learned start where there is one. Else it is 8, but where LoRA alone, without
    restarts, learns many classes of which an image has one, and the old outputs stay. There the last layer's
    is the number of classes, at most 64; where that layer has no adapter, and where its new rows are trained
    whole, each layer's is 16. Alpha is the rank, also in the layers of ``rank_pattern``, so that the update
    is B A.

    Args:
        lora: the adapters; rank and alpha may be ``auto``.
        head: ``keep``, ``extend`` or ``new``.
        classes: how many are trained.
        several: whether an image may have several of them.
        last: the layer that computes the logits, if it has an adapter.

    Raises:
        visionlora.adapters.LoraError: the learned start can't be read.
    """
    rank, alpha, ranks = lora.rank, lora.alpha, dict(lora.rank_pattern)
    if is_learned(lora.init) and AUTO in (rank, alpha):
        from visionlora.adapters.io.peft_config import read_adapter_config

        start = read_adapter_config(lora.init)
        rank = start["r"] if rank == AUTO else rank
        alpha = start["lora_alpha"] if alpha == AUTO else alpha
    if rank == AUTO:
        plain = lora.families == ("lora",) and lora.restart_every is None
        many = plain and classes >= MANY_CLASSES and not several and head != "new"
        rank = RANK
        adapted = last if head == "keep" else None
        if many and adapted is None:
            rank = RANK_OF_MANY
        elif many and adapted is not None and not any(matches(pattern, adapted) for pattern in ranks):
            ranks[exactly(adapted)] = min(classes, RANK_OF_LAST)
    if alpha != AUTO:
        return replace(lora, rank=rank, alpha=alpha, rank_pattern=ranks)
    own = lora.alpha_pattern  # comes first: the first match counts
    patterns = {**own, **{name: float(one) for name, one in ranks.items() if name not in own}}
    return replace(lora, rank=rank, alpha=float(rank), rank_pattern=ranks, alpha_pattern=patterns)


def describe_rank(asked: LoraConfig, chosen: LoraConfig) -> str | None:
    """The ranks that many classes have, in words; None: none was chosen for that reason.

    Args:
        asked: the adapters before :func:`with_rank`.
        chosen: and after it.
    """
    if asked.rank != AUTO or is_learned(asked.init):
        return None
    reason = f"{MANY_CLASSES} classes or more (lora.rank=auto)"
    for name, rank in chosen.rank_pattern.items():
        if name not in asked.rank_pattern:
            return f"adapters have rank {chosen.rank}, that of the last layer {rank}: {reason}"
    return f"adapters have rank {chosen.rank}: {reason}" if chosen.rank == RANK_OF_MANY else None
