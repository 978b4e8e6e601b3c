"""Files as a stranger could have made them: a sound one, changed at random."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

HOSTILE_BYTES = (
    b"\x00",
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"=cmd()",
    b"\x1b[2J",
    b"../../x",
    b"\r\n",
    b'"',
    b"{",
    b"[" * 50,
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"A" * 300,
    b"A" * 140_000,
    b"9" * 400,
    b"\xed\xa0\x80",
)
HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    10**9,
    2**63,
    10**400,
    -(10**400),
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "../../etc/passwd",
    "/etc/passwd",
    "((.+)+)+!",
    "(a|a)*" * 10,
    "(" * 5000,
    "[",
    "^(?:){4000000000}$",
    ".*.*.*.*.*.*.*!",
    "(?P<x",
    "x" * 200_000,
    "\ud800",
    "\x1b[2J",
    "[bold]",
    "nan",
    "all",
    "conv",
    "auto",
    "lora",
    [],
    {},
    [None],
    [[]],
    ["all"],
    [1, "x", None],
    {"": ""},
    {"a": {"b": {}}},
    {".*": 4},
    {"((.+)+)+!": 4},
    {".*": "4"},
    ["x"] * 5000,
    {f"x{i}": 1 for i in range(5000)},
)


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """One to eight changes: bits, runs, cuts, doubled parts, hostile pieces."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        place = chance.randrange(len(changed) + 1)
        end = min(len(changed), place + chance.choice((1, 2, 4, 16, 256)))
        kind = chance.randrange(7)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[place:end] = chance.randbytes(end - place)
        elif kind == 2:
            del changed[place:end]
        elif kind == 3:
            changed[place:place] = changed[place:end] * chance.choice((1, 2, 50))
        elif kind == 4:
            changed[place:place] = chance.choice(HOSTILE_BYTES)
        elif kind == 5:
            changed[place:end] = chance.choice(HOSTILE_BYTES)[: end - place]
        elif chance.random() < 0.3:
            del changed[place:]
    return bytes(changed)


def mutated_tree(value: Any, chance: random.Random) -> Any:
    """Plain data with one to three of its values, or keys, replaced by hostile ones, or taken out."""
    changed = json.loads(json.dumps(value))
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(changed))
        if not places:
            return copy.deepcopy(chance.choice(HOSTILE_VALUES))
        parent, key = chance.choice(places)
        kind = chance.randrange(8)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[str(chance.choice(HOSTILE_VALUES))[:2000]] = parent.pop(key)
        elif kind == 2:
            parent[key] = [parent[key]]
        elif kind == 3:
            parent[key] = {"x": parent[key]}
        else:
            parent[key] = copy.deepcopy(chance.choice(HOSTILE_VALUES))
    return changed


def as_json(value: Any, chance: random.Random) -> bytes:
    """The value as JSON, NaN and lone surrogates as Python writes them; sometimes nested too deeply."""
    text = json.dumps(value)
    if chance.random() < 0.01:
        text = f'{{"peft_type": {"[" * 100_000}{"]" * 100_000}}}'
    return text.encode()


def _places(value: Any) -> Any:
    """(container, key) of every value in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)
