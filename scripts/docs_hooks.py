"""What the documentation site shows from outside of docs/: the options, the benchmarks, and others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from visionlora.cli import COMMANDS, module_of
from visionlora.help import group_help, in_words
from visionlora.options import takes
from visionlora.settings import groups_of, top_level

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "benchmarks/RESULTS.md": "benchmarks.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages that stand elsewhere in the repository."""


def on_files(files: Files, config: Any) -> Files:
    """Add these pages, their images, and the page of options."""
    for source, name in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_moved(text)))
    for image in (ROOT / "benchmarks").glob("*.png"):
        files.append(File.generated(config, image.name, abs_src_path=str(image)))
    files.append(File.generated(config, "options.md", content=options_page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links out of docs/ lead to the pages that stand for them."""
    for source, name in PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({name}")
    return markdown


def _moved(markdown: str) -> str:
    """A page from elsewhere, as if it stood in docs/."""
    return re.sub(r"\]\((?:\.\./)?docs/", "](", markdown)


def options_page() -> str:
    """Every option of every command, as ``--help`` prints them."""
    parts = ["# Options", "What `visionlora COMMAND --help` prints, command by command."]
    for name in COMMANDS:
        command = module_of(name).COMMAND
        parts += [f"## {name}", f"{command.summary[:1].upper()}{command.summary[1:]}."]
        parts += ["\n".join(f"    {example}" for example in command.examples)]
        rows = [(key.name, key) for key in top_level(command.options)]
        if rows:
            parts.append(_table(rows))
        for group in groups_of(command.options):
            if name != "train":  # there they are complete
                parts.append(f"**{group.name}**: " + ", ".join(f"`{key.name}`" for key in group.keys))
                continue
            parts += [f"### {group.name}", group_help(group).splitlines()[0].partition(": ")[2]]
            parts.append(_table([(key.name, key) for key in group.keys]))
    return "\n\n".join(parts) + "\n"


def _table(rows: list[tuple[str, Any]]) -> str:
    lines = ["| key | default | takes | meaning |", "| --- | --- | --- | --- |"]
    for name, key in rows:
        default = "required" if key.default == "???" else f"`{in_words(key.default)}`"
        cells = (f"`{name}`", default, takes(key.hint, key.rule), key.rule.help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
