"""The console command: ``visionlora train ...`` is ``python -m visionlora.train ...``."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import NoReturn

from visionlora import __version__
from visionlora.installed import require_commands
from visionlora.lazy import garbage_kept
from visionlora.signals import starting

COMMANDS = (
    "check",
    "train",
    "predict",
    "evaluate",
    "merge",
    "quantise",
    "combine",
    "extract",
    "convert",
    "export",
    "explain",
    "runs",
    "adapters",
    "push",
    "meta",
    "studio",
)
HELP = ("-h", "--help", "help")
MODULES = {"adapters": "gallery"}
"""Of commands that are not called like their module: ``visionlora.adapters`` is a package."""


def module_of(name: str) -> ModuleType:
    """The module of a command; one line, and exit code 2, where only the library is installed."""
    require_commands()
    return importlib.import_module(f"visionlora.{MODULES.get(name, name)}")


def usage() -> str:
    """The help text: one line for each command."""
    summaries = {name: module_of(name).COMMAND.summary for name in COMMANDS}
    lines = [f"  visionlora {name:<9} {summary}" for name, summary in summaries.items()]
    first, last = "usage: visionlora COMMAND [KEY=VALUE ...]", "visionlora COMMAND --help [GROUP or KEY]"
    return "\n".join([first, "", *lines, "", last])


def complete(arguments: list[str]) -> NoReturn:
    """Hydra's shell completion, for the command in the line that the shell asks about."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    name = words[1] if len(words) > 1 and words[1] in COMMANDS else None
    if name is None and any(word.startswith("query=") for word in arguments):
        print(" ".join(COMMANDS))
        sys.exit(0)
    if name is not None:
        os.environ["COMP_LINE"] = line.replace(f" {name}", "", 1)
    sys.argv = ["visionlora", *arguments]
    module_of(name or "train").main()
    sys.exit(0)


def about_command(asked: list[str]) -> list[str]:
    """``--help train lora`` as ``train --help lora``; a word that is no command is a name in train."""
    if asked[0] in COMMANDS or difflib.get_close_matches(asked[0], COMMANDS, n=1):
        return [asked[0], "--help", *asked[1:]]
    return ["train", "--help", *asked]


def reading_for(name: str, words: Sequence[str]) -> AbstractContextManager[None]:
    """Inside, the images that the check will ask for are read, while Hydra is imported and composes.

    A folder that is written in another way than as ``data.root=FOLDER`` is read when the check asks.
    """
    roots = [word.partition("=")[2] for word in words if word.startswith("data.root=")]
    if name != "check" or len(roots) != 1:
        return nullcontext()
    require_commands()
    with garbage_kept():
        from visionlora.data.ahead import reading_ahead

    return reading_ahead(roots[0])


@starting()
def main() -> None:
    """Hand the rest of the command line to the command that its first word names."""
    arguments = sys.argv[1:]
    if len(arguments) > 1 and arguments[0] in HELP:
        arguments = about_command(arguments[1:])
    if not arguments or arguments[0] in HELP:
        from visionlora.terminal import show

        show(usage())
        sys.exit(0 if arguments else 2)
    name = arguments[0]
    if name in {"--version", "-V", "version"}:
        print(f"visionlora {__version__}")
        sys.exit(0)
    if name in {"-sc", "--shell-completion"}:
        complete(arguments)
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        if name == "sweep":  # the field's word for it, and that of the docs
            close = ["train -m"]
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(COMMANDS)}"
        print(f"error: there is no command {name!r}; {hint}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"visionlora {name}", *arguments[1:]]
    with reading_for(name, arguments[1:]):
        module_of(name).main()


if __name__ == "__main__":
    main()
