"""The images of several folders, each image once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from visionlora.data import ImageFile, scan_images
from visionlora.errors import about
from visionlora.notices import Notices
from visionlora.text import counted


def images_of_folders(
    key: str, folders: Iterable[Path], notices: Notices
) -> Iterator[tuple[Path, tuple[ImageFile, ...]]]:
    """Each folder with its images, without those that a folder before it has: a folder that is given twice,
    or lies in another, would count twice. A folder with no others is passed over.

    Args:
        key: the option that names the folders.
        folders: as they were given.
        notices: where it is announced what is left out.

    Raises:
        VisionLoraError: no such folder, or one without images.
    """
    seen: set[str] = set()
    for folder in folders:
        with about(key):
            images = scan_images([folder])
        places = {image: os.path.realpath(image.path) for image in images}
        others = tuple(image for image in images if places[image] not in seen)
        if repeated := len(images) - len(others):
            notices.say(
                f"{key}: {counted(repeated, 'image')} of {folder} {'is' if repeated == 1 else 'are'} in a "
                "folder before it too, and used once"
            )
        seen.update(places.values())
        if others:
            yield folder, others
