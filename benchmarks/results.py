"""RESULTS.md: each benchmark writes its own section between two marks and does not change the others."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.machine import machine, versions
from visionlora.errors import VisionLoraError
from visionlora.files import replacing

TITLE = "# Results\n"
ON_CUDA = (
    "python -m benchmarks.step_time --device cuda --batch 32 --precision float32 tf32 bfloat16 "
    "--networks vgg19 resnet50 convnext_tiny efficientnet_b0"
)
OPEN = {
    "cuda": ("GPU, eager", f"{ON_CUDA} --results benchmarks/RESULTS.md"),
    "cuda-compiled": ("GPU, compiled", f"{ON_CUDA} --compile --results benchmarks/RESULTS.md"),
}


def write(options: argparse.Namespace, key: str, text: str, figures: Mapping[str, Any]) -> None:
    """Print a section, and write it to ``options.results`` and its figures to ``options.json``."""
    Console().print(text, markup=False)
    if options.json:
        with replacing(options.json) as beside:
            beside.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if options.results:
        write_section(options.results, key, text)


def write_section(path: Path, key: str, text: str) -> None:
    """Replace the section with this key in the file, or append it.

    GPU sections without measurements get a note with the command that fills them.

    Raises:
        VisionLoraError: the section's begin and end marks do not match.
    """
    content = path.read_text(encoding="utf-8") if path.exists() else TITLE
    content = replace_section(content, key, text)
    for name, (heading, command) in OPEN.items():
        if f"<!-- section:{name} -->" not in content:
            note = f"## {heading}\n\nNot measured yet: no GPU has run this command.\n\n```sh\n{command}\n```"
            content = replace_section(content, name, note)
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8")


def replace_in(path: Path, key: str, text: str) -> None:
    """Replace the section with this key in another Markdown file than RESULTS.md, or append it.

    Raises:
        VisionLoraError: the section's begin and end marks do not match.
    """
    content = replace_section(path.read_text(encoding="utf-8"), key, text)
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8")


def replace_section(content: str, key: str, text: str) -> str:
    """The content with the section of this key replaced, or appended if there is none."""
    begin, end = f"<!-- section:{key} -->", f"<!-- /section:{key} -->"
    marked = f"{begin}\n{text.strip()}\n{end}"
    marks = content.count(begin), content.count(end)
    if marks == (0, 0):
        return f"{content.rstrip()}\n\n{marked}\n"
    if marks != (1, 1) or content.index(begin) > content.index(end):
        raise VisionLoraError(f"The marks {begin} and {end} do not match; correct the file by hand.")
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: marked, content, flags=re.DOTALL)


def section(title: str, command: str, *parts: str) -> str:
    """A section: its heading, this machine, the versions and today's date, the command that measured it, and
    its parts."""
    on = "; ".join(f"{key}: {value}" for key, value in machine().items())
    using = ", ".join(f"{key} {value}" for key, value in versions().items())
    head = f"## {title}", f"{on}.", f"Versions: {using}. Written {date.today()}.", f"```sh\n{command}\n```"
    return "\n\n".join(filter(None, (*head, *parts)))
