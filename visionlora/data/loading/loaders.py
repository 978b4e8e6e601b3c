"""Every loader of a run, with one preprocessing, one seed, and caches that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from visionlora.data.check.check_images import find_bad, refuse, split_bad
from visionlora.data.check.separate import without_overlap
from visionlora.data.images.augment import AugmentConfig, Preprocessing, training_transform
from visionlora.data.images.cache import ImageCache, training_side
from visionlora.data.images.decode import BadImage, ImageFile
from visionlora.data.index.fingerprints import Progress
from visionlora.data.loading.image_loader import ImageDataset, ImageLoader, make_loader, shuffled_loader
from visionlora.data.loading.samplers import EpochSampler, balanced_repeats, filling_repeats

SAMPLE = 4
"""Images that a network is timed and folded with."""

Item = TypeVar("Item", bound=ImageFile | Tensor)


@dataclass(frozen=True)
class LoaderOptions:
    """How images are served.

    Attributes:
        batch_size: images in a batch.
        seed: of the order and of the augmentation.
        cache_mb: megabytes of decoded images to keep, half of them as training reads them.
        workers: processes that load images; 0: none.
        balance: whether training images of every class come equally often.
    """

    batch_size: int
    seed: int = 0
    cache_mb: float = 0
    workers: int = 0
    balance: bool = False


class ImageLoaders:
    """Makes loaders for one network.

    Every image is opened when its loader is made. Those that cannot be used are not served; they are
    collected in ``bad``, and :meth:`left_out` decides whether the run can go on without them.

    Args:
        preprocessing: the network's.
        augment: what happens to training images.
        options: how they are served.
        progress: shows how many images of a set were opened.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        augment: AugmentConfig,
        options: LoaderOptions,
        progress: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(lambda *count: None),
    ) -> None:
        self.progress = progress
        self.preprocessing = preprocessing
        self.options = options
        self.new_images = options.batch_size
        """Images in a training batch: fewer than ``batch_size`` where there are fewer in all."""
        self.bad: list[BadImage] = []
        self.sets: dict[str, tuple[ImageFile, ...]] = {}
        """The images that were opened, by what they are for; bad ones are among them."""
        self.separated: list[str] = []
        """What to say about images that were left out of a set because another one has them."""
        self._opened: set[tuple[int, Path]] = set()
        self.random = not augment.nothing
        self.augment = training_transform(augment, preprocessing)
        self.flip = augment.horizontal_flip
        interpolation = preprocessing.interpolation
        side = training_side(preprocessing.resize, preprocessing.crop, augment.crop_scale[0])
        self.training_cache = ImageCache(options.cache_mb / 2, side, interpolation)
        self.cache = ImageCache(options.cache_mb / 2, preprocessing.resize, interpolation)

    def training(self, images: Sequence[ImageFile], targets: Mapping[str, int]) -> ImageLoader:
        """A shuffled, augmented loader."""
        options = self.options
        # Without a single good image the run is about to end; until then there is something to count.
        images = self.usable("train", images, self.training_cache) or images
        dataset = ImageDataset(
            images,
            self.preprocessing,
            targets=targets,
            transform=self.augment,
            cache=self.training_cache,
            seed=options.seed,
        )
        repeats = balanced_repeats(dataset.targets) if options.balance else [1] * len(dataset)
        if self.random:
            repeats = filling_repeats(repeats, options.batch_size)
        loader = shuffled_loader(dataset, options.batch_size, options.seed, repeats, options.workers)
        assert isinstance(loader.sampler, EpochSampler)
        self.new_images = min(options.batch_size, loader.sampler.total)
        return loader

    def plain(
        self, role: str, images: Sequence[ImageFile], targets: Mapping[str, int] | None = None
    ) -> ImageLoader:
        """A loader without shuffling and augmentation; ``role`` is what the images are for."""
        images = self.usable(role, images, self.cache)
        dataset = ImageDataset(images, self.preprocessing, targets=targets, cache=self.cache)
        # Reading an image from memory takes less than handing it over.
        cached = all(self.cache.memory.get(image.path) is not None for image in images)
        return make_loader(dataset, self.options.batch_size, workers=0 if cached else self.options.workers)

    def pixels(self, images: Sequence[ImageFile | Tensor]) -> list[Tensor]:
        """uint8 (3, H, W) each, as training crops them; without those that cannot be used."""
        self.open([image for image in images if isinstance(image, ImageFile)], self.training_cache)
        bad = {image.path for image in self.bad}
        return [
            image if isinstance(image, Tensor) else self.training_cache.read(image.path)
            for image in images
            if isinstance(image, Tensor) or image.path not in bad
        ]

    def open(self, images: Sequence[ImageFile], cache: ImageCache) -> None:
        """Read images into a cache; those that cannot be used are added to ``bad``, once."""
        bad = {image.path for image in self.bad}
        new = [one for one in images if one.path not in bad and (id(cache), one.path) not in self._opened]
        self._opened.update((id(cache), image.path) for image in new)
        with self.progress() as advance:
            self.bad += find_bad(new, cache, advance)

    def usable(self, role: str, images: Sequence[Item], cache: ImageCache) -> tuple[Item, ...]:
        """The images of a set that can be used; decoded ones are as they are.

        Left out are those that cannot be read, and those that another set has (`without_overlap`).

        Args:
            role: what they are for: train, val, anchor, negative, retention, contrast.
            images: the set.
            cache: where files are read into.

        Raises:
            VisionLoraError: another set has all of them.
        """
        files = [image for image in images if isinstance(image, ImageFile)]
        shared, said = without_overlap(role, files, self.sets)
        self.separated += said
        files = [image for image in files if image.path not in shared]
        self.open(files, cache)
        self.sets[role] = (*self.sets.get(role, ()), *files)
        bad = shared | {image.path for image in self.bad}
        return tuple(one for one in images if isinstance(one, Tensor) or one.path not in bad)

    def left_out(self, mode: str) -> tuple[BadImage, ...]:
        """The images that the run goes on without (``data.on_bad``).

        Training images are a set, and so are all labelled images together: one bad image of five to validate
        on stops nobody.

        Raises:
            VisionLoraError: the mode is ``stop`` and there are some; or they are more than a tenth of a set,
                or all images of a class.
        """
        if mode == "stop":
            refuse(self.bad)
        sets = {**self.sets, "val": (*self.sets.get("train", ()), *self.sets.get("val", ()))}
        for images in sets.values():
            split_bad(images, self.bad, mode)
        return tuple(self.bad)


def sample_images(loader: ImageLoader) -> Tensor:
    """A few images as the network receives them: (4, 3, height, width)."""
    dataset = loader.dataset
    assert isinstance(dataset, ImageDataset)
    return dataset.normalise([dataset[index % len(dataset)][0] for index in range(SAMPLE)])
