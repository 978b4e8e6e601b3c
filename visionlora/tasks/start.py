"""Where a new head starts."""

from __future__ import annotations

import torch

from visionlora.data import ImageDataset, ImageLoader
from visionlora.data.loading import augmented_views
from visionlora.models.adapted import AdaptedNetwork
from visionlora.models.head_start import start_head
from visionlora.notices import Notices
from visionlora.tasks.base import Task
from visionlora.text import counted

MOST_VIEWS = 8
"""Augmented views of each training image that a new head starts from."""
HEAD_INPUTS = 1024
"""Views of all images together; with more images than this each has one view."""


def start_new_head(
    adapted: AdaptedNetwork,
    train_loader: ImageLoader,
    dtype: torch.dtype | None,
    task: Task,
    notices: Notices,
) -> None:
    """Start a new head as a classifier of the frozen network's features; other heads stay as they are.

    Args:
        adapted: the network.
        train_loader: of the images to learn.
        dtype: that the network computes in; None: single precision.
        task: what is learned.
        notices: where the start is announced.
    """
    if adapted.head.kind != "new":
        return
    dataset = train_loader.dataset
    assert isinstance(dataset, ImageDataset)
    views = max(1, min(MOST_VIEWS, HEAD_INPUTS // len(dataset)))
    batches = augmented_views(dataset, views, train_loader.batch_size or 1)
    device = next(adapted.network.parameters()).device
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        logits, labels = start_head(adapted.network, adapted.head, batches, len(dataset), task.head_loss)
    notices.say(
        "the new head starts as a linear classifier of the frozen network's features: "
        f"{task.head_in_words(logits, labels)}, each in {counted(views, 'view')}"
    )
