"""What a learned start says of the options that have no effect on it."""

from __future__ import annotations

from visionlora.meta_learning.config import MetaOptions
from visionlora.notices import Notices
from visionlora.options import given

_IN_STEPS = ("weight", "temperature")


def announce_unused(options: MetaOptions, classes: int, anchors: bool, notices: Notices) -> None:
    """Name the options that were given and have no effect.

    Args:
        options: of the command.
        classes: that tasks are made of.
        anchors: whether there are any.
        notices: where it is said.
    """
    meta, kept = options.meta, given("retention", options.retention, *_IN_STEPS)
    if meta.classes > classes and given("meta", meta, "classes"):
        notices.warn(
            f"each task has only {classes} classes: there are fewer than meta.classes={meta.classes}"
        )
    if meta.method == "aligned" and not meta.held_out:
        steps = given("meta", meta, "steps", "lr")
        notices.unused([*steps, *kept], "aligned takes no steps, and no classes are held out (meta.held_out)")
    elif not anchors:
        notices.unused(kept, "there are no anchors (retention.anchors)")


def announce_lengths(options: MetaOptions, gaussian: int, notices: Notices) -> None:
    """The same once it is known how many layers begin Gaussian."""
    if not gaussian:
        notices.unused(given("lora", options.lora, "init_std"), "no layer begins Gaussian")
