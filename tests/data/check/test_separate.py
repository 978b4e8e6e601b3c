"""Images that two sets of a run have, by their bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Draw, Train, metrics_of
from visionlora.data.check.separate import without_overlap
from visionlora.data.images.decode import ImageFile
from visionlora.errors import VisionLoraError


def _copy(path: Path, name: str) -> Path:
    other = path.parent / name
    other.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, other)
    return other


@pytest.mark.parametrize(
    ("role", "other", "named"),
    [
        ("anchor", "retention", "retention.anchors left out: also among retention.root"),
        ("retention", "train", "retention.root left out: also among train images"),
        ("negative", "train", "contrast.anchors left out: also among train images"),
        ("negative", "val", "contrast.anchors left out: also among val images"),
        ("contrast", "negative", "contrast.root left out: also among contrast.anchors"),
        ("contrast", "test", "contrast.root left out: also among test images"),
    ],
)
def test_a_set_gives_up_what_another_one_has(draw: Draw, role: str, other: str, named: str) -> None:
    own, shared = draw("own.png", colour=(1, 2, 3)), draw("shared.png", colour=(9, 9, 9))
    copied = _copy(shared, "elsewhere/copy.png")
    images = [ImageFile(own), ImageFile(copied)]
    left_out, said = without_overlap(role, images, {other: [ImageFile(shared, "cat")]})
    assert left_out == {copied}
    assert said == [f"1 image of {named} (first: {copied})"]


def test_sets_without_a_common_image_stay_as_they_are(draw: Draw) -> None:
    one, two = draw("one.png", colour=(1, 2, 3)), draw("two.png", colour=(3, 2, 1))
    assert without_overlap("anchor", [ImageFile(one)], {"retention": [ImageFile(two)]}) == (set(), [])
    assert without_overlap("val", [ImageFile(one)], {"train": [ImageFile(one)]}) == (set(), [])


@pytest.mark.parametrize("same_folder", [True, False])
def test_a_set_that_another_one_has_whole_is_refused(draw: Draw, same_folder: bool) -> None:
    one = draw("one.png")
    other = one if same_folder else _copy(one, "copy.png")
    with pytest.raises(VisionLoraError, match=r"retention.anchors: every image is also among retention.root"):
        without_overlap("anchor", [ImageFile(one)], {"retention": [ImageFile(other)]})


def test_a_file_that_is_gone_is_left_to_the_check_of_the_images(tmp_path: Path) -> None:
    gone = [ImageFile(tmp_path / "gone.png")]
    assert without_overlap("anchor", gone, {"retention": [ImageFile(tmp_path / "lost.png")]}) == (set(), [])


def test_a_run_separates_its_anchors_from_its_retention_images_and_says_so(
    train: Train, images: Path, tmp_path: Path
) -> None:
    others = sorted((images.parent / "others").iterdir())
    for name, chosen in (("anchors", others), ("old", others[:2])):
        (tmp_path / name).mkdir()
        for path in chosen:
            shutil.copy(path, tmp_path / name / f"{name}{path.name}")
    shutil.copy(images / "train" / "red" / "0.png", images / "val" / "red" / "copy.png")
    left, folder = train(
        f"retention.anchors=[{tmp_path / 'anchors'}]", f"retention.root={tmp_path / 'old'}",
        "trainer.max_steps=1",
    )  # fmt: skip
    assert left.code == 0, left.err
    metrics = metrics_of(folder)
    assert metrics["retention"]["images"] == 2
    assert metrics["images"]["anchors"] == len(others) - 2
    said = " ".join(metrics["notices"])
    assert "2 images of retention.anchors left out: also among retention.root" in said
    assert "1 image is in both train and val" in said
