"""Find the images below a folder, and their class names from where they lie."""

from __future__ import annotations

import difflib
import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from visionlora.data.images import SUFFIXES, ImageFile
from visionlora.data.splits import SPLITS, ImageFolder, assemble, refuse_two_spellings, split_name
from visionlora.data.table import read_table
from visionlora.errors import VisionLoraError

_log = logging.getLogger(__name__)

# Left behind by file managers; nobody put them there on purpose.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

# Images of other things that come with the labelled ones; nobody labels them.
CONTRAST = "contrast"

LAYOUTS = "FOLDER/<class>/*, FOLDER/{train,val,test}/<class>/*, or FOLDER/* with data.class_name=NAME"


def scan(
    root: str | Path, *, class_name: str | None = None, val_fraction: float = 0.25, seed: int = 0
) -> ImageFolder:
    """Find labelled images. ``root`` is one of

    - a folder of images, all of the class ``class_name``;
    - a folder of class folders, images at any depth below them;
    - a folder of ``train`` and, if wanted, ``val`` and ``test``, each like one of the above; a folder
      ``contrast`` beside them is none of its business;
    - a CSV of path and label, with a split column if wanted (:func:`visionlora.data.table.read_table`).

    Without a val split a stratified one is made (:func:`visionlora.data.splits.stratified`). Dot files and
    what file managers leave behind are passed over; other files that are not images by their suffix are
    counted in one warning and listed in the result.

    Raises:
        VisionLoraError: no such folder, nothing in it, an empty class folder, layouts mixed, a class spelled
            in two ways, a class in val or test alone, or a class name missing or superfluous.
    """
    root = Path(root)
    if root.is_file():
        found = read_table(root, class_name)
        return assemble(root, found, val_fraction=val_fraction, seed=seed)
    refuse_missing(root)
    skipped: list[Path] = []
    found = {}
    for split, folder in _split_folders(root).items():
        images, others = _labelled(folder, class_name)
        found[split] = images
        skipped += others
    warn_of_skipped(root, skipped)
    return assemble(root, found, val_fraction=val_fraction, seed=seed, skipped=skipped)


def scan_labelled(root: str | Path) -> tuple[ImageFile, ...]:
    """Every image of ``root/<class>/**``, without a split.

    Raises:
        VisionLoraError: no such folder, nothing in it, an empty class folder, or images beside the folders.
    """
    root = Path(root)
    refuse_missing(root)
    images, skipped = _labelled(root, None)
    refuse_two_spellings(root, {image.label or "" for image in images})
    warn_of_skipped(root, skipped)
    return tuple(images)


def scan_known(root: str | Path) -> tuple[ImageFile, ...]:
    """The images of a folder of class folders with their labels; of a folder of images, without any.

    Raises:
        VisionLoraError: no such folder, nothing in it, an empty class folder, or images beside the folders.
    """
    root = Path(root)
    refuse_missing(root)
    folders, loose, _ = _entries(root)
    return scan_images([root]) if loose and not folders else scan_labelled(root)


def scan_images(folders: Iterable[str | Path]) -> tuple[ImageFile, ...]:
    """Every image at any depth below ``folders``, unlabelled, each file once.

    Raises:
        VisionLoraError: no such folder, or one without images.
    """
    found: dict[Path, ImageFile] = {}
    for folder in map(Path, folders):
        refuse_missing(folder)
        images, skipped = walk(folder)
        if not images:
            raise VisionLoraError(f"{folder} holds no images{_kinds(skipped)}; {_suffixes()}")
        warn_of_skipped(folder, skipped)
        for path in images:
            found.setdefault(path.resolve(), ImageFile(path))
    return tuple(found.values())


def walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """All files below ``folder``, symbolic links followed: (images by suffix, others), each sorted.

    Raises:
        VisionLoraError: a folder that cannot be read.
    """

    def unreadable(error: OSError) -> None:
        raise VisionLoraError(f"cannot read {error.filename}: {error.strerror}; check its permissions")

    images: list[Path] = []
    others: list[Path] = []
    # A link to a folder above would lead round in circles.
    been_in = {folder.resolve(), *folder.resolve().parents}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        here = Path(parent)
        folders[:] = [name for name in folders if not _is_litter(name) and _first_visit(here / name, been_in)]
        for name in files:
            if not _is_litter(name):
                (images if Path(name).suffix.casefold() in SUFFIXES else others).append(here / name)
    return sorted(images), sorted(others)


