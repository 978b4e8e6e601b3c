"""Labels as numbers: the output of an image's class, or those of all its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from visionlora.data.images.decode import ImageFile

UNLABELLED = -1
"""The output of an image that has no label."""

Target = int | tuple[int, ...]
"""The output of an image's class, or where images have any number of labels, those of all of them."""


def target_of(image: ImageFile, targets: Mapping[str, int] | None) -> Target:
    """The target of an image.

    Args:
        image: with or without labels.
        targets: class name -> output; None: nothing is known.

    Raises:
        KeyError: a label that ``targets`` lacks.
    """
    if targets is None or image.label is None:
        return UNLABELLED
    return targets[image.label] if image.labels is None else tuple(targets[name] for name in image.labels)


def labels_of(targets: Sequence[Target], outputs: int) -> Tensor:
    """The targets of a batch, int64 (B,); where images have any number of labels, float32 (B, outputs) of 0
    and 1."""
    if isinstance(targets[0], int):
        return torch.tensor(targets, dtype=torch.int64)
    labels = torch.zeros(len(targets), outputs)
    for row, own in enumerate(cast(Sequence[tuple[int, ...]], targets)):
        labels[row, list(own)] = 1
    return labels
