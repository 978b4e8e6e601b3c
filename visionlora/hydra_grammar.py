"""Texts and lists as the grammar of Hydra's command line has them."""

from __future__ import annotations

import re

from visionlora.text import without_references


def quoted(text: str) -> str:
    """A text in Hydra's quotes, with ``${`` escaped: OmegaConf would take it for a reference."""
    return in_quotes(without_references(text))


def in_quotes(text: str) -> str:
    """A text in Hydra's quotes; references in it stay references."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text, Quote.single).with_quotes()


def parsable(key: str, value: str) -> str:
    """The value itself if Hydra can parse it, otherwise as a text, which is then refused by its option."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(f"{key}={value}")
    except (HydraException, ValueError):
        return quoted(value)
    return value


def items(text: str) -> str:
    """Items between commas, each a text of its own; one with a comma in it has to be in quotes."""
    if not text.strip():
        return ""
    found = re.findall(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,]*?))\s*(?:,|$)""", text)
    whole = found if text.rstrip().endswith(",") else found[:-1]  # the end matches once more, as nothing
    return ",".join(quoted(single or double or bare) for single, double, bare in whole)
