"""Seeds of random numbers, made of what the numbers belong to."""

from __future__ import annotations

import hashlib


def mixed(*parts: int | str) -> int:
    """A 63-bit seed out of numbers and words; neighbouring numbers give unrelated seeds."""
    digest = hashlib.blake2b(",".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
