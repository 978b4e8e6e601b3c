"""Batches of labelled images: the same for the same seed, in any process and wherever a run stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from visionlora.data.images.augment import Normalise, Transform, evaluation_transform, seeded
from visionlora.data.images.cache import ImageCache
from visionlora.data.images.decode import BadImage, ImageFile
from visionlora.data.images.identity import identities
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.loading.handing_over import Receiver, hand_over
from visionlora.data.loading.samplers import EpochSampler, ShareSampler
from visionlora.data.loading.targets import Target, labels_of, target_of
from visionlora.device import pins_memory
from visionlora.errors import VisionLoraError
from visionlora.this_process import this_process

Key = int | tuple[int, int]
Item = tuple[Tensor, Target, int]
Batch = dict[str, Tensor]


class ImageDataset(Dataset[Item]):
    """Images as the network will see them, not yet normalised.

    ``dataset[index]`` is (uint8 (3, S, S), target, index); so is ``dataset[turn, index]``, with the random
    transform's numbers a function of (seed, turn, content of the image) alone. An index without turn means
    turn 0.

    Args:
        images: what to serve.
        preprocessing: sizes and normalisation.
        targets: class name -> output of the network; an image without label has the target -1. Where images
            have any number of labels, it has all outputs.
        transform: uint8 (3, H, W) to uint8 (3, crop, crop); None: the network's own evaluation transform.
        cache: where images are read; None: decoded each time.
        seed: of the random transform.

    Raises:
        KeyError: a label that ``targets`` lacks.
    """

    def __init__(
        self,
        images: Sequence[ImageFile],
        preprocessing: Preprocessing,
        *,
        targets: Mapping[str, int] | None = None,
        transform: Transform | None = None,
        cache: ImageCache | None = None,
        seed: int = 0,
    ) -> None:
        self.images = tuple(images)
        self.targets = [target_of(image, targets) for image in self.images]
        self.outputs = len(targets or ())
        self.transform = transform or evaluation_transform(preprocessing)
        self.cache = cache or ImageCache(0, preprocessing.resize, preprocessing.interpolation)
        self.normalise = Normalise(preprocessing.mean, preprocessing.std)
        self.random = transform is not None
        self.seed = seed

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """The content of each image, as :func:`visionlora.data.images.identity.identities` has it."""
        return identities(self.images)

    def __getitem__(self, key: Key) -> Item:
        turn, index = key if isinstance(key, tuple) else (0, key)
        try:
            pixels = self.cache.read(self.images[index].path)
        except BadImage as error:
            if get_worker_info() is None:
                raise
            # torch can only rebuild exceptions that take their message alone: the loader raises this one.
            return cast(Item, error)
        if not self.random:
            return self.transform(pixels), self.targets[index], index
        with seeded("picture", self.seed, turn, self.identities[index]):
            return self.transform(pixels), self.targets[index], index

    def collate(self, items: Sequence[Item]) -> Batch:
        """``images`` float32 (B, 3, S, S), normalised, channels last; ``labels`` of :func:`labels_of`;
        ``indices`` int64 (B,).

        From a worker process, the first image that cannot be read instead.
        """
        for item in items:
            if isinstance(item, BadImage):
                return cast(Batch, item)
        pixels, targets, indices = zip(*items, strict=True)
        batch = {
            "images": self.normalise(pixels),
            "labels": labels_of(targets, self.outputs),
            "indices": torch.tensor(indices, dtype=torch.int64),
        }
        return cast(Batch, hand_over(batch))


class ImageLoader(Receiver):
    """A DataLoader that remembers how far into the epoch it is. Lightning saves and restores its state with
    every checkpoint, so a run that stopped in the middle of an epoch continues with the very next batch.

    Where several processes share a batch, ``share`` in it is :meth:`EpochSampler.share`.
    """

    whole_batch = 1
    """Images in a batch of all processes together."""

    _served = 0
    _resume: tuple[int, int] = (-1, 0)

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        sampler = self.sampler
        epoch, served = self._resume
        self._resume = (-1, 0)
        self._served = 0
        if isinstance(sampler, EpochSampler):
            self._served = served if epoch == sampler.epoch else 0
            sampler.start = self._served * (self.batch_size or 1)
        for batch in super().__iter__():
            if isinstance(batch, BadImage):
                raise batch
            if isinstance(sampler, EpochSampler) and sampler.here.count > 1:
                batch["share"] = torch.tensor(sampler.share(self._served))
            self._served += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """The epoch, and the batches of it that have been handed out."""
        return {"epoch": getattr(self.sampler, "epoch", 0), "batches": self._served}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next pass starts after those batches, if it is a pass of the same epoch."""
        self._resume = (int(state["epoch"]), int(state["batches"]))


