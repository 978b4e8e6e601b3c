"""A run's folder, new or to be continued."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from visionlora.data.check.overlap import overlaps
from visionlora.data.images.decode import ImageFile
from visionlora.data.splits.manifest import read_images, read_manifest, write_manifest
from visionlora.errors import VisionLoraError
from visionlora.files import remove_unfinished, replacing
from visionlora.notices import Notices
from visionlora.run_folder.compare import (
    IMAGE_PLACES,
    WITHOUT_EFFECT,
    anchored,
    edited_options,
    image_differences,
    option_differences,
    options_at_start,
    options_of,
    value_differences,
)
from visionlora.run_folder.config_file import load_config, set_value, with_decided
from visionlora.run_folder.lost_results import lost_results, made_again
from visionlora.run_folder.names import CONFIG, IMAGES, KERNELS, METRICS, RECORD
from visionlora.run_folder.nearest_run import no_run
from visionlora.run_folder.record import Record
from visionlora.settings import Key

if TYPE_CHECKING:
    from visionlora.run_folder.checkpoints import Checkpoints


class RunFolder:
    """The folder of one run, which belongs to this process (:func:`visionlora.run_folder.lock.claimed`).

    Attributes:
        path: of the folder.
        record: what the run decided for itself so far.
        continues: whether it was begun before.
    """

    def __init__(self, path: Path, continues: bool, force: bool = False) -> None:
        self.path = path
        self.continues = continues
        self.record = Record(path / RECORD)
        self._force = force
        self._config: DictConfig | None = None
        """With accepted differences; written once it is known to be valid."""
        self._differences: list[str] = []
        """Of the options, until there is a place to announce them."""
        self._moved: list[str] = []
        """Differences of options that name images: none where the images are the same."""

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Of the run's training."""
        # Imports torch, which takes seconds; a run that is killed meanwhile can be continued already.
        from visionlora.run_folder.checkpoints import Checkpoints

        return Checkpoints(self.path / "checkpoints")

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: not where an option differs, or a result is gone."""
        done = bool(self.record.get("finished")) and not self._differences
        return done and not any(lost_results(self.path))

    @property
    def has_choices(self) -> bool:
        """Whether choices that depend on a timing were recorded."""
        return (self.path / KERNELS).exists()

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What the run was begun with, as :meth:`check_inputs` recorded it."""
        return self.record.get("inputs", {})

    @classmethod
    def start(cls, path: Path, config: DictConfig) -> RunFolder:
        """A new run: from here on it can be continued.

        Raises:
            VisionLoraError: there is a run already.
        """
        if any((path / name).exists() for name in (CONFIG, METRICS)):
            raise VisionLoraError(
                f"{path} holds a run already; continue it with resume={path}, or name another folder with "
                "hydra.run.dir=FOLDER"
            )
        if any((path / "checkpoints").glob("*")):
            raise VisionLoraError(
                f"{path / 'checkpoints'} has checkpoints of a run whose {CONFIG} is gone, so it cannot be "
                "continued; remove them, or name another folder with hydra.run.dir=FOLDER"
            )
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path, continues=False)
        folder.record.set("directory", str(Path.cwd()))
        folder.write_config(config)
        return folder

    @classmethod
    def resume(
        cls, path: Path, given: Mapping[str, Any], keys: Mapping[str, Key], force: bool
    ) -> tuple[RunFolder, DictConfig]:
        """A run that was begun, and its configuration.

        Args:
            path: of its folder.
            given: options that the command line sets, by name.
            keys: every option of the command.
            force: whether it may continue with what differs.

        Raises:
            VisionLoraError: there is no run, or options that are given or were edited differ from the run's.
        """
        config = _read_config(path / CONFIG)
        remove_unfinished(path)
        folder = cls(path, continues=True, force=force)
        with _sound(path / CONFIG):
            directory = Path(folder.record.get("directory", "."))
            now = options_of(config, keys)
            begun = options_at_start(folder.record.get("options", {}), now)
            # What the run decided for an option may be given as its value: it is what the run has.
            decided = folder.record.get("decided", {})
            others = {name: value for name, value in given.items() if value != decided.get(name, begun[name])}
            differing = option_differences(begun, others, keys, directory)
            for name in given:
                set_value(config, name, given[name] if name in differing else begun[name])
                del now[name]
            differing |= edited_options(begun, now, CONFIG)
            # Without the list of images nothing else would tell whether they are the same.
            places = IMAGE_PLACES if (path / IMAGES).exists() else ()
            folder._moved = [text for name, text in differing.items() if name in places]
            folder._differences = [
                text for name, text in differing.items() if name not in (*places, *WITHOUT_EFFECT)
            ]
            folder._refuse(folder._differences)
            anchored(config, {name: keys[name] for name in IMAGE_PLACES if name in given}, Path.cwd())
            folder._config = copy.deepcopy(config)
            anchored(config, keys, directory)
            if (
                str(OmegaConf.select(config, "trainer.kernel")).lower().endswith(".json")
                and folder.has_choices
            ):
                # They were copied when the run was begun; the file may be gone.
                OmegaConf.update(config, "trainer.kernel", "rule")
        return folder, config

    def config(self) -> DictConfig:
        """The run's configuration.

        Raises:
            VisionLoraError: it cannot be read.
        """
        return _read_config(self.path / CONFIG)

    def write_config(self, config: DictConfig) -> None:
        """Write the configuration, and record it: a later edit of the file is noticed."""
        self.record.set("options", OmegaConf.to_container(config, resolve=True))
        with replacing(self.path / CONFIG) as beside:
            OmegaConf.save(config, beside, resolve=True)

    def decide(self, values: Mapping[str, Any]) -> None:
        """Record values that options left to the run; the configuration has them as comments."""
        self.record.set("decided", {**self.record.get("decided", {}), **values})
        path = self.path / CONFIG
        with replacing(path) as beside:
            beside.write_text(with_decided(path.read_text(encoding="utf-8"), values), encoding="utf-8")

    def check_inputs(
        self,
        images: Mapping[str, Sequence[ImageFile]],
        unread: Sequence[Path],
        values: Mapping[str, Any],
        notices: Notices,
    ) -> None:
        """Record what a run starts with, or compare it with what was recorded.

        Args:
            images: every image file by what it is for.
            unread: those of them that cannot be read.
            values: everything else that the result depends on: versions, the network's fingerprint.
            notices: where accepted differences are announced.

        Raises:
            VisionLoraError: something differs, and nobody said that it may.
        """
        now = read_images(images, unread)
        found = list(self._differences)
        if self.continues:
            found += value_differences(self.record.get("inputs", {}), values)
        if self.continues and (self.path / IMAGES).exists():
            gone = {str(path.absolute()) for path in unread}
            found += image_differences(read_manifest(self.path / IMAGES), now, gone)
        for name, unknown in self._missing():
            notices.warn(f"{self.path / name} is not there: {unknown}")
        self._refuse(found)
        if self.record.get("finished"):
            for text in made_again(self.path, self.checkpoints.last_step):
                notices.warn(text)
            self.record.set("finished", False)
        for text in found:
            notices.warn(f"resume.force=true: {text}")
        for text in self._moved if not found else ():
            notices.say(f"{text}: the images there are the same")
        if (self._differences or self._moved) and self._config is not None:
            self.write_config(self._config)
        if found:
            self.record.set("forced", [*self.record.get("forced", []), *found])
        for text in overlaps(now):
            notices.warn(text)
        self.record.set("inputs", dict(values))
        write_manifest(now, self.path / IMAGES)

    def part(self, name: str, config: DictConfig) -> RunFolder:
        """A run that belongs to this one, in a folder within, new or to be continued."""
        path = self.path / name
        if (path / CONFIG).exists():
            return RunFolder(path, continues=True, force=self._force)
        return RunFolder.start(path, config)

    def check_processor(self, model: str, notices: Notices) -> None:
        """Record the processor's model; say so if it is another than where the run was begun."""
        before = self.record.get("processor", model)
        if before != model:
            notices.warn(
                f"the processor is {model}, and was {before}: the result may differ in its last bits"
            )
        self.record.set("processor", model)

    def discard(self) -> None:
        """Remove a run that failed before it began: its images were not all found and checked."""
        if any(self.path.rglob(IMAGES)):
            return
        for name in (CONFIG, RECORD):
            for file in self.path.rglob(name):
                file.unlink()
        for folder in (*self.path.glob("folds/*"), self.path / "folds"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _missing(self) -> Iterator[tuple[str, str]]:
        """What a run of this progress has written and this one lacks, and what follows."""
        if "inputs" in self.record and not (self.path / IMAGES).exists():
            yield IMAGES, "whether images have changed is not known"
        if self.checkpoints.last_step is None:
            return
        if "inputs" not in self.record:
            yield RECORD, "whether options, the network or versions have changed is not known"
        if not self.has_choices:
            yield KERNELS, "what was chosen by a timing is chosen again, and the last bits may differ"

    def _refuse(self, found: Sequence[str]) -> None:
        if found and not self._force:
            more = f" (and {len(found) - 3} more differences)" if len(found) > 3 else ""
            raise VisionLoraError(
                f"{self.path} would not end at the same result: {'; '.join(found[:3])}{more}. Undo that, or "
                "accept it with resume.force=true"
            )


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Inside, a configuration's values are looked up: where a section is none, it is not that of a run."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise VisionLoraError(f"resume: {path} is not the configuration of a run: {error}") from error


def _read_config(path: Path) -> DictConfig:
    try:
        return load_config(path)
    except FileNotFoundError as error:
        raise no_run(path.parent) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise VisionLoraError(f"resume: {path} cannot be read: {error}") from error
