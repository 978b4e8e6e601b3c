"""Small tasks, sampled from the classes of a folder: each a function of the seed and its number."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Task(NamedTuple):
    """Images by their places: those that a task's steps see, and others of the same classes."""

    support: tuple[int, ...]
    query: tuple[int, ...]


def held_out(classes: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """So many of the classes, a function of the seed and of each name, in alphabetical order."""

    def rank(name: str) -> str:
        return hashlib.sha256(f"held out/{seed}/{name}".encode()).hexdigest()

    return tuple(sorted(sorted(classes, key=rank)[:count]))


def sample_task(
    images: Mapping[str, Sequence[int]], classes: int, shots: int, seed: int, number: int | str
) -> Task:
    """One task.

    Args:
        images: the places of each class's images, more than ``shots`` of each.
        classes: in the task; all where there are fewer.
        shots: images of each class that the task's steps see.
        seed: of the whole run.
        number: of the task.
    """
    draw = random.Random(f"task/{seed}/{number}")
    support: list[int] = []
    query: list[int] = []
    for name in draw.sample(sorted(images), min(classes, len(images))):
        own = list(images[name])
        draw.shuffle(own)
        support += own[:shots]
        query += own[shots:]
    return Task(tuple(support), tuple(query))
