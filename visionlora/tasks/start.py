"""Where a new head starts."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from visionlora.data import ImageDataset, ImageLoader
from visionlora.data.loading.image_loader import Batch, augmented_views, chosen_images
from visionlora.models.adapted import AdaptedNetwork
from visionlora.models.head_start import LEAST_HELD_OUT, start_head
from visionlora.notices import Notices
from visionlora.tasks.base import Task
from visionlora.text import counted

MOST_VIEWS = 8
"""Augmented views of each training image that a new head starts from."""
HEAD_INPUTS = 1024
"""Views of all images together; with more images than this each has one view. At most as many images that
are held out choose the penalty."""


def start_new_head(
    adapted: AdaptedNetwork,
    train_loader: ImageLoader,
    validation_loader: ImageLoader | None,
    dtype: torch.dtype | None,
    task: Task,
    notices: Notices,
) -> None:
    """Start a new head as a classifier of the frozen network's features; other heads stay as they are.

    Args:
        adapted: the network.
        train_loader: of the images to learn.
        validation_loader: of the images that choose the regression's penalty; None: there are none.
        dtype: that the network computes in; None: single precision.
        task: what is learned.
        notices: where the start is announced.
    """
    if adapted.head.kind != "new":
        return
    dataset = train_loader.dataset
    assert isinstance(dataset, ImageDataset)
    views = max(1, min(MOST_VIEWS, HEAD_INPUTS // len(dataset)))
    batch_size = train_loader.batch_size or 1
    batches = augmented_views(dataset, views, batch_size)
    held_out = None if validation_loader is None else _held_out(validation_loader, dataset, batch_size)
    device = next(adapted.network.parameters()).device
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        start = start_head(adapted.network, adapted.head, batches, len(dataset), task.head_loss, held_out)
    chosen = "" if held_out is None else f"; validation images chose its penalty, {start.prior:g}"
    notices.say(
        "the new head starts as a linear classifier of the frozen network's features: "
        f"{task.head_in_words(start.logits, start.labels)} ({counted(views, 'view')} of each){chosen}"
    )


def _held_out(loader: ImageLoader, trained: ImageDataset, batch_size: int) -> Iterator[Batch] | None:
    """Validation images that are not trained on, from all over the list; None: too few to choose."""
    dataset = loader.dataset
    assert isinstance(dataset, ImageDataset)
    known = set(trained.images)
    indices = [index for index, image in enumerate(dataset.images) if image not in known]
    if len(indices) < LEAST_HELD_OUT:
        return None
    return chosen_images(dataset, indices[:: -(-len(indices) // HEAD_INPUTS)], batch_size)
