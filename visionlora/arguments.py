"""From what a user types to what Hydra parses: text is taken verbatim, and mistakes are found first."""

from __future__ import annotations

import difflib
import os
import re
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from visionlora.errors import VisionLoraError
from visionlora.hydra_grammar import in_quotes, items, parsable, quoted
from visionlora.options import kinds
from visionlora.paths import shipped
from visionlora.settings import Group, Key, is_preset_of
from visionlora.text import as_typed

_FLAGS = {
    "-m", "--multirun", "-r", "--run", "--resolve", "--hydra-help", "-sc", "--shell-completion",
}  # fmt: skip
_WITH_VALUE = {
    "-c", "--cfg", "-i", "--info", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
}  # fmt: skip
"""Without ``--experimental-rerun``, which reads a pickle, and ``--package``."""
_LONG_FLAGS = ("--help", "--version", *(flag for flag in (*_FLAGS, *_WITH_VALUE) if flag.startswith("--")))
_SHOWN = ("job", "hydra", "all")
_TOLD = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_CHOICES = {"-c": _SHOWN, "--cfg": _SHOWN, "-i": _TOLD, "--info": _TOLD}
_SHORT = {"model": "model.name", "resume": "resume.run"}
"""Groups whose name alone stands for one of their keys."""
_ALIASES = {"adapter.weights": ("adapter_weights",), "from": ("source",)}
"""Other spellings of keys."""
_FILES = ("output", "sheet", "figure", "report")
"""Options that name what a command writes."""
_RUN_FOLDER = ("output", "output_dir", "out", "outdir", "out_dir", "save_dir", "logdir", "log_dir", "project")
"""What other tools call the folder that a run is written to."""

_QUOTES = "\"'`´“”„‟‘’‚«»"  # noqa: RUF001
"""What the shell does not take for quotes, or took already."""
_OVERRIDE = re.compile(r"(?P<sign>\+{0,2})(?P<key>[^=~+][^=]*)=(?P<value>.*)", re.DOTALL)


