from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Draw, Sizes
from visionlora.data.images.augment import AugmentConfig, Normalise, evaluation_transform, training_transform
from visionlora.data.images.cache import ImageCache
from visionlora.data.images.decode import ImageFile
from visionlora.data.images.identity import identities
from visionlora.retention.anchor_views import AnchorViews, View
from visionlora.retention.generated import generate_images
from visionlora.retention.stream import AnchorStream

SIZES = Sizes()
IMAGES = generate_images(5, 40)
IDENTITY = identities(IMAGES[:1])[0]


def stream(
    count: int = 5, per_step: int = 4, split: int = 0, views: int = 4, mixup: int = 0, **options: Any
) -> AnchorStream:
    """A stream of ``count`` anchors: one source, or two, of which the first has ``split`` of them."""
    transform = training_transform(AugmentConfig(), SIZES)
    sources = [IMAGES[:split], IMAGES[split:count]] if split else [IMAGES[:count]]
    return AnchorStream(sources, per_step, AnchorViews(SIZES, transform, **options), views, mixup)


def test_a_batch_has_normalised_images_in_channels_last() -> None:
    anchors = stream()
    images = anchors.images(anchors.drawn(0))
    assert images.shape == (4, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("budget_mb", [256, 0.01, 0])
def test_a_batch_is_a_function_of_seed_and_step(budget_mb: float) -> None:
    forwards, backwards = stream(budget_mb=budget_mb), stream()
    batches = [(drawn, forwards.images(drawn)) for step in range(8) for drawn in [forwards.drawn(step)]]
    for step in reversed(range(8)):
        drawn, images = batches[step]
        assert backwards.drawn(step) == drawn
        assert torch.equal(backwards.images(drawn), images)
    other = stream(seed=1)
    assert not torch.equal(other.images(other.drawn(3)), batches[3][1])


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.integers(1, 4))
def test_every_view_of_every_anchor_is_visited_equally_often(count: int, per_step: int, views: int) -> None:
    anchors = stream(count, per_step, views=views)
    pairs = [anchors._drawn(position) for position in range(count * views * per_step)]
    assert Counter(pairs) == {
        (identity, view): per_step for identity in anchors.identities for view in range(views)
    }


def test_every_source_gets_the_same_share_of_a_step() -> None:
    anchors = stream(count=5, per_step=4, split=1, views=3)
    seen = Counter(anchors.identities.index(image) for step in range(6) for image, _ in anchors.drawn(step))
    assert seen == {0: 12, 1: 3, 2: 3, 3: 3, 4: 3}


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 3))
def test_it_is_known_which_step_draws_a_view_first(split: int, per_step: int, views: int) -> None:
    anchors = stream(5, per_step, split, views=views)
    seen: set[View] = set()
    for step in range(12):
        drawn = anchors.drawn(step)
        new = [place for place, key in enumerate(drawn) if key not in {*seen, *drawn[:place]}]
        assert anchors.new_in(step) == new
        assert all(anchors.first_step(drawn[place]) == step for place in new)
        seen.update(drawn)


@given(st.integers(1, 12), st.data())
def test_as_many_views_are_blended_as_asked_for_and_they_alternate_with_the_others(
    views: int, data: st.DataObject
) -> None:
    mixup = data.draw(st.integers(0, views))
    anchors = stream(views=views, mixup=mixup)
    blended = [anchors._other((anchors.identities[0], number)) is not None for number in range(views)]
    assert sum(blended) == mixup
    for before in range(views):
        assert abs(sum(blended[:before]) - before * mixup / views) < 1


def test_a_blended_view_lies_between_an_anchor_and_another_of_its_source() -> None:
    black, white = torch.zeros(3, 40, 40, dtype=torch.uint8), torch.full((3, 40, 40), 255, dtype=torch.uint8)
    grey = [torch.full((3, 40, 40), value, dtype=torch.uint8) for value in (100, 101)]
    views = AnchorViews(SIZES, evaluation_transform(SIZES))
    anchors = AnchorStream([[black, white], grey], 4, views, 2, 1)
    dark, bright, first, second = ([anchors.view((name, n)) for n in (0, 1)] for name in anchors.identities)
    assert dark[0].max() == 0 and bright[0].min() == 255
    assert 0.1 <= dark[1].float().mean() / 255 <= 0.5
    assert 0.5 <= bright[1].float().mean() / 255 <= 0.9
    assert {*first[1].unique().tolist(), *second[1].unique().tolist()} <= {100, 101}


def test_blended_views_are_the_same_in_another_process() -> None:
    once, again = stream(mixup=2), stream(mixup=2, budget_mb=0)
    for step in reversed(range(6)):
        drawn = once.drawn(step)
        assert torch.equal(once.images(drawn), again.images(drawn))
    plain = stream()
    assert not torch.equal(plain.images(plain.drawn(3)), once.images(once.drawn(3)))


def test_a_single_anchor_has_nothing_to_be_blended_with() -> None:
    assert torch.equal(stream(1, mixup=4).images([(IDENTITY, 1)]), stream(1).images([(IDENTITY, 1)]))


