"""Every loader of a run, out of the same few things."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from visionlora.data import (
    AugmentConfig,
    BadImage,
    ImageCache,
    ImageDataset,
    ImageFile,
    ImageFolder,
    ImageLoader,
    find_bad,
    make_loader,
    training_side,
    training_transform,
)
from visionlora.data.config import DataConfig
from visionlora.models import Backbone
from visionlora.retention.config import RetentionConfig


class ImageLoaders:
    """Loaders with one network's preprocessing, one cache and one seed.

    Every image is opened when its loader is made; those that cannot be used are collected in ``bad``, to be
    reported together.
    """

    def __init__(self, backbone: Backbone, data: DataConfig, augment: AugmentConfig, seed: int) -> None:
        self.preprocessing = backbone.preprocessing
        self.data = data
        self.seed = seed
        self.step = data.batch_size
        """New images in a step."""
        self.bad: list[BadImage] = []
        self.random = not augment.nothing
        self.augment = training_transform(augment, self.preprocessing)
        side = training_side(self.preprocessing.resize, self.preprocessing.crop, augment.crop_scale[0])
        self.training_cache = ImageCache(data.cache_mb / 2, side, self.preprocessing.interpolation)
        self.cache = ImageCache(
            data.cache_mb / 2, self.preprocessing.resize, self.preprocessing.interpolation
        )

    def labelled(self, folder: ImageFolder, targets: dict[str, int]) -> tuple[ImageLoader, ImageLoader]:
        """The training loader, shuffled and augmented, and the validation loader."""
        self._open(folder.train, self.training_cache)
        dataset = ImageDataset(
            folder.train,
            self.preprocessing,
            targets=targets,
            transform=self.augment,
            cache=self.training_cache,
            seed=self.seed,
        )
        loader = make_loader(
            dataset, self.data.batch_size, self.seed, True, self.data.workers, fill=self.random
        )
        self.step = min(self.data.batch_size, len(loader.sampler))  # type: ignore[arg-type]
        return loader, self.plain(folder.val, targets)

    def plain(self, images: Sequence[ImageFile], targets: dict[str, int] | None = None) -> ImageLoader:
        """A loader without augmentation."""
        self._open(images, self.cache)
        dataset = ImageDataset(images, self.preprocessing, targets=targets, cache=self.cache)
        return make_loader(dataset, self.data.batch_size)

    def pixels(self, images: Sequence[ImageFile | Tensor]) -> list[Tensor]:
        """uint8 (3, H, W) each, as training crops them; without those that cannot be used."""
        self._open([image for image in images if isinstance(image, ImageFile)], self.training_cache)
        bad = {image.path for image in self.bad}
        return [
            image if isinstance(image, Tensor) else self.training_cache.read(image.path)
            for image in images
            if isinstance(image, Tensor) or image.path not in bad
        ]

    def _open(self, images: Sequence[ImageFile], cache: ImageCache) -> None:
        bad = {image.path for image in self.bad}
        self.bad += find_bad([image for image in images if image.path not in bad], cache)

    def stream(
        self, sources: Sequence[Sequence[ImageFile | Tensor]], options: RetentionConfig
    ) -> AnchorStream:
        """The endless stream of anchors, each source with the same share of a step."""
        anchors = [anchor for source in sources for anchor in source]
        files = [anchor for anchor in anchors if isinstance(anchor, ImageFile)]
        self._open(files, self.training_cache)
        return AnchorStream(
            anchors,
            options.per_step_for(self.step),
            self.preprocessing,
            self.augment,
            self.training_cache,
            views=options.views,
            seed=self.seed,
            sources=[len(source) for source in sources],
        )
