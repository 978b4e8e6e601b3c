"""A folder of adapters is listed, sorted and filtered; names in it are text."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

from tests.conftest import Command
from visionlora.adapters import LoraConfig
from visionlora.errors import VisionLoraError
from visionlora.report.card_metadata import figures_in, read_header
from visionlora.report.gallery import (
    SORTS,
    filter_entries,
    find_adapters,
    gallery_table,
    sort_entries,
    write_gallery_page,
)
from visionlora.report.model_card import model_card
from visionlora.report.preview import HEIGHT, WIDTH, write_preview
from visionlora.report.sheet import PredictionRow

NASTY = "<script>alert(1)</script>'\"&\x1b[31m"
LORA = vars(LoraConfig(rank=4))


def write_adapter(directory: Path, metrics: dict[str, Any] | None, **own: Any) -> Path:
    """What of an adapter directory a gallery reads."""
    directory.mkdir(parents=True)
    about = {"family": "lora", "model": "vgg11", "classes": ["goldfish"], **own}
    config = {"peft_type": "LORA", "r": 4, "auto_mapping": {"visionlora": about}}
    (directory / "adapter_config.json").write_text(json.dumps(config))
    save_file({"a": torch.zeros(1000)}, directory / "adapter_model.safetensors")
    if metrics is not None:
        (directory / "README.md").write_text(model_card(metrics, LORA, "2026-11-01"), encoding="utf-8")
    return directory


@pytest.fixture
def folder(tmp_path: Path, metrics: dict[str, Any]) -> Path:
    write_adapter(tmp_path / "all" / "goldfish" / "adapter", metrics)
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "all" / "goldfish" / "adapter" / "preview.png")
    worse = {**metrics, "after": {**metrics["after"], "val/top1": 0.5}}
    write_adapter(tmp_path / "all" / "worse" / "adapter", worse, model="resnet18")
    write_adapter(tmp_path / "all" / "by another", None, model=NASTY, classes=[NASTY, "newt"])
    return tmp_path / "all"


def test_adapters_are_found_with_what_their_files_say(folder: Path) -> None:
    entries, problems = find_adapters(folder)
    assert problems == []
    one = next(entry for entry in entries if entry.name == "goldfish")
    assert (one.network, one.classes, one.family, one.rank) == ("vgg11", ("goldfish",), "lora", 4)
    assert (one.date, one.figures["learned"], one.figures["forgotten"]) == ("2026-11-01", 1.0, 0.01)
    assert one.size > 4000
    unknown = next(entry for entry in entries if entry.name == "by another")
    assert unknown.figures["learned"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", unknown.date)


@pytest.mark.parametrize("key", SORTS)
def test_every_order_keeps_all_and_puts_what_is_unknown_last(folder: Path, key: str) -> None:
    entries = find_adapters(folder)[0]
    ordered = sort_entries(entries, key)
    assert sorted(one.name for one in ordered) == sorted(one.name for one in entries)
    values = [one.value(key) for one in ordered]
    known = [value for value in values if value is not None]
    assert values[: len(known)] == known
    assert known == sorted(known, reverse=key in ("learned", "date", "classes"))


def test_a_filter_wants_every_word(folder: Path) -> None:
    entries = find_adapters(folder)[0]
    assert [one.name for one in filter_entries(entries, "RESNET goldfish")] == ["worse"]
    assert filter_entries(entries, "resnet newt") == []


def test_names_are_text_on_the_page_and_in_the_terminal(folder: Path, tmp_path: Path) -> None:
    entries = sort_entries(find_adapters(folder)[0], "learned")
    write_gallery_page(entries, NASTY, "learned", tmp_path / "gallery.html")
    page = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("<script>") == 1
    assert "\x1b" not in page
    assert page.count("class=adapter ") == 3
    assert page.count("data:image/png;base64,") == 1
    assert not re.search(r"(src|href)=(?!'data:)", page.partition("<script>")[0])
    console = Console(width=200, record=True)
    console.print(gallery_table(entries))
    assert "\x1b[31m" not in console.export_text()


def test_a_broken_adapter_is_named_and_the_others_are_listed(folder: Path) -> None:
    (folder / "worse" / "adapter" / "adapter_config.json").write_text("{")
    (folder / "by another" / "adapter_model.safetensors").unlink()
    cut = write_adapter(folder / "cut", None) / "adapter_model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-8])
    entries, problems = find_adapters(folder)
    assert [one.name for one in entries] == ["goldfish"]
    assert len(problems) == 3
    assert any("cut/adapter_model.safetensors is damaged or cut off" in one for one in problems)
    assert any("is not JSON" in one for one in problems)
    assert any("has no adapter_model.safetensors" in one for one in problems)


@pytest.mark.parametrize("value", ["1" + "0" * 400, ".nan", "-.inf", "'0.5'", "[0.5]", "true"])
def test_a_card_whose_figures_are_no_numbers_has_none(tmp_path: Path, value: str) -> None:
    (tmp_path / "README.md").write_text(
        "---\nmodel-index:\n- results:\n  - dataset: {name: new images}\n    metrics:\n"
        f"    - {{type: accuracy, value: {value}}}\n---\n"
    )
    header = read_header(tmp_path / "README.md")
    assert header["model-index"]
    assert figures_in(header)["learned"] is None


def test_a_card_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")
    assert read_header(tmp_path / "README.md") == {}


def test_the_command_lists_the_others_and_ends_with_a_code_of_its_own(folder: Path, command: Command) -> None:
    assert command("adapters", str(folder)).code == 0
    (folder / "worse" / "adapter" / "adapter_config.json").write_text("{")
    left = command("adapters", str(folder))
    assert left.code == 3
    assert "goldfish" in left.out
    assert "left out: " in left.err


def test_a_folder_without_adapters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match="holds no adapter"):
        find_adapters(tmp_path)
    with pytest.raises(VisionLoraError, match="is not a folder"):
        find_adapters(tmp_path / "nowhere")


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_preview_has_its_size_whatever_there_is_to_show(
    count: int, metrics: dict[str, Any], tmp_path: Path
) -> None:
    Image.new("RGB", (30, 50), "red").save(tmp_path / "red.png")
    row = PredictionRow(tmp_path / "red.png", "goldfish", [("tench", 0.5)], [("goldfish", 0.9)])
    gone = PredictionRow(tmp_path / "gone.png", NASTY, None, [("x" * 200, 0.9)])
    write_preview([row, gone, row, row, row][:count], metrics, tmp_path / "preview.png")
    with Image.open(tmp_path / "preview.png") as image:
        assert image.size == (WIDTH, HEIGHT) == (512, 768)
        reds = sum(pixel == (255, 0, 0) for pixel in image.convert("RGB").get_flattened_data())
    assert (reds > 5000) == (count > 0)
