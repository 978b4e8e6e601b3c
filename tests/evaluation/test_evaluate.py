"""``evaluate`` measures on images that the adapter was not trained on, and says which."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Command, Train, Trained

Evaluate = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def evaluate(command: Command, tmp_path: Path) -> Evaluate:
    """Evaluates an adapter on a folder or table; returns the figures and what the terminal showed."""

    def run(adapter: Path, root: Path, *arguments: str) -> tuple[dict[str, Any], str]:
        left = command("evaluate", f"adapter={adapter}", f"data.root={root}", "output=e.json", *arguments)
        assert left.code == 0, left.err
        return json.loads((tmp_path / "e.json").read_text()), left.out

    return run


def test_a_run_lists_every_image_by_role(train: Train, images: Path) -> None:
    others = images.parent / "others"
    _, folder = train(
        f"contrast.root={others}", f"retention.root={images / 'val'}", f"retention.anchors=[{others}]"
    )
    listed = json.loads((folder / "images.json").read_text())["images"]
    assert Counter(image["role"] for image in listed) == {
        "train": 10, "val": 6, "anchor": 6, "contrast": 6, "retention": 6
    }  # fmt: skip
    assert all(Path(image["path"]).stat().st_size == image["size"] for image in listed)


def test_validation_images_of_the_folder_are_used_and_named(
    trained: Trained, evaluate: Evaluate, tmp_path: Path
) -> None:
    folder, images = shutil.copytree(trained.run, tmp_path / "run"), trained.images
    figures, shown = evaluate(folder, images)
    assert (figures["images"], figures["left_out"]) == (6, 0)
    assert "evaluated on 6 val images" in shown
    # The defaults have generated images to choose with, and no retention images.
    assert "checkpoint" in figures["selected_on_these_images"]
    assert "selected on these images: checkpoint" in " ".join(shown.split())
    (folder / "metrics.json").unlink()
    figures, _ = evaluate(folder, images)
    assert figures["selected_on_these_images"] == ["checkpoint", "weights", "strength"]
    (folder / "images.json").unlink()
    figures, _ = evaluate(folder, images)
    assert figures["selected_on_these_images"] == ["not known"]


def test_images_of_an_unsplit_folder_that_were_trained_on_are_left_out(
    train: Train, images: Path, evaluate: Evaluate
) -> None:
    _, folder = train(f"data.root={images / 'train'}")
    figures, shown = evaluate(folder, images / "train")
    assert (figures["images"], figures["left_out"]) == (2, 8)
    assert "evaluated on 2 images that the adapter was not trained on" in shown
    assert "chose its weights and strength" in shown
    assert "left out: 8 that it was trained on" in shown


def test_a_table_without_a_split_is_evaluated_without_the_images_trained_on(
    train: Train, images: Path, evaluate: Evaluate, tmp_path: Path
) -> None:
    rows = [f"{path},{path.parent.name}" for path in sorted((images / "train").rglob("*.png"))]
    (tmp_path / "all.csv").write_text("\n".join(["path,label", *rows]))
    _, folder = train(f"data.root={tmp_path / 'all.csv'}")
    figures, _ = evaluate(folder, tmp_path / "all.csv")
    assert (figures["images"], figures["left_out"]) == (2, 8)


def test_copies_of_training_images_count_as_trained_on(
    trained: Trained, evaluate: Evaluate, tmp_path: Path
) -> None:
    shutil.copytree(trained.images / "train", tmp_path / "copies")
    shutil.copy(trained.images / "val" / "red" / "0.png", tmp_path / "copies" / "red" / "new.png")
    figures, _ = evaluate(trained.run, tmp_path / "copies")
    assert (figures["images"], figures["left_out"]) == (1, 10)


def test_figures_on_training_images_are_marked(trained: Trained, evaluate: Evaluate) -> None:
    figures, shown = evaluate(trained.run, trained.images / "train")
    assert figures["images"] == 10
    assert "TRAINED ON ALL OF THEM" in figures["judged_on"]
    assert "TRAINED ON ALL OF THEM" in shown


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("data.separator=bar", "data.separator is bar: .* gives an image one label"),
        ("data.val_fraction=0.5", "no configuration key 'data.val_fraction'"),  # it changed nothing
    ],
)
def test_options_that_do_nothing_for_the_adapter_are_refused(
    trained: Trained, command: Command, option: str, said: str
) -> None:
    left = command("evaluate", f"adapter={trained.run}", f"data.root={trained.images}", option)
    assert left.code == 2
    assert re.search(said, left.err)


def test_an_adapter_without_its_run_says_that_nothing_is_known(
    trained: Trained, evaluate: Evaluate, tmp_path: Path
) -> None:
    shutil.copytree(trained.run / "adapter", tmp_path / "moved" / "adapter")
    figures, _ = evaluate(tmp_path / "moved", trained.images / "train")
    assert figures["images"] == 10
    assert "is not known" in figures["judged_on"]


def test_images_that_the_run_could_not_read_are_left_out_and_said(
    train: Train, images: Path, evaluate: Evaluate
) -> None:
    root = images / "train"
    for path in [*root.rglob("*.*")]:
        with Image.open(path) as image:
            image.resize((40, 40)).save(path.with_stem(f"{path.stem} small"))
    (next(root.iterdir()) / "broken.png").write_text("no image")
    _, folder = train(f"data.root={root}")
    figures, shown = evaluate(folder, root)
    assert (figures["images"], figures["left_out"]) == (4, 16)
    assert "left out: 1 that its run could not read" in " ".join(shown.split())
