"""Train in the browser: ``visionlora studio`` opens one page."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.settings import build, plain
from visionlora.studio.config import StudioOptions

COMMAND = Command(
    "studio",
    "open a page in the browser: images, training, result, without a terminal",
    StudioOptions,
    ("visionlora studio", "visionlora studio folder=my_studio port=8000 open=false"),
)


def studio(config: DictConfig) -> int:
    """Serve the page until Ctrl-C."""
    options = build(StudioOptions, plain(config))
    from visionlora.studio.serve import serve

    serve(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(studio, COMMAND)
