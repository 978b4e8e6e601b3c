"""`adapter_config.json` as plain data: read within bounds, and every value that is used of its type.

The file may be untrusted. What is not named here is never used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from visionlora.adapters.errors import LoraError
from visionlora.adapters.patterns import check_patterns
from visionlora.frozen.packed import SCHEMES
from visionlora.text import brief

CONFIG_FILE = "adapter_config.json"
MOST_BYTES = 16 * 2**20
"""Of the file. The configuration of 4096 layers, each with a pattern of its own, has less than one MiB."""
MOST_CLASSES = 100_000
"""Each is a row of a new head, which is made before the tensors are compared."""
MOST_STRENGTH = 1e6


def read_config_file(path: Path) -> dict[str, Any]:
    """The file's content, our own keys (`auto_mapping.visionlora`) under "visionlora", {} where it has none.

    Raises:
        LoraError: no such file, too large, not JSON, nested too deeply, or a value of a wrong type.
    """
    if not path.is_file():
        near = [one for one in (path.parent.parent, path.parent / "adapter") if (one / path.name).is_file()]
        directory = near[0] if near else "an adapter directory"
        raise LoraError(f"{path} does not exist: give {directory}, which holds {path.name}.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise LoraError(f"{path} has more than {MOST_BYTES >> 20} MiB: no adapter's configuration has.")
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LoraError(f"{path} can't be read ({error.strerror}): copy it again.") from error
    except LoraError:
        raise
    except (ValueError, RecursionError) as error:
        raise LoraError(f"{path} is not JSON ({error}): save the adapter again.") from error
    if not isinstance(config, dict):
        raise LoraError(f"{path} holds {brief(config)}, not an object: save the adapter again.")
    _check(path, "", config, _KINDS)
    own = (config.get("auto_mapping") or {}).get("visionlora") or {}
    if not isinstance(own, dict):
        raise LoraError(f"{path}: auto_mapping.visionlora is {brief(own)}: give an object.")
    _check(path, "auto_mapping.visionlora.", own, _OWN_KINDS)
    own = {key: value for key, value in own.items() if value is not None}  # null is as good as nothing
    check_patterns(f"{path}: auto_mapping.visionlora.strength", own.get("strength") or {})
    check_patterns(f"{path}: auto_mapping.visionlora.quantise", (own.get("quantise") or {}).get("skip", ()))
    return {**config, "visionlora": own}


def _check(path: Path, prefix: str, values: Mapping[str, Any], kinds: Mapping[str, _Kind]) -> None:
    for key, (fits, wanted) in kinds.items():
        value = values.get(key)
        if value is not None and not fits(value):
            raise LoraError(f"{path}: {prefix}{key} is {brief(value)}: give {wanted}.")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _are_classes(value: object) -> bool:
    return _are_texts(value) and len(value) <= MOST_CLASSES  # type: ignore[arg-type]


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, bool, int, float))


def _is_quantised(value: object) -> bool:
    if not isinstance(value, dict) or value.get("scheme") not in SCHEMES:
        return False
    return _are_texts(value.get("skip")) and isinstance(value.get("corrected", 0), int)


def _are_strengths(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_strength, value.values()))


def _is_strength(value: object) -> bool:
    # nan is not below anything
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MOST_STRENGTH


def _are_thresholds(value: object) -> bool:
    return isinstance(value, dict) and all(_is_strength(one) and 0 <= one <= 1 for one in value.values())


_Kind = tuple[Callable[[object], bool], str]
_TEXT: _Kind = _is_text, "a text"
_TEXTS: _Kind = _are_texts, "a list of texts"
_OBJECT: _Kind = _is_object, "an object"
_PLAIN: _Kind = _is_plain, "a text, a number, true or false"
_KINDS: Mapping[str, _Kind] = {
    "peft_type": _TEXT,
    "base_model_name_or_path": _TEXT,
    "auto_mapping": _OBJECT,
    "modules_to_save": _TEXTS,
    "rank_pattern": _OBJECT,
    "alpha_pattern": _OBJECT,
    "use_dora": _PLAIN,
    "bias": _TEXT,
    "init_lora_weights": _PLAIN,
    **dict.fromkeys(
        ("feedforward_modules", "target_modules"),
        (lambda value: _is_text(value) or _are_texts(value), "a text or a list of texts"),
    ),
}
_OWN_KINDS: Mapping[str, _Kind] = {
    "family": _TEXT,
    "fingerprint": _TEXT,
    "model": _TEXT,
    "weights": _TEXT,
    "head": _TEXT,
    "classes": (_are_classes, f"a list of at most {MOST_CLASSES} texts"),
    "parts": _TEXTS,
    "expand": _TEXTS,
    "expand_strength": (_is_strength, f"a number of at most {MOST_STRENGTH:g}"),
    "tensors": _TEXTS,
    "settings": _OBJECT,
    "task": _TEXT,
    "thresholds": (_are_thresholds, "an object of numbers from 0 to 1"),
    "quantise": (_is_quantised, "an object with a scheme, nf4 or int8, and a list of texts, skip"),
    "strength": (_are_strengths, f"an object of numbers of at most {MOST_STRENGTH:g}"),
}
