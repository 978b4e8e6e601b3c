"""Projects of the studio: classes and images, as files that a training reads.

A project is a folder: ``project.json`` has the names, ``images/`` the files under names of our own, and
``images.csv`` is what a training and the check read. No name that a browser sends becomes a path.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from visionlora.data.files.formats import SUFFIXES
from visionlora.data.files.system_files import is_system_file
from visionlora.errors import VisionLoraError
from visionlora.files import read_json, write_json
from visionlora.text import printable

ROLES = ("class", "keep", "others")
"""What an image is for: to learn its class; a photo that keeps the old knowledge; another thing, which must
not get a trained class's name."""
TABLES = (".csv", ".tsv", ".jsonl")
_TABLE = "a table; put it and its images into one zip file, and it says the classes"
_ID = re.compile(r"[0-9a-z-]{1,40}")
_LONGEST_NAME = 200


@dataclass
class ProjectImage:
    """An image of a project; ``label`` is "" where ``role`` is not ``class``."""

    id: str
    file: str
    name: str
    role: str
    label: str = ""


@dataclass
class Project:
    """Classes and images that are trained with together."""

    id: str
    name: str = ""
    created: float = 0.0
    classes: list[str] = field(default_factory=list)
    images: list[ProjectImage] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the page and for ``project.json``."""
        return asdict(self)


class Projects:
    """The projects in a folder; every method may be called from any thread.

    Args:
        folder: of all projects.
        most: images that one may have.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._lock = threading.RLock()

    def all(self) -> list[Project]:
        """Every project, the newest first."""
        found = [self.get(path.parent.name) for path in self._folder.glob("*/project.json")]
        return sorted(found, key=lambda project: -project.created)

    def create(self, name: str = "") -> Project:
        """A new, empty project."""
        project = Project(secrets.token_hex(5), cleaned_name(name), time.time())
        (self.folder(project.id) / "images").mkdir(parents=True)
        self._save(project)
        return project

    def folder(self, project: str) -> Path:
        """The folder of a project.

        Raises:
            VisionLoraError: that is no project's id.
        """
        return self._folder / checked_id(project)

    def get(self, project: str) -> Project:
        """A project.

        Raises:
            VisionLoraError: there is none of that id.
        """
        path = self.folder(project) / "project.json"
        if not path.is_file():
            raise VisionLoraError("there is no such project; it may have been deleted")
        with self._lock:
            values = read_json(path)
        images = [ProjectImage(**image) for image in values.pop("images")]
        return Project(**values, images=images)

    def rename(self, project: str, name: str) -> Project:
        """Give the project another name."""
        with self._lock:
            found = self.get(project)
            found.name = cleaned_name(name)
            return self._save(found)

    def add(self, project: str, files: Sequence[tuple[Path, str]], role: str, label: str) -> dict[str, Any]:
        """Take files into the project; they are moved there.

        Args:
            project: its id.
            files: where each is now, and what it was called.
            role: of :data:`ROLES`.
            label: the class; "" unless ``role`` is ``class``.

        Returns:
            ``added``, and ``left_out``: a list of name and reason.
        """
        label = _label(role, label)
        left_out: list[tuple[str, str]] = []
        with self._lock:
            found = self.get(project)
            known = {(image.file, image.role, image.label) for image in found.images}
            before = len(found.images)
            for path, name in files:
                reason = None
                suffix = Path(name).suffix.casefold()
                if any(map(is_system_file, _parts(name))):
                    reason = "left there by a file manager or another program"
                elif suffix not in SUFFIXES:
                    reason = _TABLE if suffix in TABLES else "not an image"
                elif len(found.images) >= self._most:
                    reason = f"the project has {self._most:,} images, as many as it may"
                if reason is not None:
                    left_out.append((_shown(name), reason))
                    continue
                digest = _digest(path)
                file = f"{digest}{suffix}"
                if (file, role, label) in known:
                    left_out.append((_shown(name), "it is there already"))
                    continue
                known.add((file, role, label))
                target = self.folder(project) / "images" / file
                if not target.exists():
                    shutil.move(path, target)
                found.images.append(ProjectImage(secrets.token_hex(6), file, _shown(name), role, label))
            if label and label not in found.classes and any(one.label == label for one in found.images):
                found.classes.append(label)
            self._save(found)
        return {"added": len(found.images) - before, "left_out": left_out}

    def remove(self, project: str, images: Iterable[str]) -> Project:
        """Take images out; their files go where no other image of the project has them."""
        gone = set(images)
        with self._lock:
            found = self.get(project)
            kept = [image for image in found.images if image.id not in gone]
            files = {image.file for image in kept}
            for image in found.images:
                if image.file not in files:
                    (self.folder(project) / "images" / image.file).unlink(missing_ok=True)
            found.images = kept
            return self._save(found)

    def rename_class(self, project: str, old: str, new: str) -> Project:
        """Give a class another name; "" removes it with its images.

        The name may be that of another class: an image that both have is in it once.
        """
        with self._lock:
            found = self.get(project)
            name = cleaned_name(new)
            own = [image for image in found.images if image.role == "class" and image.label == old]
            there = {image.file for image in found.images if image.role == "class" and image.label == name}
            gone = {image.id for image in own if not name or (image.file in there and name != old)}
            if gone:
                found = self.remove(project, gone)
            for image in found.images:
                if image.label == old and image.role == "class":
                    image.label = name
            names = [name if one == old else one for one in found.classes]
            found.classes = [one for one in dict.fromkeys(names) if one]
            return self._save(found)

    def add_class(self, project: str, name: str) -> Project:
        """An empty class, for images to come."""
        with self._lock:
            found = self.get(project)
            name = _label("class", name)
            if name not in found.classes:
                found.classes.append(name)
            return self._save(found)

    def image(self, project: str, image: str) -> Path:
        """The file of an image.

        Raises:
            VisionLoraError: there is none of that id.
        """
        for one in self.get(project).images:
            if one.id == image:
                return self.folder(project) / "images" / one.file
        raise VisionLoraError("there is no such image; it may have been removed")

    def delete(self, project: str, bin_folder: Path) -> None:
        """Put the project into the bin."""
        with self._lock:
            to_bin(self.folder(project), bin_folder)

    def _save(self, project: Project) -> Project:
        write_json(self.folder(project.id) / "project.json", project.as_json())
        return project


def checked_id(value: str) -> str:
    """An id of ours, which is safe as the name of a folder.

    Raises:
        VisionLoraError: it is something else.
    """
    if not _ID.fullmatch(value):
        raise VisionLoraError(f"{_shown(value)!r} is not an id")
    return value


def cleaned_name(name: str) -> str:
    """A name as a person means it: one line, without control sequences, not too long."""
    return " ".join(printable(name).split())[:_LONGEST_NAME]


def to_bin(folder: Path, bin_folder: Path) -> None:
    """Move a folder into the bin, where it can be taken out again by hand."""
    bin_folder.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, bin_folder / f"{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")


def counts(project: Project) -> dict[str, int]:
    """Images of each class."""
    return dict(Counter(image.label for image in project.images if image.role == "class"))


def _label(role: str, label: str) -> str:
    if role not in ROLES:
        raise VisionLoraError(f"images are for one of {', '.join(ROLES)}")
    label = cleaned_name(label)
    if role == "class" and not label:
        raise VisionLoraError("give the class a name first")
    return label if role == "class" else ""


def _shown(name: str) -> str:
    return printable(name.replace("\\", "/").rsplit("/", 1)[-1])[-_LONGEST_NAME:]


def _parts(name: str) -> list[str]:
    """Of a file's name, with the folders that the browser names."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:32]
