"""Every command and program on the pages for newcomers runs as it is written, only for fewer steps."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Left

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "data" / "pocket_photos"
SHORT = (
    "trainer.max_steps=2", "trainer.validations=1", "retention.per_step=2", "data.batch_size=4",
    "lora.rank=2", "trainer.progress=false", "trainer.kernel=rule", "trainer.precision=32-true",
    "lora.targets=classifier",
)  # fmt: skip
"""Appended to every training, before what the page says itself."""


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """The folders that the pages name, with photos of the pocket network's classes under other names."""
    sources = sorted(path for path in (PHOTOS / "val").iterdir() if path.is_dir())
    for name, classes in (("my_images", ("ant", "bee")), ("one_more_class", ("wasp",))):
        for place, label in enumerate(classes):
            _copy(sources[place], tmp_path / name / label, 4)
    for place in (2, 3):
        _copy(sources[place], tmp_path / "labelled_photos" / sources[place].name, 2)
    _copy(sources[4], tmp_path / "any_photos", 4)
    photos = sorted((tmp_path / "my_images").rglob("*.jpg"))
    rows = [f"{photo},{['ant', 'ant|bee', 'bee', ''][place % 4]}" for place, photo in enumerate(photos)]
    (tmp_path / "my_labels.csv").write_text("\n".join(["path,labels", *rows]))
    _copy(sources[0], tmp_path / "new_images", 2)
    return tmp_path


def _copy(source: Path, target: Path, count: int) -> None:
    target.mkdir(parents=True)
    for place, image in enumerate(sorted(source.iterdir())[:count]):
        shutil.copy(image, target / f"{place:02}{image.suffix}")


def snippets(page: str) -> list[tuple[str, str]]:
    """The blocks of a page, in order: language and text."""
    return re.findall(
        r"```(sh|python)\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index.md", "tutorial.md", "how_to.md", "library.md", "multi_label.md"])
def test_every_snippet_of_a_page_runs(
    page: str, command: Callable[..., Left], folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = snippets(page)
    assert found
    for language, text in found:
        if language == "python":
            monkeypatch.chdir(folders)
            exec(text, {})
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            if words[:2] == ["pip", "install"]:
                continue  # tests/test_wheel.py
            assert words[0] == "visionlora", line
            if words[1] == "train":
                words[2:2] = [word for word in SHORT if word.partition("=")[0] not in line]
            left = command(*words[1:])
            assert left.code in (0, 1 if words[1] == "check" else 0), (line, left.err)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mkdocstrings_handlers.python")
    config = pytest.importorskip("mkdocs.config")
    build = pytest.importorskip("mkdocs.commands.build")
    monkeypatch.chdir(ROOT)
    loaded = config.load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(tmp_path / "site"))
    build.build(loaded)  # a warning ends it
    options = (tmp_path / "site" / "options.html").read_text(encoding="utf-8")
    assert "optimizer.schedule" in options
    reference = (tmp_path / "site" / "reference.html").read_text(encoding="utf-8")
    assert "adapter_parameters" in reference
    for page in (tmp_path / "site").rglob("*.html"):
        assert "fonts.googleapis" not in page.read_text(encoding="utf-8")
