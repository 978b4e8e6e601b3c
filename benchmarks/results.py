"""RESULTS.md: each run writes a section of its own, between two marks, and leaves the others alone."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from visionlora.errors import VisionLoraError
from visionlora.files import replacing

TITLE = "# What was measured\n"
ON_CUDA = (
    "python -m benchmarks.step_time --device cuda --batch 32 --precision float32 tf32 bfloat16 "
    "--networks vgg19 resnet50 convnext_tiny efficientnet_b0"
)
OPEN = {
    "cuda": ("GPU, eager", f"{ON_CUDA} --results benchmarks/RESULTS.md"),
    "cuda-compiled": ("GPU, compiled", f"{ON_CUDA} --compile --results benchmarks/RESULTS.md"),
}


def leave(options: argparse.Namespace, key: str, text: str, figures: Mapping[str, Any]) -> None:
    """Prints a section, and writes it and its figures where ``options.results`` and ``options.json`` say."""
    Console().print(text, markup=False)
    if options.json:
        with replacing(options.json) as beside:
            beside.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if options.results:
        write_section(options.results, key, text)


def write_section(path: Path, key: str, text: str) -> None:
    """Puts a section into the file, in the place of the one of the same key or at the end.

    GPU sections that nobody has filled yet say so, and which command fills them.

    Raises:
        VisionLoraError: the file's marks of this section don't pair up.
    """
    content = path.read_text(encoding="utf-8") if path.exists() else TITLE
    content = replace_section(content, key, text)
    for name, (heading, command) in OPEN.items():
        if f"<!-- section:{name} -->" not in content:
            note = (
                f"## {heading}\n\nStill open: no GPU has run this yet. This fills it:\n\n```\n{command}\n```"
            )
            content = replace_section(content, name, note)
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8")


def replace_section(content: str, key: str, text: str) -> str:
    """The content with the section of this key replaced, or appended where there is none."""
    begin, end = f"<!-- section:{key} -->", f"<!-- /section:{key} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    marks = content.count(begin), content.count(end)
    if marks == (0, 0):
        return f"{content.rstrip()}\n\n{section}\n"
    if marks != (1, 1) or content.index(begin) > content.index(end):
        raise VisionLoraError(f"The results' marks {begin} and {end} don't pair up: mend the file by hand.")
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: section, content, flags=re.DOTALL)


def facts(title: str, machine: Mapping[str, str], versions: Mapping[str, str], command: str) -> str:
    """A section's head: heading, machine, versions, and the command that made it."""
    on = "; ".join(f"{key}: {value}" for key, value in machine.items())
    using = ", ".join(f"{key} {value}" for key, value in versions.items())
    return f"## {title}\n\n{on}.\n\nVersions: {using}.\n\n```\n{command}\n```"
