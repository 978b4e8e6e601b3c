from __future__ import annotations

import pytest

from visionlora.data.names.wordnet import FIELDS, are_related, definition, kinds, meanings, more_usual_meaning
from visionlora.models.classes import imagenet_wnids


def test_every_class_of_imagenet_has_a_definition_and_kinds() -> None:
    for wnid in imagenet_wnids():
        assert definition(wnid)
        assert len(kinds(wnid)) > 2


@pytest.mark.parametrize(
    ("name", "wnid"),
    [
        ("n01443537", "n01443537"), ("N01443537", "n01443537"), ("goldfish", "n01443537"),
        ("Goldfish ", "n01443537"), ("great-white-shark", "n01484850"), ("cherries", "n07757132"),
        ("my old teapot", "n04398044"), ("xyzzy", None), ("", None), ("金魚", None),
    ],
)  # fmt: skip
def test_a_name_gives_the_ids_that_it_can_mean(name: str, wnid: str | None) -> None:
    assert (wnid in meanings(name)) if wnid else not meanings(name)


def test_kinds_are_related_in_both_directions_and_neighbours_are_not() -> None:
    fish, goldfish, shark = meanings("fish"), meanings("goldfish"), meanings("shark")
    assert are_related(fish, goldfish)
    assert are_related(goldfish, fish)
    assert not are_related(goldfish, shark)
    assert not are_related(frozenset(), goldfish)


@pytest.mark.parametrize(
    ("wnid", "name", "other"),
    [
        ("n03793489", "mouse", "animal"), ("n03793489", "Mouse", "animal"),
        ("n03793489", "computer mouse", ""), ("n03804744", "nail", "body part"),
        ("n13133613", "ear", "body part"), ("n01608432", "kites", "object"),
        ("n03954731", "plane", "airplane"), ("n01443537", "goldfish", ""), ("n07753592", "banana", ""),
        ("n99999999", "mouse", ""),
    ],
)  # fmt: skip
def test_a_class_whose_name_usually_means_something_else_says_what(wnid: str, name: str, other: str) -> None:
    assert more_usual_meaning(wnid, name) == other
    assert other in FIELDS | {"", "airplane"}


def test_a_usual_meaning_is_one_of_each_field_and_rare_ones_are_none() -> None:
    assert (len(meanings("jellyfish")), len(meanings("jellyfish", usual=True))) == (2, 1)
    assert not are_related(meanings("tiger"), meanings("cat"))
    assert not meanings("blue")
