"""The images that the runs before this one learned, where a run continues from an adapter.

Those that were trained on are anchors: the teacher is the network with the earlier adapter, and knows them.
Those that were validated on measure what of each class was kept; in this run they choose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visionlora.data.images.decode import ImageFile
from visionlora.data.loading.image_loader import ImageLoader
from visionlora.data.loading.loaders import ImageLoaders
from visionlora.data.splits.manifest import EARLIER, EarlierImages, earlier_images
from visionlora.models import Backbone
from visionlora.models.classes import outputs_of_labels
from visionlora.notices import Notices
from visionlora.text import counted


def find_earlier_images(adapter: Path, notices: Notices) -> EarlierImages:
    """What the run of the adapter directory and those before it trained and validated on; says what is gone.

    Raises:
        VisionLoraError: the run's list of images cannot be read.
    """
    manifest = adapter.parent / "images.json"
    if not manifest.is_file():
        notices.warn(
            f"adapter: {adapter} is not in a run folder, so the images of its classes are not known: they "
            "are not anchors, and what is kept of these classes is not measured"
        )
        return EarlierImages()
    found = earlier_images(manifest)
    notices.say(
        f"anchors: {counted(len(found.train), 'image')} that earlier runs trained on; "
        f"{counted(len(found.val), 'validation image')} of theirs to measure what is kept of each class"
    )
    if found.gone:
        notices.warn(f"gone or changed: {counted(found.gone, 'image')} of the earlier runs ({manifest})")
    return found


def earlier_loader(
    images: Sequence[ImageFile], backbone: Backbone, loaders: ImageLoaders
) -> ImageLoader | None:
    """The images that earlier runs validated on; None where there are none."""
    if not images:
        return None
    targets = outputs_of_labels(images, backbone.categories, backbone.wnids)
    return loaders.plain(EARLIER["val"], images, targets)
