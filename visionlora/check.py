"""Check a folder before training: ``visionlora check data.root=FOLDER report=check.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.data.config import DataConfig, task_option
from visionlora.files import require_all_writable
from visionlora.lazy import garbage_kept
from visionlora.models.config import ModelConfig
from visionlora.options import Section, option, section
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.settings import build, plain


@dataclass(frozen=True, kw_only=True)
class CheckOptions(Section):
    """Options of ``visionlora check``."""

    seed: int = option(
        0, "seed of the validation split, where the folder has no val", at_least=0, at_most=2**32 - 1
    )
    task: str = task_option()
    strays: bool | str = option(
        "auto",
        "whether mislabelled images are looked for; auto: by pocket, up to 2,000 images; true: by model",
        words=("auto",),
    )
    report: str | None = option(
        None, "a page of all that was found, with the images", path=True, suffixes=(".html",)
    )
    cache: bool = option(True, "whether what was read is remembered, so that a second check takes a moment")
    model: ModelConfig = section(only=("name", "weights"))
    retention: RetentionConfig = section(only=("anchors", "root"))
    contrast: ContrastConfig = section(only=("anchors", "root"))
    data: DataConfig = section(
        "folder", only=("root", "class_name", "class_from", "separator", "val_fraction")
    )


COMMAND = Command(
    "check",
    "look at a folder before training: layout, classes, duplicates, mislabelled images",
    CheckOptions,
    (
        "visionlora check data.root=FOLDER",
        "visionlora check data.root=FOLDER report=check.html model=pocket",
    ),
)

WRONG = 1
"""The exit code where something would stop or mislead a training."""


def check(config: DictConfig) -> int:
    """Check, show, write; 1 where something would stop or mislead a training, 0 otherwise."""
    options = build(CheckOptions, plain(config))
    require_all_writable(report=options.report)
    retention, contrast = options.retention, options.contrast
    others = {
        "anchors": folders_of(retention.anchors),
        "negatives": folders_of(contrast.anchors),
        "retention": folders_of(retention.root),
        "contrast": folders_of(contrast.root),
    }
    separator = options.data.separator if options.task == "multi_label" else None
    with garbage_kept():
        from rich.console import Console

        from visionlora.data.ahead import read_early
        from visionlora.evaluation.folder_check import FolderCheck, check_folder
        from visionlora.report.folder_table import show_summary

    console = Console()
    asked = FolderCheck(
        data=options.data, model=options.model, others=others, seed=options.seed, strays=options.strays,
        cache=options.cache, separator=separator,
    )  # fmt: skip
    folder, report = check_folder(asked, console, read_early(options.data.root))
    report = replace(report, given=_given(options))
    page = Path(options.report) if options.report else None
    if page is not None:
        from visionlora.report.folder_page import write_folder_page

        write_folder_page(report, folder, page)
    show_summary(report, console, page)
    return WRONG if report.count("error") else 0


def _given(options: CheckOptions) -> tuple[str, ...]:
    """The options that make a training find the same images and outputs."""
    words = [f"data.root={options.data.root}"]
    if options.task != "single_label":
        words.append(f"task={options.task}")
    if options.seed != CheckOptions.seed:
        words.append(f"seed={options.seed}")
    for name in ("class_name", "class_from", "separator", "val_fraction"):
        words.extend(_changed(f"data.{name}", getattr(options.data, name), getattr(DataConfig, name)))
    words.extend(_changed("model", options.model.name, ModelConfig.name))
    words.extend(_changed("model.weights", options.model.weights, ModelConfig.weights))
    for key, part in (("retention", options.retention), ("contrast", options.contrast)):
        for name in ("anchors", "root"):
            words.extend(_changed(f"{key}.{name}", getattr(part, name), getattr(type(part), name)))
    return tuple(words)


def _changed(key: str, value: object, default: object) -> list[str]:
    """``KEY=VALUE``, as it is typed, where a value is not the default."""
    if value == default:
        return []
    if isinstance(value, (list, tuple)):
        return [f"{key}=[{', '.join(repr(item) if ',' in item else item for item in value)}]"]
    return [f"{key}={'null' if value is None else value}"]


def folders_of(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """The folders that a setting names; those that ``auto`` would choose are none of the user's."""
    if value is None or value == "auto":
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def main() -> None:
    """Entry point of the command."""
    launch(check, COMMAND)


if __name__ == "__main__":
    main()