class Arguments:
    """The command line of one command.

    Args:
        keys: the options that the command takes, by their full name.
        groups: the sections that they are in.
        given: the words of the command line.

    With ``--multirun`` a comma separates the values of a sweep. For paths and free text it is a part of the
    text: these are swept with ``data.root=choice(FOLDER, FOLDER)``.
    """

    def __init__(self, keys: Mapping[str, Key], groups: Sequence[Group], given: Sequence[str]) -> None:
        self.keys = keys
        self.groups = {group.name: group for group in groups}
        self.given = list(given)
        self.sweep = any(word in ("-m", "--multirun", "hydra.mode=MULTIRUN") for word in given)

    def for_hydra(self) -> list[str]:
        """The words as Hydra parses them.

        Raises:
            VisionLoraError: a word that is neither an option of the command nor a flag of Hydra's.
        """
        if {"-sc", "--shell-completion"} & set(self.given):
            return self.given
        words = deque(self.given)
        flags: list[str] = []
        overrides: list[str] = []
        before = ""
        while words:
            word = words.popleft()
            if word.startswith("-"):
                flags += self._flag(word, words)
            elif match := _OVERRIDE.fullmatch(word):
                before = word
                overrides.append(self._override(**match.groupdict()))
            elif word.startswith("~hydra"):
                overrides.append(word)
            else:
                raise VisionLoraError(self._stray(word, before))
        # Hydra's parser takes a flag between two settings for the end of them.
        return [*flags, *overrides]

    def _flag(self, word: str, words: deque[str]) -> list[str]:
        """The flag with its value, which is taken from the words that follow it."""
        name, equals, value = word.partition("=")
        if word in _FLAGS:
            return [word]
        if name in ("-i", "--info") and not equals and not bare_words([*words][:1]):
            return [word]  # alone it tells all
        if not equals and words:
            value = words.popleft()
        if name not in _WITH_VALUE:
            raise VisionLoraError(f"there is no option {name}; {self._meant(name.lstrip('-'), value)}")
        choices = _CHOICES.get(name, ())
        if not value or (choices and value not in choices):
            what = f"one of {', '.join(choices)}" if choices else "a value"
            raise VisionLoraError(f"{name} takes {what}, not {value!r}")
        return [name, value]

    def _override(self, sign: str, key: str, value: str) -> str:
        key = next((one for one in _ALIASES.get(key, ()) if one in self.keys), key)
        if key in _SHORT and key in self.groups and not self._are_presets(key, value):
            key = _SHORT[key]
        if self.sweep and key in _FILES and key in self.keys and value != "null":
            raise VisionLoraError(
                f"-m: each run would write over the {key}={value} of the one before; run the command once "
                "for each value"
            )
        if key in self.keys:
            # Hydra adds keys to a mapping only when it is told to.
            sign = "++" if isinstance(self.keys[key].default, Mapping) else sign
            return f"{sign}{key}={self._value(self.keys[key], value)}"
        section = next((name for name in self.keys if key.startswith(f"{name}.")), None)
        if section is not None and isinstance(self.keys[section].default, Mapping):
            return f"++{key}={parsable(key, value)}"
        if key in self.groups:
            self._check_preset(self.groups[key], value)
            return f"{sign}{key}={value}"
        if re.match(r"hydra[./]", key):
            if key.endswith("dir") and value != "null":
                if not value:  # of an unset variable; Hydra would take the folder of the shell
                    raise VisionLoraError(f"{key} is empty; give a folder, or leave it out")
                # A path, verbatim but for Hydra's own references: ${now:%Y}.
                folder = os.path.expanduser(value)  # noqa: PTH111 - Path raises for an unknown user
                return f"{sign}{key}={in_quotes(folder)}"
            return f"{sign}{key}={parsable(key, value)}"
        raise VisionLoraError(f"there is no configuration key {key!r}; {self._meant(key, value)}")

    def _value(self, key: Key, value: str) -> str:
        """The value as Hydra's grammar has it."""
        texts = str in kinds(key.hint) and key.rule.takes_any_text
        if value == "null" or not texts:
            return parsable(key.name, value)
        takes_list = any(_holds_texts(kind) for kind in kinds(key.hint))
        several_lists = self.sweep and re.search(r"\]\s*,\s*\[", value)
        if takes_list and value[:1] == "[" and value[-1:] == "]" and not several_lists:
            return f"[{items(value[1:-1])}]"
        if self.sweep and (key.rule.sweeps or takes_list) and re.search(r",|^\w+\(.*\)$", value):
            return parsable(key.name, value)
        if key.rule.sweeps and "," in value and "/" not in value:
            raise VisionLoraError(several_values(key.name, value))
        if self.sweep and (choice := re.fullmatch(r"choice\((.*)\)", value, re.DOTALL)):
            return items(choice[1])  # Hydra's own choice() forgets that its arguments were quoted
        return quoted(value)

    def _are_presets(self, group: str, value: str) -> bool:
        found = presets(self.groups[group], config_folders(self.given))
        return all(name.strip() in found for name in (value.split(",") if self.sweep else [value]))

    def _check_preset(self, group: Group, value: str) -> None:
        """Refuse a value of a group that is not a preset; folders that Hydra alone knows are not searched."""
        if self._are_presets(group.name, value) or any("hydra.searchpath" in word for word in self.given):
            return
        if "," in value and not self.sweep:
            raise VisionLoraError(several_values(group.name, value))
        path = next((key.name for key in group.keys if key.name == f"{group.name}.root"), None)
        hint = f"for a folder set {as_typed(path, value)}" if path else f"--help {group.name} lists its keys"
        found = ", ".join(f"{group.name}={name}" for name in presets(group, config_folders(self.given)))
        raise VisionLoraError(f"there is no {group.name}={value}; there are {found}; {hint}")

    def _meant(self, key: str, value: str) -> str:
        """What the user may have meant by a key that does not exist."""
        if key[0] in _QUOTES:  # of a word processor or a web page, or quotes within quotes
            key, value = key.lstrip(_QUOTES), value.rstrip(_QUOTES)
        word = key.lower().replace("-", "_").rpartition(".")[2]
        if word in _RUN_FOLDER and "data.name" in self.keys:
            return f"did you mean {as_typed('hydra.run.dir', value)}?"
        close = closest(key, self.keys, self.groups)
        # --data FOLDER: a group takes the name of a preset, and its root the folder.
        close = [
            f"{name}.root" if f"{name}.root" in self.keys and not self._are_presets(name, value) else name
            for name in close
        ]
        if len(close) == 1 and close[0] in self.keys and word in self.keys[close[0]].rule.also:
            # Another library's word may mean something else: epochs are not steps.
            return f"did you mean {as_typed(close[0], value)}? ({self.keys[close[0]].rule.help})"
        if not close:
            if flag := difflib.get_close_matches(f"--{key}", _LONG_FLAGS, n=1, cutoff=0.75):
                return f"did you mean {flag[0]}?"
            section = key.partition(".")[0]
            return (
                f"--help {section} lists the group's keys"
                if section in self.groups
                else "--help lists them all"
            )
        return f"did you mean {' or '.join(as_typed(name, value) for name in close)}?"

    def _stray(self, word: str, before: str) -> str:
        last = self.keys.get(before.partition("=")[0])
        if last is not None and last.rule.takes_any_text and str in kinds(last.hint):
            whole = f"'{before} {word}'"
            return f"{word!r} belongs to no key; for {last.name} with a space write {whole}, with the quotes"
        if word in self.keys:
            return f"{word!r} needs a value: {word}=..."
        if word == "help":
            return "'help' is not KEY=VALUE; did you mean --help?"
        folders = config_folders(self.given)
        named = [name for name, group in self.groups.items() if word in presets(group, folders)]
        required = [name for name, key in self.keys.items() if key.default == "???"]
        names = named or required
        meant = " or ".join(as_typed(name, word) for name in names)
        meant = f"did you mean {meant}?" if names else "--help lists the keys"
        return f"{word!r} is not KEY=VALUE; {meant}"


