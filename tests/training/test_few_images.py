"""Runs with one image in all, one of each class, or no validation say what was not measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Command, Train, metrics_of

NOTHING = {
    **dict.fromkeys(("val/top1", "val/top5", "val/loss"), "not measured"),
    "selected_on_these_images": [],
}


@pytest.fixture
def one_of_each(images: Path, tmp_path: Path) -> Path:
    """A folder with one image of each of two classes."""
    for name in ("red", "blue"):
        (tmp_path / "few" / name).mkdir(parents=True)
        shutil.copy(images / "train" / name / "0.png", tmp_path / "few" / name)
    return tmp_path / "few"


@pytest.mark.usefixtures("figures")
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("model.head=new",),
        ("retention.weight=0", "retention.root=null"),
        ("cache.features=true", "lora.targets=last:1"),
        ("optimizer.lr=auto",),
        ("trainer.max_steps=1",),
    ],
    ids=" ".join,
)
def test_one_image_of_each_class_trains_without_validation(
    train: Train, one_of_each: Path, arguments: tuple[str, ...]
) -> None:
    left, folder = train(f"data.root={one_of_each}", *arguments)
    assert left.code == 0, left.err
    metrics = metrics_of(folder)
    assert metrics["before"] == metrics["after"] == NOTHING
    assert metrics["images"]["val"] == 0
    candidates = {"best": "not measured", "average": "not measured", "taken": "average"}
    assert metrics["candidates"] == {**candidates, "selected_on_these_images": []}
    assert "no validation images" in left.out
    for name in ("adapter/README.md", "before_after.png"):
        assert (folder / name).stat().st_size > 0, name
    new = metrics["head"] == "new"  # it has nothing to forget
    assert (not new) == (folder / "strength.png").is_file() == (folder / "retention_changes.png").is_file()
    assert list((folder / "checkpoints").iterdir())
    assert (
        "| no validation | top-1 | not measured | not measured |"
        in (folder / "adapter/README.md").read_text()
    )
    assert list((folder / "tensorboard").glob("events.*"))


def test_without_validation_the_budgets_alone_choose_the_strength(
    train: Train, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, folder = train("data.val_fraction=0", f"data.root={images / 'train'}",
                         f"contrast.root={images.parent / 'others'}", "contrast.budget=1")  # fmt: skip
    assert left.code == 0, left.err
    strength = metrics_of(folder)["strength"]
    assert strength["chosen"] == 1 and strength["kept"]
    assert strength["called_on"] == "6 contrast images"
    assert not any("val/top1" in point for point in strength["curve"])
    assert "on validation images" not in left.out
    assert "that no smaller one outperforms" not in (folder / "adapter" / "README.md").read_text()


def test_a_sweep_over_runs_without_validation_ends_in_a_table(
    command: Command, train: Train, one_of_each: Path
) -> None:
    from visionlora.report.tables import seeds_table, sweep_table

    _, folder = train(f"data.root={one_of_each}")
    metrics = metrics_of(folder)
    assert sweep_table([("seed=0", metrics)]).row_count == 1
    assert seeds_table([("all", [metrics, metrics])]).row_count == 1


@pytest.mark.usefixtures("undrawn")
def test_one_image_in_all_trains_pocket_and_predicts(command: Command, tmp_path: Path) -> None:
    (tmp_path / "one" / "goldfish").mkdir(parents=True)
    Image.new("RGB", (80, 60), (220, 120, 20)).save(tmp_path / "one" / "goldfish" / "a.png")
    left = command(
        "train", "data.root=one", "model=pocket", "trainer.max_steps=1", "retention.inverted=0",
        "trainer.precision=32-true", "hydra.run.dir=run",
    )  # fmt: skip
    assert left.code == 0, left.err
    assert metrics_of(tmp_path / "run")["after"] == NOTHING
    left = command("predict", "adapter=run", "images=one/goldfish/a.png", "output=names.jsonl")
    assert left.code == 0, left.err
    assert len((tmp_path / "names.jsonl").read_text().splitlines()) == 1
    left = command("evaluate", "adapter=run", "data.root=one", "output=figures.json")
    assert left.code == 0, left.err
    assert json.loads((tmp_path / "figures.json").read_text())["images"] == 1


def test_before_training_a_new_head_has_no_figures(train: Train, command: Command, images: Path) -> None:
    others = f"contrast.root={images.parent / 'others'}"
    left, folder = train("model.head=new", others, "trainer.max_steps=1")
    assert left.code == 0, left.err
    metrics = metrics_of(folder)
    assert metrics["before"] == NOTHING
    assert 0 <= metrics["after"]["val/top1"] <= 1
    # Each output is a trained class: every image would be a false positive.
    assert metrics["contrast"] == "not measured"
    assert [one for one in metrics["notices"] if "contrast.root" in one and "the head is new" in one]
    left = command("evaluate", f"adapter={folder}", f"data.root={images}", others)
    assert (left.code, "contrast.root: every output of head new" in left.err) == (2, True)


def test_a_new_head_is_a_good_classifier_before_the_first_step(train: Train) -> None:
    left, folder = train("model.head=new", "optimizer.lr=1e-9", "trainer.max_steps=1")
    assert left.code == 0, left.err
    assert metrics_of(folder)["after"]["val/top1"] == 1.0
    assert "the new head starts as a linear classifier" in left.out
    assert "labels are smoothed by 0.1" in left.out


@pytest.mark.parametrize(
    ("validation", "option", "chose"),
    [(5, "data.folds=null", True), (4, "data.folds=null", False), (5, "data.folds=2", False)],
    ids=["ten", "eight", "all of them trained on"],
)
def test_ten_validation_images_choose_where_a_new_head_starts(
    train: Train, images: Path, validation: int, option: str, chose: bool
) -> None:
    for name, colour in (("red", (200, 90, 90)), ("blue", (90, 90, 200))):
        for index in range(validation):
            shade = tuple(value + 9 * index for value in colour)
            Image.new("RGB", (40, 40), shade).save(images / "val" / name / f"{index}.png")
    left, folder = train("model.head=new", "trainer.max_steps=1", option)
    assert left.code == 0, left.err
    start = next(said for said in metrics_of(folder)["notices"] if said.startswith("the new head starts"))
    assert ("validation images chose its penalty" in start) == chose
