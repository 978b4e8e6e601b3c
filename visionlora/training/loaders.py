"""Every loader of a run, out of the same few things."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from visionlora.backbones import Backbone
from visionlora.data import (
    AnchorStream,
    AugmentConfig,
    BadPicture,
    Picture,
    PictureCache,
    PictureDataset,
    PictureFolder,
    PictureLoader,
    find_bad,
    make_loader,
    training_side,
    training_transform,
)
from visionlora.training.options import DataOptions, RetentionOptions


class Pictures:
    """Loaders with one network's preprocessing, one cache and one seed.

    Every picture is opened when its loader is made; those that cannot be used are collected in ``bad``, to be
    reported together.
    """

    def __init__(self, backbone: Backbone, data: DataOptions, augment: AugmentConfig, seed: int) -> None:
        self.preprocessing = backbone.preprocessing
        self.data = data
        self.seed = seed
        self.step = data.batch_size
        """New pictures in a step."""
        self.bad: list[BadPicture] = []
        self.random = not augment.nothing
        self.augment = training_transform(augment, self.preprocessing)
        side = training_side(self.preprocessing.resize, self.preprocessing.crop, augment.crop_scale[0])
        self.training_cache = PictureCache(data.cache_mb / 2, side, self.preprocessing.interpolation)
        self.cache = PictureCache(
            data.cache_mb / 2, self.preprocessing.resize, self.preprocessing.interpolation
        )

    def labelled(self, folder: PictureFolder, targets: dict[str, int]) -> tuple[PictureLoader, PictureLoader]:
        """The training loader, shuffled and augmented, and the validation loader."""
        self._open(folder.train, self.training_cache)
        dataset = PictureDataset(
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

    def plain(self, pictures: Sequence[Picture], targets: dict[str, int] | None = None) -> PictureLoader:
        """A loader without augmentation."""
        self._open(pictures, self.cache)
        dataset = PictureDataset(pictures, self.preprocessing, targets=targets, cache=self.cache)
        return make_loader(dataset, self.data.batch_size)

    def pixels(self, pictures: Sequence[Picture | Tensor]) -> list[Tensor]:
        """uint8 (3, H, W) each, as training crops them; without those that cannot be used."""
        self._open([picture for picture in pictures if isinstance(picture, Picture)], self.training_cache)
        bad = {picture.path for picture in self.bad}
        return [
            picture if isinstance(picture, Tensor) else self.training_cache.read(picture.path)
            for picture in pictures
            if isinstance(picture, Tensor) or picture.path not in bad
        ]

    def _open(self, pictures: Sequence[Picture], cache: PictureCache) -> None:
        bad = {picture.path for picture in self.bad}
        self.bad += find_bad([picture for picture in pictures if picture.path not in bad], cache)

    def stream(
        self, sources: Sequence[Sequence[Picture | Tensor]], options: RetentionOptions
    ) -> AnchorStream:
        """The endless stream of anchors, each source with the same share of a step."""
        anchors = [anchor for source in sources for anchor in source]
        files = [anchor for anchor in anchors if isinstance(anchor, Picture)]
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
