"""What differs between a run as it was started and the attempt to continue it, in sentences."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from visionlora.data.files.root import as_written
from visionlora.data.splits.manifest import ReadImage
from visionlora.errors import VisionLoraError
from visionlora.paths import with_home
from visionlora.run_folder.config_file import set_value
from visionlora.settings import Key
from visionlora.value_text import shown_beside

WITHOUT_EFFECT = {
    "data.workers", "data.cache_mb", "cache.memory_mb", "trainer.progress", "trainer.reuse_memory",
    "trainer.checkpoint_steps", "trainer.checkpoint_minutes", "logger",
}  # fmt: skip
"""Options that may differ: the adapter does not depend on them."""
IMAGE_PLACES = ("data.root", "retention.anchors", "retention.root", "contrast.anchors", "contrast.root")
"""Options that name folders of images: where these are may differ, as long as the images are the same."""


def given_options(
    overrides: Sequence[str], composed: DictConfig, defaults: DictConfig, keys: Mapping[str, Key]
) -> dict[str, Any]:
    """The options that a command line sets, by name.

    Args:
        overrides: the words of the command line.
        composed: what they give.
        defaults: the same without them; what a preset changes is the difference.
        keys: every option of the command.
    """
    named = {word.partition("=")[0].lstrip("+") for word in overrides}
    return {
        name: value
        for name, value in options_of(composed, keys).items()
        if name in named
        or any(one.startswith(f"{name}.") for one in named)
        or value != value_of(defaults, name)
    }


def options_of(config: DictConfig, keys: Mapping[str, Key]) -> dict[str, Any]:
    """What a run's result depends on, by name; values as the record has them, where every key is a text."""
    values = {name: value_of(config, name) for name in keys if not name.startswith("resume.")}
    return json.loads(json.dumps(values, default=str, skipkeys=True))


def options_at_start(recorded: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a run was begun with; those that were not recorded are as they are now.

    Args:
        recorded: sections of options, as the record has them.
        options: by name, as its configuration has them now.
    """
    found = dict(options)
    for name in options:
        value: Any = recorded
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                break
            value = value[part]
        else:
            found[name] = value
    return found


def edited_options(begun: Mapping[str, Any], now: Mapping[str, Any], file: str) -> dict[str, str]:
    """Which options of a run's configuration file are others than when it was begun, and how."""
    found = {}
    for name, value in now.items():
        if value != begun[name]:
            here, before = shown_beside(value, begun[name])
            found[name] = f"{name} is {here} in {file}, and the run was begun with {before}"
    return found


def option_differences(
    begun: Mapping[str, Any], given: Mapping[str, Any], keys: Mapping[str, Key], directory: Path
) -> dict[str, str]:
    """Which given options differ from those of the run, and how.

    Args:
        begun: the options that the run was begun with, by name.
        given: options by name.
        keys: every option of the command.
        directory: that the run was started in; its relative paths start there.
    """
    found = {}
    for name, value in given.items():
        before = begun[name]
        same = value == before
        if not same and keys[name].rule.path:
            same = absolute(value, Path.cwd()) == absolute(before, directory)
        if not same:
            here, there = shown_beside(value, before)
            found[name] = f"{name} is {here}, and the run has {there}"
    return found


def image_differences(
    before: Sequence[ReadImage], now: Sequence[ReadImage], unread: Collection[str] = ()
) -> list[str]:
    """Which images were changed, added or removed. The same images at another place are no difference.

    Args:
        before, now: the images.
        unread: absolute paths of files that are there and cannot be read now.
    """
    if [(one.role, one.label, one.sha256) for one in before] == [
        (one.role, one.label, one.sha256) for one in now
    ]:
        return []
    old, new = ({(one.role, one.path): one for one in images} for images in (before, now))
    found = [
        f"{path} ({role}) {'cannot be read any more' if path in unread else 'was removed'}"
        for role, path in old if (role, path) not in new
    ]  # fmt: skip
    found += [f"{path} ({role}) was added" for role, path in new if (role, path) not in old]
    for (role, path), image in new.items():
        was = old.get((role, path), image)
        if image.sha256 != was.sha256:
            found.append(f"{path} ({role}) was changed")
        elif image.label != was.label:
            found.append(f"{path} ({role}) was {was.label} and is {image.label} now")
    return found or ["the images come in another order"]


def value_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Which recorded values are others now; what was not recorded is no difference."""
    return [
        "{} is {}, and was {}".format(name, *shown_beside(value, before[name]))
        for name, value in now.items()
        if name in before and before[name] != value
    ]


def anchored(config: DictConfig, keys: Mapping[str, Key], directory: Path) -> None:
    """Let the relative paths of a configuration start in ``directory``, where that leads to something."""
    for name, key in keys.items():
        value = value_of(config, name)
        if not key.rule.path or value is None:
            continue
        if isinstance(value, list):
            set_value(config, name, [_anchored(one, directory) for one in value])
        elif value not in key.rule.words:
            set_value(config, name, _anchored(value, directory))


def require_places(config: DictConfig, given: Collection[str], run: Path, directory: Path) -> None:
    """Refuse to continue a run where its images are not there any more, and say how it continues.

    Args:
        config: of the run, :func:`anchored`.
        given: the options that the command line sets: what is wrong with those is no move.
        run: its folder.
        directory: that it was started in.

    Raises:
        VisionLoraError: a folder of images is gone.
    """
    for name in IMAGE_PLACES:
        value = value_of(config, name)
        if name in given or value in (None, "auto"):
            continue
        for one in value if isinstance(value, list) else [value]:
            path = directory / as_written(str(one))
            in_archive = any(map(os.path.isfile, path.parents))
            if not in_archive and not os.path.exists(path):  # noqa: PTH110
                again = shlex.join(("visionlora", "train", f"resume={run}", f"{name}=FOLDER"))
                raise VisionLoraError(
                    f"{name}: {path} is not there any more; if its images were moved, continue with {again}"
                )


def _anchored(path: Any, directory: Path) -> Any:
    moved = directory / str(path)
    return str(moved) if os.path.exists(moved) else path  # noqa: PTH110 - Path.exists raises for long names


def absolute(value: Any, directory: Path) -> Any:
    """The path, or each path, of an option, where relative ones start in ``directory``; others stay."""
    if isinstance(value, (list, tuple)):
        return [absolute(one, directory) for one in value]
    if not isinstance(value, str):
        return value
    return (directory / with_home(value)).absolute()


def value_of(config: DictConfig, name: str) -> Any:
    """An option's value as plain Python; a list for a tuple."""
    value = OmegaConf.select(config, name)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
