"""Outputs are found by their class names."""

from __future__ import annotations

import pytest
from torchvision.models import VGG19_Weights

from visionlora.errors import VisionLoraError
from visionlora.models import find_class, imagenet_wnids
from visionlora.models.classes import UnknownClass, suggestions

CATEGORIES = tuple(VGG19_Weights.DEFAULT.meta["categories"])


@pytest.mark.parametrize(
    "name",
    [
        "great white shark",
        "great_white_shark",
        "Great White  Shark",
        "greatwhiteshark",
        "n01484850",
        "N01484850",
    ],
)
def test_case_spaces_and_underscores_do_not_count(name: str) -> None:
    assert find_class(name, CATEGORIES, imagenet_wnids()) == 2


def test_every_category_and_every_id_finds_its_own_output() -> None:
    for index, (category, wnid) in enumerate(zip(CATEGORIES, imagenet_wnids(), strict=True)):
        assert find_class(category, CATEGORIES, imagenet_wnids()) == index
        assert find_class(wnid, CATEGORIES, imagenet_wnids()) == index


def test_the_list_of_ids_is_imagenets() -> None:
    wnids = imagenet_wnids()
    assert len(set(wnids)) == 1000
    # ILSVRC numbers its synsets in the order of their ids.
    assert list(wnids) == sorted(wnids)
    assert wnids[1] == "n01443537"
    assert wnids[999] == "n15075141"


def test_an_unknown_name_gets_suggestions() -> None:
    with pytest.raises(UnknownClass, match=r"goldfishh.*1000 classes.*close: goldfish"):
        find_class("goldfishh", CATEGORIES)
    assert "tiger shark" in suggestions("shark", CATEGORIES)
    assert suggestions("zzzzzz", CATEGORIES) == []


def test_a_name_of_two_classes_is_ambiguous_but_their_ids_are_not() -> None:
    categories, wnids = ("crane", "goldfish", "crane"), ("n02012849", "n01443537", "n03126707")
    with pytest.raises(VisionLoraError, match=r"n02012849 \(crane\), n03126707 \(crane\)") as caught:
        find_class("Crane", categories, wnids)
    assert not isinstance(caught.value, UnknownClass)
    assert find_class("n03126707", categories, wnids) == 2


def test_exact_spelling_distinguishes_the_dog_from_the_jacket() -> None:
    assert find_class("Cardigan", CATEGORIES, imagenet_wnids()) == 264
    assert find_class("cardigan", CATEGORIES, imagenet_wnids()) == 474
    with pytest.raises(VisionLoraError, match="several"):
        find_class("CARDIGAN", CATEGORIES, imagenet_wnids())


@pytest.mark.parametrize("name", ["", "_", " "])
def test_an_empty_name_is_unknown_even_without_ids(name: str) -> None:
    with pytest.raises(UnknownClass):
        find_class(name, ("goldfish", "tabby"), ("", ""))


def test_generic_names_are_found() -> None:
    assert find_class("class_1", ("class 0", "class 1"), ("", "")) == 1


def test_many_unknown_names_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(
        "visionlora.models.classes.suggestions", lambda name, categories: compared.append(name) or []
    )
    categories = tuple(f"thing {number}" for number in range(1000))
    for number in range(300):
        with pytest.raises(UnknownClass) as unknown:
            find_class(f"other {number}", categories)
    assert compared == []  # slow, and only needed for a message
    assert "class 'other 299' is not one of the network's 1000 classes" in str(unknown.value)
    assert compared == ["other 299"]


def test_an_output_is_found_in_either_unicode_form() -> None:
    assert find_class("Ka\u0308fer", ["dog", "K\u00e4fer"]) == 1
    assert find_class("K\u00e4fer", ["dog", "Ka\u0308fer"]) == 1
