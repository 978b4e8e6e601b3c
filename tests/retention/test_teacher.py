"""Anchors that are held out."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import PREPROCESSING
from visionlora.adapters import LoraConfig, attach
from visionlora.data.images.augment import AugmentConfig, training_transform
from visionlora.data.images.decode import ImageFile
from visionlora.notices import Notices
from visionlora.retention.anchor_views import AnchorViews
from visionlora.retention.anchors import hold_out_anchors, without_copies
from visionlora.retention.generated import generate_images
from visionlora.retention.stream import AnchorStream
from visionlora.retention.teacher import AnchorTeacher, hold_out, views_of_held_out


@pytest.mark.parametrize(("count", "expected"), [(63, 0), (64, 16), (300, 37), (5000, 128)])
def test_an_eighth_is_held_out_within_bounds(count: int, expected: int) -> None:
    anchors = [torch.tensor(index) for index in range(count)]
    (kept,), held = hold_out([anchors])
    assert len(kept) + len(held) == count
    assert {int(one) for one in kept} | {int(one) for one in held} == set(range(count))
    assert expected <= len(held) <= expected * 1.1


@pytest.mark.parametrize(("count", "views"), [(18, 6), (21, 6), (22, 5), (64, 2), (65, 1), (142, 1)])
def test_few_held_out_photos_are_looked_at_in_several_views(count: int, views: int, tmp_path: Path) -> None:
    assert views_of_held_out([ImageFile(tmp_path / "photo.png")] * count) == views


def test_held_out_generated_images_are_looked_at_once() -> None:
    assert views_of_held_out(generate_images(16, 32)) == 1


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


def test_copies_of_what_is_held_out_are_not_trained_on(tmp_path: Path) -> None:
    def anchor(name: str, content: bytes) -> ImageFile:
        (tmp_path / name).write_bytes(content)
        return ImageFile(tmp_path / name)

    held, copy, other = (anchor(name, name[:1].encode()) for name in ("a", "a2", "b"))
    notices = Notices()
    assert without_copies([[copy, other], [copy]], [held], notices) == [[other], [copy]]
    assert notices.messages == ["anchors left out as copies of those held out: 1"]
    assert without_copies([[other]], [held], notices) == [[other]]
    assert len(notices.messages) == 1


def teacher(images: list[Tensor], sources: tuple[int, ...], per_step: int, anchors: int) -> AnchorTeacher:
    transform = training_transform(AugmentConfig(), PREPROCESSING)
    rest = iter(images)
    by_source = [list(islice(rest, count)) for count in sources]
    stream = AnchorStream(by_source, per_step, AnchorViews(PREPROCESSING, transform), per_anchor=2)
    return AnchorTeacher(stream, 4, anchors=anchors, targets=(1,))


@pytest.mark.parametrize("sources", [(6,), (2, 4), (4, 2)])
@pytest.mark.parametrize("per_step", [1, 3, 4])
def test_an_image_that_stands_twice_in_the_lists_has_one_answer_wherever_a_run_begins(
    network: nn.Module, sources: tuple[int, ...], per_step: int
) -> None:
    attach(network, LoraConfig(rank=1))
    a, b, c, d = generate_images(4, 40)
    images = [a, b, a.clone(), c, d, b.clone()]
    whole = teacher(images, sources, per_step, anchors=5)
    batches = [whole.batch(network, step) for step in range(14)]
    assert len(whole.logits) == 4 * 2
    assert {identity for identity, _ in whole.logits} == set(whole.stream.identities)
    for begun in (1, 5, 13):
        resumed = teacher(images, sources, per_step, anchors=5)
        for step in range(begun, 14):
            expected, found = batches[step], resumed.batch(network, step)
            assert expected is not None
            assert found is not None
            assert torch.equal(found.logits, expected.logits), (begun, step)
    # b is an anchor and a negative: it is known to show none of the trained classes.
    is_b = [image == whole.stream.identities[1] for image, _ in whole.stream.drawn(2)]
    assert all(float(row.softmax(0)[1]) < 1e-8 for row in batches[2].logits[is_b])


def test_validation_computes_no_more_anchors_at_a_time_than_a_step_has_images(network: nn.Module) -> None:
    attach(network, LoraConfig(rank=2), generator=torch.Generator().manual_seed(0))
    images = [torch.full((3, 40, 40), value, dtype=torch.uint8) for value in range(0, 140, 20)]
    rows = []
    network.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    one = teacher(images, (7,), per_step=3, anchors=7)
    one.prepare(network)
    student, frozen = one.compare(network)
    assert rows == [6, 1] * 2
    assert student.shape == (7, 4)
    assert torch.allclose(student, frozen, atol=1e-5)  # B is zero
