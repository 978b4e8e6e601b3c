"""Anchors that are held out."""

from __future__ import annotations

import pytest
import torch

from visionlora.retention.teacher import hold_out


@pytest.mark.parametrize(("count", "expected"), [(63, 0), (64, 16), (300, 37), (5000, 128)])
def test_an_eighth_is_held_out_within_bounds(count: int, expected: int) -> None:
    anchors = [torch.tensor(index) for index in range(count)]
    (kept,), held = hold_out([anchors])
    assert len(kept) + len(held) == count
    assert {int(one) for one in kept} | {int(one) for one in held} == set(range(count))
    assert expected <= len(held) <= expected * 1.1


def test_anchors_are_held_out_of_every_source_in_proportion() -> None:
    sources = [[torch.tensor(0)], [torch.tensor(1)] * 80, [torch.tensor(2)] * 80]
    kept, held = hold_out(sources)
    assert [len(source) for source in kept] == [1, 70, 70]
    assert len(held) == 20
