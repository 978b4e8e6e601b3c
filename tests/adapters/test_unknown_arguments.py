"""The words of PEFT lead to ours."""

from __future__ import annotations

import pytest

from visionlora.adapters import LoraConfig, LoraError


@pytest.mark.parametrize(
    ("word", "value", "answer"),
    [
        ("r", 8, "called rank here: rank=8"),
        ("lora_alpha", 16, "called alpha here: alpha=16"),
        ("target_modules", ["conv1"], r"called targets here: targets=\['conv1'\]"),
        ("exclude_modules", "fc", "called exclude here"),
        ("lora_dropout", 0.1, "called dropout here"),
        ("init_lora_weights", "pissa", "called init here: init='pissa'"),
        ("use_rslora", True, "called rslora here"),
        ("use_dora", True, 'family="dora"'),
        ("modules_to_save", ["fc"], "save_adapter"),
        ("task_type", "X", "leave it out"),
        ("alhpa", 3, "called alpha here: alpha=3"),
        ("zzz", 3, "there are family, rank"),
    ],
)
def test_another_word_gets_the_right_name(word: str, value: object, answer: str) -> None:
    with pytest.raises(LoraError, match=f"LoraConfig has no '{word}'.*{answer}"):
        LoraConfig(**{word: value})


def test_ones_own_words_are_taken_by_place_and_by_name() -> None:
    assert LoraConfig("lora", 4) == LoraConfig(rank=4)
