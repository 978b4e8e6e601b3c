"""What ``--help`` prints, from the options themselves."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from visionlora.arguments import bare_words, closest, is_called, presets
from visionlora.errors import VisionLoraError
from visionlora.options import takes
from visionlora.settings import Group, Key
from visionlora.value_text import shown

_HELP = ("-h", "--help")
_FLAGS = """\
flags
  --help [NAME]         this text, or one group or key of it: --help lora, --help rank
  --version             the version
  -m, --multirun        a run for each of several values: lora.rank=1,2,4; data.root=choice(FOLDER, FOLDER)
  --cfg job             print the configuration that would be used
  --config-dir DIR      presets of your own: DIR/GROUP/NAME.yaml is GROUP=NAME
  -sc install=bash      (or zsh, fish) print the shell's completion: eval "$(visionlora -sc install=bash)"
"""


def asked_about(given: Sequence[str], names: Collection[str]) -> list[str] | None:
    """What ``--help`` is asked about: the words behind it, and those ``names`` that stand before it.

    None: no help is asked for. An empty list: help on everything.
    """
    at = next((place for place, word in enumerate(given) if word.partition("=")[0] in _HELP), None)
    if at is None:
        return None
    before = [word for word in bare_words(given[:at]) if word in names]
    value = given[at].partition("=")[2]
    return [*before, *([value] if value else []), *bare_words(given[at + 1 :])]


def help_on(name: str, keys: Mapping[str, Key], groups: Mapping[str, Group], folders: Sequence[Path]) -> str:
    """A group, a key, or the keys that are called so in any group (``rank``) or elsewhere (``epochs``).

    Raises:
        VisionLoraError: there is nothing of that name.
    """
    if name in groups:
        return group_help(groups[name], folders)
    found = [keys[name]] if name in keys else [key for key in keys.values() if is_called(key, name)]
    if found:
        return "\n".join(map(_entry, found))
    close = closest(name, keys, groups)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are the groups {', '.join(groups)}"
    raise VisionLoraError(f"there is no group or key {name!r}; {hint}")


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


def in_words(default: object) -> str:
    """A default as one types it."""
    return default if isinstance(default, str) else shown(default)


def _entry(key: Key) -> str:
    default = "(required)" if key.default == "???" else in_words(key.default)
    width = max(70, min(shutil.get_terminal_size().columns, 110))
    first = f"  {f'{key.name}={default}':<34}  {takes(key.hint, key.rule)}"
    lines = textwrap.wrap(first, width, subsequent_indent=" " * 38)
    return "\n".join([*lines, *(f"      {line}" for line in textwrap.wrap(key.rule.help, width - 6))])
