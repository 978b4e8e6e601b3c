"""Negative images where the user gives none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import Draw, Train, metrics_of
from visionlora.data import scan_images
from visionlora.retention.negatives import drawings_of_others, left_out, with_ids, without_trained


def subjects(classes: tuple[str, ...]) -> set[str]:
    return {image.path.stem.partition("-")[2] for image in drawings_of_others(dict.fromkeys(classes, ""))}


def test_drawings_of_a_trained_class_are_left_out() -> None:
    everything, others = subjects(("goldfish",)), subjects(("clownfish", "Tabby_Cat", "ice cream"))
    assert everything - others == {"clownfish", "grey-cat", "art-cat", "cat", "ice-cream"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("n02607072", "clownfish"), ("anemone_fish", "clownfish"), ("anemone fish", "clownfish"),
        ("n01847000", "duck"), ("drake", "duck"), ("mallards", "duck"), ("hammerhead", "shark"),
        ("n01494475", "shark"), ("Great White Shark", "shark"), ("animal", "fox"), ("fish", "tang"),
        ("bird", "owl"), ("monarch", "butterfly"), ("n02281406", "butterfly"), ("citrus", "lemon"),
        ("fruit", "cherries"), ("vehicle", "rocket"), ("tabby", "grey-cat"), ("Persian_cat", "cat"),
        ("Granny_Smith", "apple"), ("tree frog", "frog"), ("soccer_ball", "football"),
        ("sea star", "starfish"), ("ladybird", "ladybug"), ("flower", "tulip"),
    ],
)  # fmt: skip
def test_a_class_has_no_drawings_of_its_own_kind_as_negatives(name: str, kind: str) -> None:
    assert kind not in subjects((name,))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("goldfish", "shark"), ("goldfish", "clownfish"), ("hammerhead", "snail"),
     ("computer mouse", "cat"), ("xyzzy", "owl"), ("grey whale", "grey-cat"), ("tiger", "cat")],
)  # fmt: skip
def test_what_is_another_kind_stays_a_negative(name: str, kind: str) -> None:
    assert kind in subjects((name,))


def test_the_id_of_the_networks_output_decides_what_an_ambiguous_name_means() -> None:
    network = SimpleNamespace(categories=("crane", "crab"), wnids=("n02012849", "n01978287"))
    known = {"crane": "n02012849", "Crab": "n01978287", "xyzzy": ""}
    assert with_ids(tuple(known), network) == known
    assert "owl" in {
        image.path.stem.partition("-")[2] for image in drawings_of_others({"drake": "n03126707"})
    }
    left = {image.path.stem.partition("-")[2] for image in drawings_of_others({"crane": "n02012849"})}
    assert "bird" not in left


def test_users_negatives_in_folders_of_a_trained_kind_are_left_out(draw: Draw, tmp_path: Path) -> None:
    root = tmp_path / "goldfish"
    for name in (
        "duck/1.png",
        "mallard/1.png",
        "deeper/Drake/photos/1.png",
        "n01847000/1.png",
        "cat/1.png",
        "2.png",
    ):
        draw(f"goldfish/{name}")
    kept, own = without_trained(scan_images([root]), root, {"duck": "", "goldfish": ""})
    assert {image.path.relative_to(root).as_posix() for image in kept} == {"cat/1.png", "2.png"}
    assert "4 images" in left_out(own, root)
    assert "Drake, duck, mallard" in left_out(own, root)


def test_few_classes_get_shipped_drawings_and_generated_negatives(
    train: Train,
) -> None:
    left, folder = train("retention.generated=16", "retention.inverted=0", "contrast.generated=6")
    assert left.code == 0, left.err
    assert "6 images made from the training images" in left.out
    assert metrics_of(folder)["images"]["anchors"] == 16 + 6 + 128


@pytest.mark.parametrize("setting", ["contrast.generated=0", "contrast.anchors=[] contrast.generated=6"])
def test_negatives_can_be_switched_off(train: Train, setting: str) -> None:
    _, folder = train("retention.generated=16", "retention.inverted=0", *setting.split())
    assert metrics_of(folder)["images"]["anchors"] == 16


def test_a_broken_training_image_is_reported_once(
    train: Train,
    images: Path,
) -> None:
    next((images / "train" / "red").iterdir()).write_bytes(b"no image")
    left, _ = train("retention.generated=16", "retention.inverted=0", "data.on_bad=stop")
    assert left.code == 2
    assert "1 image cannot be used" in left.err.replace("\n", " ")