def refuse_missing(folder: Path) -> None:
    """Refuse a path that is no folder, with the closest name beside it that is one.

    Raises:
        VisionLoraError: names the path.
    """
    if folder.is_dir():
        return
    if folder.is_file():
        raise VisionLoraError(f"{folder} is a file where a folder of images is wanted")
    beside = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
    close = difflib.get_close_matches(folder.name, beside, n=1)
    hint = f"did you mean {folder.parent / close[0]}?" if close else f"give a folder laid out as {LAYOUTS}"
    raise VisionLoraError(f"there is no folder {folder}; {hint}")


def warn_of_skipped(root: Path, skipped: list[Path]) -> None:
    """Say once how many files were left out because their suffix is not an image's."""
    if skipped:
        _log.warning("%s: left out %d files that are not images%s", root, len(skipped), _kinds(skipped))


def _split_folders(root: Path) -> dict[str, Path]:
    """The folder of each split; a root without splits is all train."""
    folders, images, _ = _entries(root)
    splits = {folder: split_name(folder.name) for folder in folders}
    found: dict[str, Path] = {}
    for folder, split in splits.items():
        if split is not None:
            if split in found:
                raise VisionLoraError(f"{found[split]} and {folder} are both {split}; keep one of them")
            found[split] = folder
    if not found:
        return {"train": root}
    strays = [folder for folder, split in splits.items() if split is None and folder.name != CONTRAST]
    strays += images
    if strays:
        raise VisionLoraError(
            f"{root} mixes layouts: {strays[0].name} lies beside {next(iter(found.values())).name}; "
            f"move it into train, or elsewhere"
        )
    if "train" not in found:
        raise VisionLoraError(f"{root} has {' and '.join(found)} but no train; add {root / 'train'}")
    return {split: found[split] for split in SPLITS if split in found}


def _labelled(folder: Path, class_name: str | None) -> tuple[list[ImageFile], list[Path]]:
    """(images, other files) of a folder of class folders, or of a folder of images of one class."""
    folders, loose, skipped = _entries(folder)
    if loose and folders:
        raise VisionLoraError(
            f"{folder} mixes layouts: {loose[0].name} lies beside the folder {folders[0].name}; "
            f"move the images into class folders"
        )
    if loose:
        if class_name is None:
            raise VisionLoraError(
                f"{folder} holds images but no class folders; say what they show, for example "
                f"data.class_name={folder.resolve().name!r}, or move them into a folder of that name"
            )
        return [ImageFile(path, class_name) for path in loose], skipped
    if not folders:
        raise VisionLoraError(f"{folder} holds no images{_kinds(skipped)}; it should be {LAYOUTS}")
    if class_name is not None:
        raise VisionLoraError(
            f"{folder} has class folders ({folders[0].name}, ...), so data.class_name={class_name} does not "
            f"apply; leave it out, or give one of these folders"
        )
    images: list[ImageFile] = []
    for class_folder in folders:
        paths, others = walk(class_folder)
        if not paths:
            raise VisionLoraError(
                f"class folder {class_folder} holds no images{_kinds(others)}; put some in, or remove it"
            )
        images += [ImageFile(path, class_folder.name) for path in paths]
        skipped += others
    return images, skipped


def _entries(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """(folders, images, other files) directly in ``folder``, sorted, without litter."""
    folders: list[Path] = []
    images: list[Path] = []
    others: list[Path] = []
    try:
        entries = sorted(path for path in folder.iterdir() if not _is_litter(path.name))
    except OSError as error:
        raise VisionLoraError(f"cannot read {folder}: {error.strerror}; check its permissions") from error
    for path in entries:
        if path.is_dir():
            folders.append(path)
        else:
            (images if path.suffix.casefold() in SUFFIXES else others).append(path)
    return folders, images, others


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _LITTER


def _first_visit(folder: Path, been_in: set[Path]) -> bool:
    real = folder.resolve()
    if real in been_in:
        return False
    been_in.add(real)
    return True


def _kinds(files: list[Path]) -> str:
    """`` (3 .heic, 1 .txt)``, or nothing."""
    kinds = Counter(path.suffix.casefold() or "without suffix" for path in files)
    return f" ({', '.join(f'{count} {kind}' for kind, count in kinds.most_common(5))})" if kinds else ""


def _suffixes() -> str:
    return f"images end in {', '.join(sorted(SUFFIXES))}"
