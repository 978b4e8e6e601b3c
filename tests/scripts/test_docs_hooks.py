"""The documentation site builds without a warning, and its page of options is complete."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_options import COMMANDS
from visionlora.settings import keys_of

pytest.importorskip("mkdocs")
ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_options_has_every_key_of_every_command_with_its_default() -> None:
    from scripts.docs_hooks import options_page

    parts = re.split(r"^## (\w+)$", options_page(), flags=re.MULTILINE)[1:]
    pages = dict(zip(parts[::2], parts[1::2], strict=True))
    assert set(pages) == {*COMMANDS, "studio"}
    for name, command in COMMANDS.items():
        assert [key for key in keys_of(command.options) if f"`{key}`" not in pages[name]] == []
    assert "| `logger` | `tensorboard` |" in pages["train"]
    assert "| `adapter` | required |" in pages["predict"]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = {page.name for page in tmp_path.glob("*.html")}
    assert pages >= {"index.html", "tutorial.html", "options.html", "reference.html", "benchmarks.html"}
