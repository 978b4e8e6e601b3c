"""Learn a start of adapters from the classes of a folder: ``python -m visionlora.meta data.root=FOLDER``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, in_sweep, launch
from visionlora.lazy import garbage_kept
from visionlora.meta_learning.config import MetaOptions
from visionlora.settings import build, plain
from visionlora.signals import Stopped, stoppable
from visionlora.terminal import print_error

COMMAND = Command(
    "meta",
    "learn a start for adapters from the classes of a folder; lora.init=FOLDER uses it",
    MetaOptions,
    (
        "visionlora meta data.root=FOLDER start=outputs/start",
        "visionlora meta data.root=FOLDER model=squeezenet1_1 meta.held_out=10 meta.method=maml",
    ),
)


def meta(config: DictConfig) -> int:
    """Learn, show and save."""
    options = build(MetaOptions, plain(config))
    with garbage_kept():
        from visionlora.meta_learning.run import learn_start, progress_in_words

    try:
        with stoppable():
            learn_start(options)
    except Stopped as stopped:
        if in_sweep():
            raise  # it ends the sweep, not this start alone
        print_error(f"{stopped}; {progress_in_words(options.start)}")
        return stopped.exit_code
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(meta, COMMAND)


if __name__ == "__main__":
    main()
