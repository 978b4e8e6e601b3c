"""``images.json``: every image file that a run read, and what it was for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType

from visionlora.data.images.decode import ImageFile
from visionlora.data.images.identity import file_hash, file_hashes
from visionlora.errors import VisionLoraError
from visionlora.files import read_json, replacing

EARLIER = {"train": "earlier train", "val": "earlier val"}
"""The roles, in a run that continues from an adapter, of images that the runs before it trained and validated
on."""


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image file that a run read.

    Attributes:
        role: what it was for: train, val, anchor, negative, retention, contrast, and, where a run continues
            from an adapter, ``EARLIER``: what the runs before it trained and validated on.
        path: absolute.
        size: in bytes.
        sha256: of the file, in hexadecimal.
        label: its class; None where it has none.
    """

    role: str
    path: str
    size: int
    sha256: str
    label: str | None = None


def read_images(
    files: Mapping[str, Sequence[ImageFile]], without: Iterable[Path] = ()
) -> tuple[ReadImage, ...]:
    """Which files a run read, with their hashes as they are now.

    Args:
        files: role -> images.
        without: files that could not be read.
    """
    unread = set(without)
    named = [(role, image) for role in files for image in files[role] if image.path not in unread]
    hashes = file_hashes(list(dict.fromkeys(image.path for _, image in named)))
    return tuple(
        ReadImage(role, str(image.path.absolute()), *hashes[image.path], image.label) for role, image in named
    )


def write_manifest(images: Sequence[ReadImage], path: Path) -> None:
    """Write which files a run read."""
    # Escapes, not UTF-8: a file name may be no text in any encoding.
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.write('{"images": [')
        for number, image in enumerate(images):
            file.write(f"{',' if number else ''}\n  {json.dumps(asdict(image))}")
        file.write("\n]}\n")


def read_manifest(path: Path) -> tuple[ReadImage, ...]:
    """What :func:`write_manifest` wrote.

    Raises:
        VisionLoraError: the file is no manifest.
    """
    try:
        images = tuple(ReadImage(**image) for image in read_json(path)["images"])
        if not all(map(_is_sound, images)):
            raise ValueError("a value of a wrong type")
    except (VisionLoraError, ValueError, KeyError, TypeError) as error:
        raise VisionLoraError(
            f"{path} is not a list of a run's images ({error}); without it evaluate uses every image, and "
            "resume compares none: copy it again, or remove it"
        ) from error
    return images


def _is_sound(image: ReadImage) -> bool:
    texts = all(isinstance(one, str) for one in (image.role, image.path, image.sha256))
    return texts and type(image.size) is int and isinstance(image.label, (str, NoneType))


def without_used(images: Sequence[ImageFile], used: Sequence[ReadImage]) -> tuple[ImageFile, ...]:
    """The images whose content is none of the ``used`` ones', whatever the files are called."""
    hashes = {image.sha256 for image in used}
    sizes = {image.size for image in used}
    return tuple(
        image
        for image in images
        if not image.path.is_file() or image.path.stat().st_size not in sizes
        or file_hash(image.path)[1] not in hashes
    )  # fmt: skip


@dataclass(frozen=True)
class EarlierImages:
    """What the run of an adapter, and those that it continued from, trained and validated on.

    Attributes:
        train, val: the images that are still where they were, with the same content.
        gone: how many others there were.
    """

    train: tuple[ImageFile, ...] = ()
    val: tuple[ImageFile, ...] = ()
    gone: int = 0


def of_role(images: Iterable[ReadImage], role: str) -> list[ReadImage]:
    """The images that a run and those before it trained on (``train``) or validated on (``val``)."""
    return [image for image in images if image.role in (role, EARLIER[role])]


def earlier_images(manifest: Path) -> EarlierImages:
    """The labelled images of a run's manifest, its own and those of the runs before it.

    Raises:
        VisionLoraError: the file is no manifest.
    """
    read = read_manifest(manifest)
    named = {role: of_role(read, role) for role in EARLIER}
    found = {
        role: tuple(ImageFile(Path(image.path), image.label) for image in images if is_there(image))
        for role, images in named.items()
    }
    gone = sum(map(len, named.values())) - sum(map(len, found.values()))
    return EarlierImages(found["train"], found["val"], gone)


def is_there(image: ReadImage) -> bool:
    """Whether the file is still where it was, with the same content."""
    path = Path(image.path)
    return path.is_file() and file_hash(path) == (image.size, image.sha256)