def make_loader(dataset: ImageDataset, batch_size: int, workers: int = 0) -> ImageLoader:
    """Batches of a dataset in its order (:meth:`ImageDataset.collate`), the last small one included.

    Where several processes train (:mod:`visionlora.processes`), every image is served by one of them.

    Args:
        dataset: the images.
        batch_size: of each process.
        workers: as of :func:`shuffled_loader`.
    """
    here = this_process()
    sampler = ShareSampler(len(dataset), here) if here.count > 1 else None
    return _new_loader(dataset, batch_size, sampler, workers)


def shuffled_loader(
    dataset: ImageDataset,
    batch_size: int,
    seed: int = 0,
    repeats: Sequence[int] | None = None,
    workers: int = 0,
) -> ImageLoader:
    """Batches of a dataset, in another order every epoch, the last small one included.

    Where several processes train, they share the images of every batch.

    Args:
        dataset: the images.
        batch_size: of all processes together.
        seed: of the order.
        repeats: how often each image comes in an epoch; None: once.
        workers: processes that read images; the batches are the same to the bit. Small sets need none:
            reading a cached image takes less than handing it over. Fill the cache (:func:`check`) before the
            first pass, for workers inherit it and add nothing to it.

    Raises:
        VisionLoraError: the processes cannot share ``batch_size`` evenly.
    """
    here = this_process()
    if batch_size % here.count:
        raise VisionLoraError(
            f"data.batch_size is {batch_size}, which {here.count} processes cannot share evenly; set it "
            f"to {max(1, round(batch_size / here.count)) * here.count}"
        )
    repeats = [1] * len(dataset) if repeats is None else repeats
    sampler = EpochSampler(repeats, dataset.identities, seed, batch_size, here)
    loader = _new_loader(dataset, batch_size // here.count, sampler, workers)
    loader.whole_batch = batch_size
    return loader


def _new_loader(
    dataset: ImageDataset, batch_size: int, sampler: Sampler[Any] | None, workers: int
) -> ImageLoader:
    loader = ImageLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=dataset.collate,
        pin_memory=pins_memory(),
        # Five images make an epoch of one batch: processes must not be started again for each.
        persistent_workers=workers > 0,
    )
    loader.whole_batch = batch_size
    return loader


def first_epoch(loader: ImageLoader) -> Iterator[Batch]:
    """The batches of a shuffled loader's first epoch, as one process has them, however many there are."""
    own = loader.sampler
    assert isinstance(own, EpochSampler)
    dataset, keys = loader.dataset, list(EpochSampler(own.repeats, own.identities, own.seed, own.batch))
    assert isinstance(dataset, ImageDataset)
    for start in range(0, len(keys), own.batch):
        yield dataset.collate([dataset[key] for key in keys[start : start + own.batch]])


def augmented_views(dataset: ImageDataset, views: int, batch_size: int) -> Iterator[Batch]:
    """Batches of every image ``views`` times, each time with the transform's other random numbers."""
    return chosen_images(
        dataset, [(turn, index) for turn in range(views) for index in range(len(dataset))], batch_size
    )


def chosen_images(dataset: ImageDataset, keys: Sequence[Key], batch_size: int) -> Iterator[Batch]:
    """Batches of ``dataset[key]`` of these keys, in this order."""
    for start in range(0, len(keys), batch_size):
        yield dataset.collate([dataset[key] for key in keys[start : start + batch_size]])
