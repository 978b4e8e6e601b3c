from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import torchvision
import yaml
from markdown_it import MarkdownIt
from safetensors.torch import save_file

from visionlora.adapters import LoraConfig
from visionlora.report.card_metadata import figures_in, figures_of_run, images_of_run, read_header
from visionlora.report.model_card import WEIGHTS_TAKEN, changes_markdown, model_card

POCKET = "`pocket`, the small SqueezeNet that ships with VisionLoRA"
DATE = "2026-11-26"
LORA = vars(LoraConfig(rank=4, alpha=6, targets=["conv", "classifier"]))


def _front_matter(card: str) -> dict[str, Any]:
    start, matter, _ = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(matter)


def _table(card: str) -> list[list[str]]:
    start = card.index("| images |")
    lines = card[start : card.index("\n\n", start)].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _python(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def test_the_front_matter_is_yaml_that_names_the_library(metrics: dict[str, Any]) -> None:
    matter = _front_matter(model_card(metrics, LORA, DATE))
    assert matter["library_name"] == "visionlora"
    assert "lora" in matter["tags"]
    assert matter["license"] == "unknown"
    assert matter["date"] == DATE


def test_a_hub_reads_the_figures_in_the_front_matter(metrics: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(model_card(metrics, LORA, DATE), encoding="utf-8")
    header = read_header(tmp_path / "README.md")
    figures = figures_in(header)
    assert figures == {"learned": 1.0, "forgotten": 0.01, "false_positives": 0.05, "selected": True}
    assert figures == figures_of_run(metrics)
    assert images_of_run(metrics) == {"learned": 10, "forgotten": 100, "false_positives": 40}
    data = huggingface_hub.ModelCard.load(tmp_path / "README.md").data
    results = {one.metric_name: one.metric_value for one in data.eval_results}
    assert results == {"top-1": 1.0, "top-1 lost": 0.01, "false-positive rate": 0.05}


@pytest.mark.parametrize(
    "text",
    [
        "", "no header", "---\n[", "---\n3\n---", "---\nmodel-index: 3\n---",
        "---\nmodel-index: [[1], {results: [7]}]\n---", "---\n" + "[" * 10_000,
    ],
)  # fmt: skip
def test_a_strangers_header_is_read_or_left(text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert figures_in(read_header(tmp_path / "README.md"))["learned"] is None


def test_the_card_says_what_was_trained(metrics: dict[str, Any]) -> None:
    card = model_card(metrics, LORA, DATE)
    for words in ("vgg19", "goldfish", "rank 4", "alpha 6", "conv, classifier", "25,000", "keep"):
        assert words in card


def test_every_figure_is_shown_before_and_after_training(metrics: dict[str, Any]) -> None:
    rows = _table(model_card(metrics, LORA, DATE))
    assert len({len(row) for row in rows}) == 1
    figures = [row[2:] for row in rows[2:]]
    assert figures == [
        ["0.100", r"1.000\*", "0.900"], ["0.400", r"1.000\*", "1.000"], ["4.125", r"0.250\*", "0.300"],
        ["0.750", r"0.740\*", "0.730"], ["", r"0.910\*", ""], ["0.000", r"0.050\*", "0.075"],
    ]  # fmt: skip


def test_an_accuracy_is_shown_with_its_interval(metrics: dict[str, Any]) -> None:
    metrics["after"]["val/top1_interval"] = [0.72, 1.0]
    assert "| 0.100 | 1.000 (0.72 to 1.00)\\* |" in model_card(metrics, LORA, DATE)


def test_figures_of_images_that_chose_them_have_a_star_and_the_cross_fitted_value(
    metrics: dict[str, Any],
) -> None:
    card = model_card(metrics, LORA, DATE)
    assert "| 10 validation | top-1 | 0.100 | 1.000\\* | 0.900 |" in card
    assert "selected on these images: checkpoint, weights, strength." in card
    metrics["test"] = {"before": "not measured", "after": {"images": 30, "top1": 0.8}}
    assert "| 30 test | top-1 | not measured | 0.800 |  |" in model_card(metrics, LORA, DATE)


def test_the_card_says_how_the_strength_was_chosen(
    metrics: dict[str, Any], unmeasured: dict[str, Any]
) -> None:
    card = model_card(metrics, LORA, DATE)
    assert "strength 0.8" in card
    assert "0.010 of top-1 lost on 100 retention images" in card
    assert "a false-positive rate of 0.050 on 40 contrast images" in card
    metrics["strength"]["kept"] = False
    assert "is over `retention.budget=0.01, contrast.budget=0.05` by less than" in model_card(
        metrics, LORA, DATE
    )
    metrics["strength"]["plausibly_kept"] = False
    assert "EXCEEDS `retention.budget=0.01, contrast.budget=0.05`" in model_card(metrics, LORA, DATE)
    assert "no anchors" in model_card(unmeasured, LORA, DATE)


def test_forgetting_of_unlabelled_images_is_marked_as_an_estimate(unlabelled: dict[str, Any]) -> None:
    assert "| 100 old (retention) | top-1 lost, estimated |  | 0.020\\* |" in model_card(
        unlabelled, LORA, DATE
    )


def test_classes_with_forgotten_images_are_a_markdown_table(metrics: dict[str, Any]) -> None:
    text = changes_markdown(metrics["retention"])
    assert "| yawl | 4 | 0.750 | 0.500 | goldfish (1) |" in text
    assert text in model_card(metrics, LORA, DATE)
    assert "coho" not in changes_markdown(metrics["retention"], 1)
    assert changes_markdown("not measured").endswith("not measured.")
    metrics["retention"]["changes"]["classes"] = []
    assert "none was forgotten" in changes_markdown(metrics["retention"])


def test_figures_that_were_not_measured_are_marked(unmeasured: dict[str, Any]) -> None:
    rows = _table(model_card(unmeasured, LORA, DATE))
    assert [row[2:] for row in rows[-2:]] == [["not measured"] * 2] * 2


def test_the_code_of_the_card_is_python(metrics: dict[str, Any]) -> None:
    blocks = _python(model_card(metrics, LORA, DATE))
    assert any("visionlora" in block for block in blocks)
    assert any("peft" in block for block in blocks)
    for block in blocks:
        ast.parse(block)


@pytest.mark.parametrize("change", [{"head": "extend"}, {"head": "new"}])
def test_with_outputs_of_its_own_the_card_says_merge_in_place_of_code_for_peft(
    metrics: dict[str, Any], change: dict[str, str]
) -> None:
    card = model_card({**metrics, **change}, LORA, DATE)
    assert not any("peft" in block for block in _python(card))
    assert "visionlora merge" in card


def test_the_card_of_an_adapter_that_peft_refuses_has_no_code_for_it(metrics: dict[str, Any]) -> None:
    card = model_card(metrics, LORA, DATE, "PEFT has no vera")
    assert not any("peft" in block for block in _python(card))
    assert "PEFT refuses this adapter: PEFT has no vera. `visionlora convert" in card


@pytest.mark.parametrize(
    ("used", "weights", "words"),
    [
        ("vgg19", "imagenet", "torchvision.models.get_model('vgg19', weights=\"DEFAULT\")"),
        ("timm/resnet18.a1_in1k", "imagenet", "timm.create_model('resnet18.a1_in1k', pretrained=True)"),
        ("vgg19", "/w/a b.safetensors", "safetensors.torch.load_file('/w/a b.safetensors')"),
        ("vgg19", "/w/x.pth", "torch.load('/w/x.pth', weights_only=True)"),
    ],
)
def test_the_code_for_peft_loads_the_base_weights_that_were_adapted(
    metrics: dict[str, Any], used: str, weights: str, words: str
) -> None:
    model = {**metrics["model"], "used": used, "weights": weights}
    (block,) = [one for one in _python(model_card({**metrics, "model": model}, LORA, DATE)) if "peft" in one]
    assert words in block
    ast.parse(block)


def test_the_code_of_the_card_loads_mnasnet_which_asks_for_a_version(
    metrics: dict[str, Any], tmp_path: Path
) -> None:
    saved, file = torchvision.models.get_model("mnasnet0_5"), tmp_path / "m.safetensors"
    save_file(saved.state_dict(), file)
    model = {**metrics["model"], "used": "mnasnet0_5", "weights": str(file)}
    (block,) = [one for one in _python(model_card({**metrics, "model": model}, LORA, DATE)) if "peft" in one]
    lines = [line for line in block.splitlines() if "peft.PeftModel" not in line]
    names: dict[str, Any] = {}
    exec("\n".join(lines).replace("import peft, ", "import "), names)
    torch.testing.assert_close(dict(names["network"].state_dict()), dict(saved.state_dict()))


def test_a_fallback_is_recorded_on_the_card(metrics: dict[str, Any]) -> None:
    notice = "model=auto FALLS BACK to pocket, because the network is dead"
    assert notice in model_card({**metrics, "notices": [notice]}, LORA, DATE)


def test_many_classes_are_counted(metrics: dict[str, Any]) -> None:
    card = model_card({**metrics, "classes": [f"class {index}" for index in range(142)]}, LORA, DATE)
    assert "and 122 more" in card
    assert "class 141" not in card


@pytest.mark.parametrize(("taken", "words"), WEIGHTS_TAKEN.items())
def test_the_card_says_which_weights_of_the_training_were_taken(
    metrics: dict[str, Any], taken: str, words: str
) -> None:
    metrics["candidates"]["taken"] = taken
    assert f"- the adapter's weights are {words}" in model_card(metrics, LORA, DATE)


@pytest.mark.parametrize(
    ("used", "weights", "words"),
    [
        ("vgg19", "imagenet", "torchvision `vgg19`, ImageNet weights"),
        ("vgg19", "none", "torchvision `vgg19`, random weights"),
        ("vgg19", "/a/`b`.pth", "torchvision `vgg19`, weights ``/a/`b`.pth``"),
        ("pocket", "imagenet", f"{POCKET}, trained on rendered images"),
        ("pocket", "/a/b.pth", f"{POCKET}, weights `/a/b.pth`"),
    ],
)  # fmt: skip
def test_the_card_names_the_network_and_its_weights(
    metrics: dict[str, Any], used: str, weights: str, words: str
) -> None:
    metrics["model"] |= {"used": used, "weights": weights}
    card = model_card(metrics, LORA, DATE)
    assert f"- network: {words}\n" in card
    if used == "pocket":
        assert "torchvision" not in card
        assert "ImageNet" not in card
        assert "base_model" not in _front_matter(card)
    for block in _python(card):
        ast.parse(block)


def _inlines(card: str) -> list[list[tuple[str, str]]]:
    """The card's headings, list items and table cells as (kind, content) of their parts."""
    tokens = MarkdownIt("commonmark").enable("table").parse(card.split("---\n", 2)[2])
    return [[(part.type, part.content) for part in token.children or []] for token in tokens]


NAMES = [
    "a|b",
    "<script>",
    "[x](http://y)",
    "*bold*",
    "_a_",
    "`code`",
    "$x$",
    "&lt;",
    "a\\",
    "![x](y)",
    "~~a~~",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_the_card_are_text_and_not_formatting(metrics: dict[str, Any], name: str) -> None:
    metrics["classes"] = [name]
    one = metrics["retention"]["changes"]["classes"][0]
    one["class"], one["now"] = name, {name: 1}
    inlines = _inlines(model_card(metrics, LORA, DATE))
    for text in (f"LoRA adapter for vgg19: {name}", f"classes: {name}", name, f"{name} (1)"):
        assert [("text", text)] in inlines


def test_control_characters_in_names_become_escapes(metrics: dict[str, Any]) -> None:
    metrics["classes"] = ["gold\r\nfish\x1b"]
    card = model_card(metrics, LORA, DATE)
    assert r"gold\\x0d\\x0afish\\x1b" in card
    assert "\x1b" not in card
    assert "\r" not in card


def test_a_target_with_a_backtick_stays_in_its_code_span(metrics: dict[str, Any]) -> None:
    assert "targets `` `conv ``" in model_card(metrics, {**LORA, "targets": ["`conv"]}, DATE)
