"""The console command: ``visionlora train ...`` is ``python -m visionlora.train ...``."""

from __future__ import annotations

import difflib
import importlib
import sys

COMMANDS = {
    "check": "look at a folder before training: layout, classes, duplicates, what may be wrong",
    "train": "teach a pretrained network a handful of images",
    "predict": "name the images of a file, folder or glob with an adapter",
    "evaluate": "measure an adapter on a labelled folder",
    "merge": "write plain weights with the adapter merged in",
    "explain": "show how each adapted layer is computed, and what each way would take",
}


def usage() -> str:
    """The help text: one line a command."""
    lines = [f"  visionlora {name:<9} {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        ["usage: visionlora COMMAND [key=value ...]", "", *lines, "", "visionlora COMMAND --help"]
    )


def main() -> None:
    """Hand the rest of the command line to the command that its first word names."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        sys.exit(0 if arguments else 2)
    name = arguments[0]
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(COMMANDS)}"
        print(f"error: no command {name!r}{hint}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"visionlora {name}", *arguments[1:]]
    importlib.import_module(f"visionlora.{name}").main()


if __name__ == "__main__":
    main()