def closest(key: str, keys: Mapping[str, Key], groups: Collection[str] = ()) -> list[str]:
    """The keys, or groups, that someone who types ``key`` may mean; at most three."""
    section, _, word = key.lower().replace("-", "_").rpartition(".")
    within = (
        [name for name in keys if name.rpartition(".")[0] == section] if section in groups else list(keys)
    )
    called = [name for name in within if is_called(keys[name], word)]
    if called:
        # The key's own name before other libraries' words for a key.
        return sorted(called, key=lambda name: name.rpartition(".")[2] != word)[:3]
    words = {name.rpartition(".")[2] for name in within}
    similar = difflib.get_close_matches(word, words, n=2, cutoff=0.7)
    found = [name for one in similar for name in within if name.rpartition(".")[2] == one]
    if not section:
        found += difflib.get_close_matches(word, groups, n=1, cutoff=0.7)
    found = found or difflib.get_close_matches(key, keys, n=1, cutoff=0.8)
    return (found or [name for name in (section,) if name in keys])[:3]


def is_called(key: Key, word: str) -> bool:
    """Whether a word, without its group, is the key's name, here or in another library."""
    word = word.lower().replace("-", "_")
    return word in (key.name.rpartition(".")[2], *key.rule.also)


def bare_words(given: Sequence[str]) -> list[str]:
    """The words of a command line that are neither settings, nor flags, nor the value of a flag."""
    before = ("", *given)
    return [
        word
        for word, last in zip(given, before, strict=False)
        if not word.startswith("-") and "=" not in word and last not in _WITH_VALUE
    ]


def presets(group: Group, folders: Sequence[Path] = ()) -> list[str]:
    """The names that ``GROUP=NAME`` takes: the defaults, and the files in ``conf`` and the given folders."""
    names = {group.preset}
    for folder in (shipped("conf"), *folders):
        root = folder / group.name
        files = [file for file in root.rglob("*.yaml") if folder in folders or is_preset_of(group, file)]
        names |= {file.relative_to(root).with_suffix("").as_posix() for file in files}
    return sorted(names)


def config_folders(given: Sequence[str]) -> list[Path]:
    """The folders that ``--config-dir`` and ``--config-path`` name."""
    names = ("-cd", "--config-dir", "-cp", "--config-path")
    pairs = zip(given, [*given[1:], ""], strict=True)
    separate = [Path(value) for name, value in pairs if name in names]
    return separate + [
        Path(word.partition("=")[2]) for word in given if word.partition("=")[0] in names and "=" in word
    ]


def several_values(key: str, value: str) -> str:
    """The error of an option that got the values of a sweep without ``-m``."""
    return f"{key}={value} has several values; give one, or add -m for a run of each"


def _holds_texts(kind: Any) -> bool:
    return getattr(kind, "__args__", None) == (str,)


def folder_first(given: Sequence[str]) -> list[str]:
    """The words of a command line, where a first word alone is the folder; the name may have ``=`` in it."""
    first = given[0] if given else "-"
    if not first.startswith("-") and (
        "=" not in first or os.path.isdir(first)  # noqa: PTH112 - Path's raises where a name is too long
    ):
        return [f"folder={given[0]}", *given[1:]]
    return list(given)
