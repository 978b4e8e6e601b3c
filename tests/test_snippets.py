"""Every command and program on the pages runs as it is written, only for fewer steps."""

from __future__ import annotations

import runpy
import shutil
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from tests.conftest import Left
from tests.hub_server import hub
from tests.snippets import LEFT_OUT, NOT_RUN, PAGES, ROOT, blocks, lines, make_folders, shortened, why_not_run
from tests.test_hub import at_hub
from visionlora.adapters import LoraConfig, attach, save_adapter
from visionlora.models import load_backbone
from visionlora.models.known import POCKET_FILE

Command = Callable[..., Left]
COMMANDS = [
    words for page in PAGES for language, text in blocks(page) if language == "sh" for words in lines(text)
]
MEASURED = [words for words in COMMANDS if why_not_run(words) == "python -m benchmarks."]
"""The commands whose figures the pages show."""


@pytest.fixture
def folder(tmp_path: Path, weights: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the pages name: folders of images, weight files, and the runs RUN and OTHER."""
    make_folders(tmp_path)
    with safe_open(POCKET_FILE, "pt") as file:
        about = file.metadata()
    before = load_file(POCKET_FILE)
    after = {key: value + 0.01 * torch.randn_like(value.float()).to(value) for key, value in before.items()}
    save_file(after, tmp_path / "tuned.safetensors", about)
    for name, state in (("before", before), ("after", after), ("tuned", after)):
        torch.save(state, tmp_path / f"{name}.pth")
    words = "visionlora train data.root=labelled model=pocket hydra.run.dir=RUN"
    assert command(*shortened(words.split())).code == 0
    for copy in ("OTHER", "outputs/mine/pocket/first", "outputs/folder/vgg19/DATE_TIME"):
        shutil.copytree(tmp_path / "RUN", tmp_path / copy)
    for name in ("birds", "fish"):
        save_adapter(
            attach(load_backbone("pocket").model, LoraConfig(rank=2)), tmp_path / "runs" / name / "adapter"
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hub_to_push_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hugging Face's hub, as far as a page needs one."""
    with hub() as server:
        for name, value in at_hub(monkeypatch, server.address, folder / "hub_cache").items():
            if name.startswith("HF_"):
                monkeypatch.setenv(name, value)
        yield


def names() -> dict[str, Any]:
    """What the programs of a page take for given."""
    network: nn.Module = load_backbone("pocket").model
    return {"network": network, "images": torch.randn(4, 3, 64, 64)}


def run_line(words: list[str], command: Command, number: int) -> None:
    """Run a line of a shell block; each ``output=FOLDER`` is a folder of its own."""
    if words[0] == "python":
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")
        return
    assert words[0] == "visionlora", words
    fresh = [f"output=FOLDER-{number}" if word == "output=FOLDER" else word for word in words]
    left = command(*shortened(fresh))
    assert left.code in (0, 1 if words[1] == "check" else 0), (words, left.err)


@pytest.mark.slow
@pytest.mark.usefixtures("folder", "hub_to_push_to")
@pytest.mark.parametrize("page", [page for page in PAGES if page not in LEFT_OUT])
def test_every_snippet_of_a_page_runs(page: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, (language, text) in enumerate(blocks(page)):
        if language == "python":
            exec(text.replace('weights="DEFAULT"', "weights=None"), names())
        elif language == "sh":
            for number, words in enumerate(lines(text)):
                if why_not_run(words) is None:
                    run_line(words, command, 100 * place + number)


def test_every_block_says_what_it_is() -> None:
    """``text`` is a listing or a drawing; everything else is run, line by line, or has a reason not to be."""
    languages = {(page, language) for page in PAGES for language, _ in blocks(page)}
    assert {one for one in languages if one[1] not in ("sh", "python", "text")} == set()
    texts = [text for page in PAGES for language, text in blocks(page) if language == "text"]
    commands = ("visionlora ", "python ", "pip ", "make ")
    assert [line for text in texts for line in text.splitlines() if line.startswith(commands)] == []


def test_every_reason_not_to_run_a_line_is_needed() -> None:
    given = [
        words
        for page in PAGES
        for language, text in blocks(page)
        if language == "sh"
        for words in lines(text)
    ]
    assert {why_not_run(words) for words in given} == {None, *NOT_RUN}


class Accepted(Exception):
    """The options of a benchmark exist."""


@pytest.mark.parametrize("words", MEASURED, ids=lambda words: words[words.index("-m") + 1])
def test_the_options_of_a_measurement_exist(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    place = words.index("-m") + 1
    parse = ArgumentParser.parse_args

    def parsed(parser: ArgumentParser, given: Sequence[str] | None = None) -> None:
        parse(parser, given)
        raise Accepted

    monkeypatch.setattr(ArgumentParser, "parse_args", parsed)
    with pytest.raises(Accepted):
        import_module(words[place]).main(words[place + 1 :])
