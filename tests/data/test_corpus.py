"""Every input of the corpus is understood, or refused in one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.corpus.all import cases
from tests.data.corpus.case import Case
from visionlora.data import find_bad
from visionlora.data.files import archive
from visionlora.data.layout.folders import scan, survey
from visionlora.data.splits.make_splits import ImageFolder
from visionlora.errors import VisionLoraError

CORPUS = list(cases())


def test_the_corpus_has_at_least_150_inputs_each_of_another_name() -> None:
    assert len({case.name for case in CORPUS}) == len(CORPUS) >= 150


def counted(folder: ImageFolder) -> dict[str, tuple[int, int, int]]:
    def of(images: tuple, label: str) -> int:  # type: ignore[type-arg]
        return sum(image.label == label for image in images)

    return {
        label: (of(folder.train, label), of(folder.val, label), of(folder.test, label))
        for label in folder.classes
    }


PLAIN = [
    case for case in CORPUS
    if case.counts is not None and case.root == "." and not {"limit", "class_name"} & set(case.options)
]  # fmt: skip


@pytest.mark.parametrize("inside", ["work copy", ""])
@pytest.mark.parametrize("case", PLAIN[::20], ids=lambda case: ascii(case.name))
def test_a_folder_around_it_and_files_of_systems_change_nothing(
    case: Case, inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    top = tmp_path / "input" / inside
    top.mkdir(parents=True)
    case.make(top)
    for folder in [top, *(path for path in top.rglob("*") if path.is_dir() and not path.is_symlink())]:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._x.png", "Icon\r", ".directory"):
            if not (folder / name).exists():
                (folder / name).write_bytes(b"x")
    assert counted(survey(tmp_path / "input", **case.options)[0]) == case.counts  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: ascii(case.name))
def test_an_input_gives_what_its_user_expects(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    options = dict(case.options)
    if options.pop("limit", False):
        monkeypatch.setattr(archive, "MAX_BYTES", 2**20)
    here = tmp_path / "input"
    here.mkdir()
    case.make(here)
    before = sorted(here.rglob("*"))
    root = here / case.root
    if case.error is not None:
        with pytest.raises(VisionLoraError) as caught:
            survey(root, **options)  # type: ignore[arg-type]
        assert case.error in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
        return
    folder, problems = survey(root, **options)  # type: ignore[arg-type]
    if case.counts is not None:
        assert counted(folder) == case.counts
        assert not problems
        assert not find_bad((*folder.train, *folder.val, *folder.test))
    if case.split is not None:
        assert folder.split == case.split
    for said, wanted in ((folder.notes, case.notes), (problems, case.problems)):
        for words in wanted:
            assert any(words in line for line in said), said
    assert not (case.silent and folder.notes), folder.notes
    assert folder.layout
    if case.problems:
        with pytest.raises(VisionLoraError):
            scan(root, **options)  # type: ignore[arg-type]
    assert sorted(here.rglob("*")) == before, "nothing is written into the folder that is read"
