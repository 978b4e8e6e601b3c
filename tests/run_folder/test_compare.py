"""What differs when a run is continued."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from visionlora.data.splits.manifest import ReadImage
from visionlora.errors import VisionLoraError
from visionlora.run_folder.compare import (
    anchored,
    given_options,
    image_differences,
    option_differences,
    options_of,
    value_differences,
)
from visionlora.run_folder.folder import RunFolder
from visionlora.settings import keys_of
from visionlora.training.config import RunConfig

KEYS = keys_of(RunConfig)


def config(**changed: object) -> DictConfig:
    """Every option at its default but for ``changed``, whose names have ``__`` for the dot."""
    made = OmegaConf.create({})
    for name, key in KEYS.items():
        value = list(key.default) if isinstance(key.default, tuple) else key.default
        OmegaConf.update(made, name, changed.get(name.replace(".", "__"), value), force_add=True)
    return made


def test_options_are_given_by_name_or_by_a_preset() -> None:
    composed = config(lora__rank=8, contrast__root="/presets/own")
    given = given_options(["lora.rank=8", "+data=goldfish", "resume.force=true"], composed, config(), KEYS)
    assert given["lora.rank"] == 8  # the default, but the user said so
    assert given["contrast.root"] == "/presets/own"
    assert not {"lora.alpha", "resume.force", "resume.run"} & set(given)


def test_an_item_of_a_mapping_gives_the_whole_mapping() -> None:
    given = given_options(
        ["lora.rank_pattern.conv1=4"], config(lora__rank_pattern={"conv1": 4}), config(), KEYS
    )
    assert given == {"lora.rank_pattern": {"conv1": 4}}


def test_differing_options_are_told_with_both_values(tmp_path: Path) -> None:
    begun = options_of(config(seed=3), KEYS)
    found = option_differences(begun, {"seed": 4, "lora.rank": "auto"}, KEYS, tmp_path)
    assert found == {"seed": "seed is 4, and the run has 3"}


def test_options_are_those_that_were_recorded_whatever_their_types(tmp_path: Path) -> None:
    more = {"data__root": "é\u2028 x", "optimizer__lr": 1e-5, "retention__anchors": ["1", "~"]}
    begun = config(lora__rank_pattern={0: 4}, **more)
    RunFolder.start(tmp_path, begun)
    given = {"lora.rank_pattern": options_of(begun, KEYS)["lora.rank_pattern"]}
    RunFolder.resume(tmp_path, given, KEYS, force=False)
    with pytest.raises(VisionLoraError, match=r"lora\.rank_pattern is {0: 5}, and the run has {0: 4}"):
        RunFolder.resume(tmp_path, {"lora.rank_pattern": {"0": 5}}, KEYS, force=False)


def test_a_path_is_the_same_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = options_of(config(data__root="pictures", retention__anchors=["one", "/two"]), KEYS)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    started_in = tmp_path / "project"
    same = {"data.root": str(started_in / "pictures"), "retention.anchors": ["../project/one", "/two"]}
    monkeypatch.chdir(tmp_path)
    same["retention.anchors"] = ["project/one", "/two"]
    assert option_differences(stored, same, KEYS, started_in) == {}
    assert set(option_differences(stored, {"data.root": "pictures"}, KEYS, started_in)) == set()
    other = option_differences(stored, {"data.root": "other"}, KEYS, started_in)
    assert other == {"data.root": "data.root is 'other', and the run has 'pictures'"}


def test_relative_paths_lead_where_they_led_when_the_run_was_started(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    stored = config(data__root="pictures", retention__anchors=["pictures", "gone"], model__weights="imagenet")
    anchored(stored, KEYS, tmp_path)
    assert stored.data.root == str(tmp_path / "pictures")
    assert stored.retention.anchors == [str(tmp_path / "pictures"), "gone"]
    assert stored.retention.root == "auto" and stored.model.weights == "imagenet"


def image(path: str, sha256: str = "0", label: str | None = "fish", role: str = "train") -> ReadImage:
    return ReadImage(role, path, 1, sha256, label)


BEFORE = (image("/a/1", "1"), image("/a/2", "2"), image("/b/3", "3", None, "anchor"))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (BEFORE, []),
        ((image("/moved/1", "1"), image("/moved/2", "2"), image("/b/3", "3", None, "anchor")), []),
        ((BEFORE[0], BEFORE[2]), ["/a/2 (train) was removed"]),
        ((*BEFORE, image("/b/4", "4", None, "anchor")), ["/b/4 (anchor) was added"]),
        ((BEFORE[0], image("/a/2", "x"), BEFORE[2]), ["/a/2 (train) was changed"]),
        ((BEFORE[0], image("/a/2", "2", "cat"), BEFORE[2]), ["/a/2 (train) was fish and is cat now"]),
        ((BEFORE[1], BEFORE[0], BEFORE[2]), ["the images come in another order"]),
    ],
)  # fmt: skip
def test_images_that_were_changed_added_or_removed_are_named(
    now: tuple[ReadImage, ...], told: list[str]
) -> None:
    assert image_differences(BEFORE, now) == told


def test_an_image_that_is_there_and_cannot_be_read_was_not_removed() -> None:
    told = image_differences(BEFORE, BEFORE[1:], ["/a/1"])
    assert told == ["/a/1 (train) cannot be read any more"]


def test_recorded_values_that_are_others_now_are_named() -> None:
    before = {"torch": "2.0", "numpy": "1.0"}
    assert value_differences(before, {"torch": "2.1", "numpy": "1.0", "pillow": "9"}) == [
        "torch is '2.1', and was '2.0'"
    ]
