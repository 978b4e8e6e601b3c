"""Every loader of a run, with one preprocessing, one seed, and caches that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from visionlora.data.augment import AugmentConfig, Preprocessing, training_transform
from visionlora.data.cache import ImageCache, training_side
from visionlora.data.check_images import find_bad
from visionlora.data.images import BadImage, ImageFile
from visionlora.data.loading import ImageDataset, ImageLoader, make_loader


class ImageLoaders:
    """Makes loaders for one network.

    Every image is opened when its loader is made; those that cannot be used are collected in ``bad``, to be
    reported together.

    Args:
        preprocessing: the network's.
        augment: what happens to training images.
        seed: of the order and of the augmentation.
        batch_size: images in a batch.
        cache_mb: megabytes of decoded images to keep, half of them as training reads them.
        workers: processes that load training images; 0: none.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        augment: AugmentConfig,
        *,
        seed: int,
        batch_size: int,
        cache_mb: float,
        workers: int = 0,
    ) -> None:
        self.preprocessing = preprocessing
        self.seed = seed
        self.batch_size = batch_size
        self.workers = workers
        self.new_images = batch_size
        """Images in a training batch: fewer than ``batch_size`` where there are fewer in all."""
        self.bad: list[BadImage] = []
        self.random = not augment.nothing
        self.augment = training_transform(augment, preprocessing)
        interpolation = preprocessing.interpolation
        side = training_side(preprocessing.resize, preprocessing.crop, augment.crop_scale[0])
        self.training_cache = ImageCache(cache_mb / 2, side, interpolation)
        self.cache = ImageCache(cache_mb / 2, preprocessing.resize, interpolation)

    def training(self, images: Sequence[ImageFile], targets: Mapping[str, int]) -> ImageLoader:
        """A shuffled, augmented loader."""
        self.open(images, self.training_cache)
        dataset = ImageDataset(
            images,
            self.preprocessing,
            targets=targets,
            transform=self.augment,
            cache=self.training_cache,
            seed=self.seed,
        )
        loader = make_loader(dataset, self.batch_size, self.seed, True, self.workers, fill=self.random)
        self.new_images = min(self.batch_size, len(loader.sampler))  # type: ignore[arg-type]
        return loader

    def plain(self, images: Sequence[ImageFile], targets: Mapping[str, int] | None = None) -> ImageLoader:
        """A loader without shuffling and augmentation."""
        self.open(images, self.cache)
        dataset = ImageDataset(images, self.preprocessing, targets=targets, cache=self.cache)
        return make_loader(dataset, self.batch_size)

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
        self.bad += find_bad([image for image in images if image.path not in bad], cache)
