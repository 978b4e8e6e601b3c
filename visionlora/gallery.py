"""List a folder of adapters: ``visionlora adapters FOLDER report=gallery.html``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from visionlora.arguments import folder_first
from visionlora.command import Command, launch
from visionlora.files import require_all_writable
from visionlora.options import Section, option
from visionlora.settings import build, plain
from visionlora.terminal import print_error
from visionlora.text import counted

SOME_BROKEN = 3
"""The exit code where some adapters could not be read."""


@dataclass(frozen=True, kw_only=True)
class GalleryOptions(Section):
    """Options of ``visionlora adapters``."""

    folder: str = option("outputs", "a folder with adapters in it, at any depth", path=True)
    report: str | None = option(
        None, "a page with the previews, to look through and compare", path=True, suffixes=(".html",)
    )
    sort: str = option(
        "date", "what adapters are sorted by",
        words=(
            "name", "network", "classes", "rank", "size", "learned", "forgotten", "false_positives", "date",
        ),
    )  # fmt: skip
    filter: str | None = option(None, "words that an adapter's name, network, family or classes have to have")


COMMAND = Command(
    "adapters",
    "list the adapters in a folder, with their figures, in the terminal and as a page",
    GalleryOptions,
    (
        "visionlora adapters outputs",
        "visionlora adapters outputs report=gallery.html sort=learned filter=vgg",
    ),
)


def gallery(config: DictConfig) -> int:
    """Find, sort, show, write; returns `SOME_BROKEN` where an adapter could not be read."""
    options = build(GalleryOptions, plain(config))
    require_all_writable(report=options.report)
    from visionlora.plain_table import show
    from visionlora.report.gallery import (
        filter_entries,
        find_adapters,
        gallery_table,
        sort_entries,
        write_gallery_page,
    )
    from visionlora.text import printable

    found, problems = find_adapters(Path(options.folder))
    shown = sort_entries(filter_entries(found, options.filter or ""), options.sort)
    if shown:
        show(gallery_table(shown))
    if len(shown) < len(found):
        print(f"{len(shown)} of {counted(len(found), 'adapter')} with the words {printable(options.filter)}")
    if options.report is not None:
        write_gallery_page(shown, options.folder, options.sort, Path(options.report))
        print(f"{printable(options.report)} shows {counted(len(shown), 'adapter')}")
    for problem in problems:
        print_error(f"left out: {problem}")
    return SOME_BROKEN if problems else 0


def main() -> None:
    """Entry point of the command."""
    sys.argv[1:] = folder_first(sys.argv[1:])
    launch(gallery, COMMAND)


if __name__ == "__main__":
    main()
