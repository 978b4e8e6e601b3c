"""What a run says on the terminal when it starts, and when it ends."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from visionlora.data.check.findings import ClassRow, Output
from visionlora.data.splits.make_splits import ImageFolder
from visionlora.paths import program
from visionlora.report.folder_table import classes_table
from visionlora.text import counted, printable

MOST_CLASSES = 12
"""Rows of the table of classes; the check of a folder has more."""


def found_block(folder: ImageFolder, outputs: dict[str, Output], plan: str) -> RenderableType:
    """The folder, its classes with images by split and the network's output for each, and what will be done.

    Args:
        folder: the images.
        outputs: class -> the network's output that it means.
        plan: the training in words (:func:`training_plan`).
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("folder", Text(printable(folder.root)))
    if folder.layout:
        grid.add_row("layout", Text(printable(folder.layout)))
    grid.add_row("training", Text(f"{counted(len(folder.train), 'image')}, {plan}"))
    grid.add_row("validation", _validation(folder))
    if folder.test:
        grid.add_row(
            "test", Text(f"{counted(len(folder.test), 'image')}, they report the result and choose nothing")
        )
    rows = [ClassRow(name, _counts(folder, name), outputs.get(name)) for name in folder.classes]
    return Group(heading("Found"), grid, Text(), classes_table(rows, MOST_CLASSES), Text())


def heading(name: str) -> RenderableType:
    """The heading of a part of the output: Found, Training, Result, Next."""
    return Group(Text(), Text(name, style="bold underline"))


def training_plan(steps: int, batch_size: int, validations: int, patience: int | None) -> str:
    """The training in words.

    Args:
        steps: optimizer steps.
        batch_size: images of a step.
        validations: how often it validates; 0: never.
        patience: validations without progress after which training stops; None: never.
    """
    plan = f"{counted(steps, 'step')}, batch size {batch_size}"
    if validations:
        plan += f", validated {'once' if validations == 1 else f'{validations:,} times'}"
    if patience is not None and validations > patience:
        plan += f"; stops early after {counted(patience, 'validation')} without progress"
    return plan


def next_block(run: Path, images: Path) -> tuple[str, ...]:
    """The command lines that a user may want after a run, quoted for the shell.

    Args:
        run: its folder.
        images: a folder of images to predict.
    """
    commands = [
        (
            *program("visionlora", "visionlora"),
            "predict",
            f"adapter={os.fspath(run)}",
            f"images={os.fspath(images)}",
        )
    ]
    if (run / "tensorboard").is_dir():  # not with another logger
        commands.append((*program("tensorboard", "tensorboard.main"), "--logdir", os.fspath(run)))
    return tuple(printable(shlex.join(words)) for words in commands)


def example_images(folder: ImageFolder) -> Path:
    """A folder of images to predict, so that the command works as it is: the one of the validation images, if
    no image of it was learned from; else the whole, or of a table the folder of its first image."""
    with suppress(ValueError):  # no validation images, or relative and absolute paths: no common folder
        apart = Path(os.path.commonpath([image.path.parent for image in folder.val]))
        if not any(image.path.is_relative_to(apart) for image in folder.train):
            return apart
    return folder.root if folder.root.is_dir() else (*folder.val, *folder.train)[0].path.parent


def show_next(run: Path, images: Path, console: Console) -> None:
    """Print where the run is and :func:`next_block`, a command a line, not wrapped: to be copied."""
    console.print(heading("Next"))
    report = run / "report.html"
    first = f"the run is in {printable(run)}"
    if report.is_file():
        first = f"{printable(report)} shows all of this with the images"
    for line in (first, *next_block(run, images)):
        console.print(Text(line), soft_wrap=True)


def _validation(folder: ImageFolder) -> Text:
    if not folder.val:
        return Text("none: what is learned is not measured", style="yellow")
    if folder.val == folder.train:
        return Text(f"{counted(len(folder.val), 'image')}, those of training", style="yellow")
    own = "the folder's own" if folder.split == "given" else "held out: not trained on"
    return Text(f"{counted(len(folder.val), 'image')}, {own}")


def _counts(folder: ImageFolder, label: str) -> dict[str, int]:
    splits = {"train": folder.train, "val": folder.val, "test": folder.test}
    return {split: sum(label in one.names for one in images) for split, images in splits.items()}
