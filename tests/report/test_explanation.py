"""The table of `visionlora explain`."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from visionlora.report.explanation import explanation_table


def layer(**changes: Any) -> dict[str, Any]:
    usual = {
        "name": "features.0", "kind": "conv 3x3, 3 -> 64", "rank": 8, "parameters": 728, "folded": None,
        "calls": 1, "input": (2, 3, 32, 32), "product": {"implementation": "conv", "seconds": {}},
        "gradient": {
            "implementation": "low_rank", "seconds": {"full": 0.004, "low_rank": 0.002, "paired": 0.003}
        },
    }  # fmt: skip
    return {**usual, **changes}


def shown(*layers: dict[str, Any]) -> str:
    explanation = {
        "model": "vgg[19]", "input": [2, 3, 32, 32], "precision": "32-true", "device": "CPU, 1 threads",
        "layers": list(layers), "batch_norms": {"all": 3, "folded": 1},
        "parameters": {"total": 5000, "trainable": 728}, "step_s": 0.02, "timed_s": 0.005,
    }  # fmt: skip
    console = Console(width=200)
    with console.capture() as capture:
        console.print(explanation_table(explanation))
    return capture.get()


def test_the_chosen_implementation_comes_first_and_the_others_by_their_time() -> None:
    assert "low_rank 2.00, paired 3.00, full 4.00" in shown(layer())


def test_an_implementation_without_times_is_marked() -> None:
    assert "conv (not timed)" in shown(layer())


def test_a_layer_with_a_folded_batch_norm_names_it() -> None:
    assert "bn1 (folded)" in shown(layer(folded="bn1"))


def test_the_table_has_no_lines_as_no_other_table_has() -> None:
    assert not set(shown(layer())) & set("│┃━─┏└")


def test_the_number_of_calls_is_shown_if_it_is_not_one() -> None:
    assert "layer not called" in shown(layer(calls=0, input=(), product=None, gradient=None))
    assert "2 x 3 x 32 x 32, 4 calls" in shown(layer(calls=4))


def test_a_frozen_layer_is_marked_and_not_counted_as_adapted() -> None:
    text = shown(layer(), layer(name="deep", rank=0, parameters=0, gradient=None))
    assert "frozen" in next(line for line in text.splitlines() if "deep" in line)
    assert "1 adapted layer" in text


def test_the_totals_are_below_the_table_and_the_network_above_it() -> None:
    text = shown(layer())
    assert text.startswith("vgg[19]: images 2 x 3 x 32 x 32")
    assert "1 adapted layer, 728 of 5,000 parameters trained; 1 of 3 batch norms folded" in text
