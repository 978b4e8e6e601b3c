"""The error that the user can correct."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

MOST_LETTERS = 4000
"""Of a message."""


class VisionLoraError(Exception):
    """A mistake in the input, in one line: what is wrong, which file, layer or key, and what to do next.

    Commands print the message without a traceback and exit with ``exit_code``.
    """

    exit_code = 2

    def __str__(self) -> str:
        # Libraries repeat what they read in their messages, and a file may hold a name of any length.
        text = super().__str__()
        return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 500]} ... {text[-400:]}"


@contextmanager
def about(option: str) -> Iterator[None]:
    """Inside, errors name the option that names the files."""
    try:
        yield
    except VisionLoraError as error:
        text = str(error)
        # "images" is a word of the message too, where it is not the option's name.
        named = option in text if "." in option else text.startswith(option) or f"{option}=" in text
        if not named:
            error.args = (f"{option}: {error}",)
        raise


@contextmanager
def called(option: str, here: str) -> Iterator[None]:
    """Inside, errors about ``option`` name it as this command calls it."""
    try:
        yield
    except VisionLoraError as error:
        text = str(error)
        if text.startswith(f"{option}: "):
            error.args = (f"{here}: {text.removeprefix(f'{option}: ')}",)
        raise


class MachineFault(VisionLoraError):
    """No mistake in the input: a full disk, too little memory. What was written before is intact."""

    exit_code = 4


class WeightFileError(VisionLoraError):
    """A weight file that cannot be used. The message begins with the file; the code that knows which option
    names the file puts the option in front."""


class Diverged(VisionLoraError):
    """Training left the numbers: NaN, infinity, or as good as that.

    Args:
        what: is no number, and at which step.
        advice: what to do.
        images: of the step's batch, their places among the training images.
        names: of some of these images.
    """

    def __init__(self, what: str, advice: str, images: Sequence[int] = (), names: str = "") -> None:
        super().__init__(f"{what}{f' (images {names})' if names else ''}; {advice}")
        self.what, self.advice, self.images = what, advice, tuple(images)