@pytest.mark.parametrize("sources", [[], [[], IMAGES]])
def test_a_source_without_anchors_is_refused(sources: list[list[torch.Tensor]]) -> None:
    with pytest.raises(ValueError, match="source"):
        AnchorStream(sources, 4, AnchorViews(SIZES, training_transform(AugmentConfig(), SIZES)))


def test_the_same_view_of_an_anchor_is_always_the_same_image_and_views_differ() -> None:
    anchors = stream(count=2, per_step=4, views=2)
    seen: dict[View, torch.Tensor] = {}
    for step in range(6):
        drawn = anchors.drawn(step)
        for image, view in zip(anchors.images(drawn), drawn, strict=True):
            assert torch.equal(seen.setdefault(view, image), image)
    assert len(seen) == 4
    first = anchors.identities[0]
    assert not torch.equal(seen[first, 0], seen[first, 1])


def test_an_added_anchor_changes_no_view_of_the_others_and_not_their_order() -> None:
    more, fewer = (
        stream(count=5),
        AnchorStream([IMAGES[3:0:-1]], 1, AnchorViews(SIZES, training_transform(AugmentConfig(), SIZES))),
    )
    shared = more.identities[1:4]
    assert all(torch.equal(fewer.view((identity, 2)), more.view((identity, 2))) for identity in shared)
    assert fewer._order(0, 1) == [identity for identity in more._order(0, 1) if identity in shared]


def test_fewer_anchors_than_a_batch_are_repeated() -> None:
    assert len(stream(count=2, per_step=8).drawn(0)) == 8


def test_files_and_generated_images_mix(draw: Draw) -> None:
    transform = training_transform(AugmentConfig(), SIZES)
    mixed = [ImageFile(draw("a.png")), IMAGES[0]]
    anchors = AnchorStream([mixed], 2, AnchorViews(SIZES, transform, ImageCache(1, 48)))
    drawn = anchors.drawn(0)
    assert {identity for identity, _ in drawn} == set(anchors.identities)
    assert len(anchors.images(drawn)) == 2


def test_plain_anchors_are_preprocessed_without_augmentation() -> None:
    expected = Normalise(SIZES.mean, SIZES.std)([evaluation_transform(SIZES)(image) for image in IMAGES])
    assert torch.equal(stream().plain(99)[1], expected)
    assert len(stream().plain(3)[1]) == 3


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_batches_hold_every_anchor_once_without_augmentation(size: int) -> None:
    anchors = stream()
    batches = list(anchors.batches(size))
    assert all(len(batch["images"]) <= size for batch in batches)
    assert all((batch["labels"] == -1).all() for batch in batches)
    images = torch.cat([batch["images"] for batch in batches])
    torch.testing.assert_close(images, anchors.plain(5)[1])


def test_some_anchors_are_spread_over_all_of_them() -> None:
    anchors = stream(count=5)
    first, second = anchors.batches(2, most=3)
    assert torch.equal(torch.cat([first["images"], second["images"]]), anchors.plain_images([0, 1, 3]))
    assert [batch["indices"].tolist() for batch in stream(count=2).batches(2, most=3)] == [[0, 1]]


def test_the_near_views_of_an_anchor_follow_each_other_and_are_always_the_same() -> None:
    anchors = stream(count=2)
    batches = anchors.batches(4, views=3)
    images = torch.cat([batch["images"] for batch in batches])
    assert len(batches) == len(images) == 6
    assert [batch["indices"].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5]]
    assert torch.equal(images[::3], anchors.plain_images([0, 1]))
    assert len(images.unique(dim=0)) == 6
    assert torch.equal(images, torch.cat([batch["images"] for batch in stream(count=2).batches(6, views=3)]))


@pytest.mark.parametrize(("flip", "mirrored"), [(0.0, 0), (1.0, 1)])
def test_near_views_are_mirrored_where_training_images_are(flip: float, mirrored: int) -> None:
    """The left half is black: in a crop of most of the image the left is darker, unless it is mirrored."""
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    image[:, :, 20:] = 255
    views = AnchorViews(SIZES, evaluation_transform(SIZES), flip=flip)
    for number in range(1, 6):
        left, right = views.near(("half", number), image).float().chunk(2, dim=2)
        assert (left.mean() > right.mean()) == mirrored


def test_anchors_that_threads_decode_ahead_give_the_same_batches(draw: Draw) -> None:
    anchors = [ImageFile(draw(f"{number}.png", colour=(20 * number, 30, 99))) for number in range(8)]

    def new_stream() -> AnchorStream:
        transform = training_transform(AugmentConfig(), SIZES)
        return AnchorStream([anchors], 3, AnchorViews(SIZES, transform, budget_mb=0))

    plain, ahead = new_stream(), new_stream()
    for step in range(6):
        expected = plain.images(plain.drawn(step))
        ahead.decode_ahead(step)
        assert ahead.views._ahead, "nothing was decoded ahead"
        assert torch.equal(ahead.images(ahead.drawn(step)), expected)
        assert not ahead.views._ahead, "what was decoded was not used"
