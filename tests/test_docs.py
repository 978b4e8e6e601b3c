"""The documentation names what exists: links, packages, commands, settings, and code that runs."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

from visionlora.training.config import RunConfig

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(
    page
    for folder in (".", "docs", "benchmarks", "examples")
    for page in sorted((ROOT / folder).glob("*.md"))
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)", page.read_text(encoding="utf-8"))
    inside = [link.partition("#") for link in links if "://" not in link]
    assert [link for link, _, _ in inside if link and not (page.parent / link).exists()] == []
    assert [
        f"{link}#{place}"
        for link, _, place in inside
        if place and place not in anchors(page.parent / link if link else page)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_one_title_so_that_the_site_lists_all_its_sections(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_architecture_page_names_every_package() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "visionlora").glob("*/__init__.py")}
    assert {name for name in packages if f"`{name}/`" not in page} == set()


def test_modules_that_the_documentation_runs_exist() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    modules = set(re.findall(r"python -m ((?:visionlora|benchmarks)\.\w+)", text))
    assert modules
    assert [name for name in sorted(modules) if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_the_configuration_page_lists_every_key() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|", page, re.MULTILINE)
    documented = {group: set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", keys))) for group, keys in rows}
    sections = {name: cls for name, cls in get_type_hints(RunConfig).items() if is_dataclass(cls)}
    assert documented == {name: {field.name for field in fields(cls)} for name, cls in sections.items()}


def test_the_oldest_and_the_newest_python_are_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = [one.rpartition(" ")[2] for one in project["project"]["classifiers"] if ":: Python :: 3." in one]
    oldest, newest = named[0], named[-1]
    after = f"3.{int(newest.removeprefix('3.')) + 1}"
    assert project["project"]["requires-python"] == f">={oldest},<{after}"
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"Python {oldest} to {newest}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readmes_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code.replace('weights="DEFAULT"', "weights=None"), names)
    assert (tmp_path / "my_adapter" / "adapter_config.json").is_file()
    assert not any("lora" in name for name in names["network"].state_dict())
