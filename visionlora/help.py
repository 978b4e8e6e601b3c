"""What ``--help`` prints, from the options themselves."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from visionlora.arguments import presets
from visionlora.options import shown, takes
from visionlora.settings import Group, Key

_FLAGS = """\
flags
  --help [GROUP]        this text, or one group of it
  --version             the version
  -m, --multirun        a run for each of several values: lora.rank=1,2,4; data.root=choice(FOLDER, FOLDER)
  --cfg job             print the configuration that would be used
  --config-dir DIR      presets of your own: DIR/GROUP/NAME.yaml is GROUP=NAME
  -sc install=bash      (or zsh, fish) print the shell's completion: eval "$(visionlora -sc install=bash)"
"""


def command_help(
    title: str, examples: Sequence[str], keys: Sequence[Key], groups: Sequence[Group], folders: Sequence[Path]
) -> str:
    """Every option of a command."""
    parts = [title, "\n".join(f"  {example}" for example in examples)]
    parts.append("Settings are written KEY=VALUE; a path is taken as it is, spaces, commas and brackets too.")
    if keys:
        parts.append("\n".join(["general", *map(_entry, keys)]))
    parts += [group_help(group, folders) for group in groups]
    return "\n\n".join([*parts, _FLAGS.rstrip()])


def group_help(group: Group, folders: Sequence[Path] = ()) -> str:
    """The options of one group."""
    about = " ".join((group.cls.__doc__ or "").split("\n\n")[0].replace("``", "").split())
    choices = [f"{group.name}={name}" for name in presets(group, folders)]
    lines = [f"{group.name}: {about}"]
    if len(choices) > 1:
        lines.append(f"  presets: {', '.join(choices)}")
    if group.name == "model":
        lines.append("  model=NAME is short for model.name=NAME")
    return "\n".join([*lines, *map(_entry, group.keys)])


def _entry(key: Key) -> str:
    default = key.default if isinstance(key.default, str) else shown(key.default)
    default = "(required)" if default == "???" else default
    width = max(70, min(shutil.get_terminal_size().columns, 110))
    first = f"  {f'{key.name}={default}':<34}  {takes(key.hint, key.rule)}"
    lines = textwrap.wrap(first, width, subsequent_indent=" " * 38)
    return "\n".join([*lines, *(f"      {line}" for line in textwrap.wrap(key.rule.help, width - 6))])
