"""Anchors that are held out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visionlora.data.images import ImageFile
from visionlora.notices import Notices
from visionlora.retention.anchors import hold_out_anchors
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


def test_a_resumed_run_holds_out_the_anchors_that_it_recorded(tmp_path: Path) -> None:
    sources = [[ImageFile(tmp_path / f"{source}-{place}.png") for place in range(80)] for source in "ab"]
    recorded = [str(source[place].path) for source in sources for place in (3, 5, 8)]
    kept, held = hold_out_anchors(sources, 0, 64, Notices(), recorded)
    assert held is not None
    assert [str(one.path) for one in held.anchors] == recorded
    assert [len(source) for source in kept] == [77, 77]
    new = hold_out_anchors(sources, 0, 64, Notices())
    assert hold_out_anchors(sources, 0, 64, Notices(), [str(tmp_path / "moved.png")]) == new
