"""What PEFT and others call the arguments of :class:`LoraConfig`, for calls written with their names."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from typing import Any, TypeVar

from visionlora.adapters.errors import LoraError

_ELSEWHERE = {
    "use_dora": 'it is a family here: family="dora"',
    "modules_to_save": "it is an argument of save_adapter here, and trained_whole one of attach",
    "layers_to_transform": 'layers are chosen by name here: targets=["last:4"] or a regular expression',
    **dict.fromkeys(
        ("task_type", "inference_mode", "peft_type", "base_model_name_or_path", "fan_in_fan_out"),
        "nothing here depends on it: leave it out",
    ),
}

_Config = TypeVar("_Config")


def refuses_unknown_arguments(cls: type[_Config]) -> type[_Config]:
    """Let a dataclass answer an argument that it does not have with the name of the one that is meant."""
    plain = cls.__init__

    @functools.wraps(plain)
    def init(self: _Config, *values: Any, **named: Any) -> None:
        known = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for word in named:
            if word not in known:
                raise LoraError(f"{cls.__name__} has no {word!r}: {_meant(word, named[word], known)}.")
        plain(self, *values, **named)

    cls.__init__ = init  # type: ignore[method-assign, assignment]
    return cls


def _meant(word: str, value: object, known: dict[str, Any]) -> str:
    if word in _ELSEWHERE:
        return _ELSEWHERE[word]
    meant = [name for name, one in known.items() if word in one.metadata.get("also", ())]
    meant = meant or difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if meant:
        return f"it is called {meant[0]} here: {meant[0]}={value!r:.60}"
    return f"there are {', '.join(known)}"
