"""``evaluate`` measures on images that the adapter was not trained on, and says which."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Command, Train, Trained
from visionlora.data import ImageFile
from visionlora.data.images.identity import file_hash
from visionlora.data.splits.manifest import ReadImage
from visionlora.evaluation.labelled_images import _of_runs

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


def test_without_a_folder_the_images_of_the_run_are_used(
    trained: Trained, command: Command, tmp_path: Path
) -> None:
    folder, images = shutil.copytree(trained.run, tmp_path / "run"), trained.images
    left = command("evaluate", f"adapter={folder}", "output=e.json")
    assert left.code == 0, left.err
    assert "evaluated on 6 validation images of its run, which chose its weights and strength" in left.out
    figures = json.loads((tmp_path / "e.json").read_text())
    assert "checkpoint" in figures["selected_on_these_images"]
    assert command("evaluate", f"adapter={folder}", f"data.root={images}", "output=g.json").code == 0
    given = json.loads((tmp_path / "g.json").read_text())
    assert figures.pop("judged_on") != given.pop("judged_on") and figures == given


def test_of_the_images_of_a_run_those_that_are_still_there_are_used_and_test_images_first(
    trained: Trained, command: Command, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained.run, tmp_path / "run")
    manifest = folder / "images.json"
    listed = json.loads(manifest.read_text())["images"]
    tested = [dict(image, role="test") for image in listed if image["role"] == "val"][:4]
    tested[0]["path"] += "x"
    for add, said in (
        (tested, "evaluated on 3 test images of its run; not where they were: 1"),
        (
            [dict(one, path="/gone/1.png") for one in tested],
            "the test images of its run are not where they were",
        ),
    ):
        manifest.write_text(json.dumps({"images": [*listed, *add]}))
        left = command("evaluate", f"adapter={folder}")
        assert said in left.out + left.err
    manifest.write_text(json.dumps({"images": [one for one in listed if one["role"] != "val"]}))
    left = command("evaluate", f"adapter={folder}")
    assert left.code == 2 and "had no validation images; give labelled images as data.root=FOLDER" in left.err
    manifest.unlink()
    left = command("evaluate", f"adapter={folder}")
    assert left.code == 2 and "(images.json); give labelled images as data.root=FOLDER" in left.err
    left = command("evaluate", f"adapter={folder}", "data.class_name=red")
    assert left.code == 2 and "data.class_name is red: it is for a folder" in left.err


def test_the_labels_of_a_run_with_several_an_image_are_read_from_its_list() -> None:
    path = Path(__file__)
    size, digest = file_hash(path)
    used = [ReadImage("val", str(path), size, digest, label) for label in ("a|b",)]
    (image,), _, _ = _of_runs(used, several=True)
    assert image == ImageFile(path, "a|b", ("a", "b"))


class TestTheOtherImagesOfARun:
    """Without ``retention.root`` and ``contrast.root`` those that the run itself was measured on are used."""

    @pytest.fixture
    def others(self, tmp_path: Path) -> Path:
        """Six images that no training sees."""
        (tmp_path / "apart").mkdir()
        for place in range(6):
            Image.new("RGB", (40, 40), (20 * place, 90, 200)).save(tmp_path / "apart" / f"{place}.png")
        return tmp_path / "apart"

    @pytest.fixture
    def listing(self, trained: Trained, others: Path, tmp_path: Path) -> Callable[..., Path]:
        """A copy of a run whose list has the images as contrast images, and some of them as negatives."""

        def run(*negatives: str) -> Path:
            folder = shutil.copytree(trained.run, tmp_path / "run")
            listed = json.loads((folder / "images.json").read_text())
            for role, names in (
                ("contrast", [f"{place}.png" for place in range(6)]),
                ("negative", negatives),
            ):
                for name in names:
                    size, digest = file_hash(others / name)
                    listed["images"].append(
                        {
                            "role": role,
                            "path": str(others / name),
                            "size": size,
                            "sha256": digest,
                            "label": None,
                        }
                    )
            (folder / "images.json").write_text(json.dumps(listed))
            return folder

        return run

    def test_the_figures_and_their_marks_are_those_of_the_run(
        self, train: Train, others: Path, command: Command, tmp_path: Path
    ) -> None:
        _, run = train(f"contrast.root={others}", f"retention.root={others}")
        left = command("evaluate", f"adapter={run}", "output=e.json")
        assert left.code == 0, left.err
        assert "6 old images of its run" in left.out and "6 contrast images of its run" in left.out
        figures = json.loads((tmp_path / "e.json").read_text())
        recorded = json.loads((run / "metrics.json").read_text())
        assert figures["contrast"] == recorded["contrast"]
        assert figures["retention"] == recorded["retention"]
        assert "strength" in figures["contrast"]["selected_on_these_images"]

    @pytest.mark.parametrize(
        ("negatives", "count", "said"),
        [
            ((), 6, "6 contrast images of its run\n"),
            (
                ("0.png", "1.png", "2.png", "3.png"),
                2,
                "2 contrast images of its run; left out: 4 that it was trained on\n",
            ),
            (
                [f"{place}.png" for place in range(6)],
                6,
                "6 contrast images of its run; THE ADAPTER WAS TRAINED ON ALL OF THEM\n",
            ),
        ],
    )
    def test_those_that_were_trained_on_are_left_out_or_marked(
        self, negatives: Sequence[str], count: int, said: str, listing: Callable[..., Path],
        command: Command, tmp_path: Path,
    ) -> None:  # fmt: skip
        left = command("evaluate", f"adapter={listing(*negatives)}", "output=e.json")
        assert said in left.out
        figures = json.loads((tmp_path / "e.json").read_text())["contrast"]
        assert figures["images"] == count
        assert ("trained on" in figures["selected_on_these_images"]) == (len(negatives) == 6)

    def test_images_that_are_gone_are_counted_and_it_is_said_what_is_not_measured(
        self, listing: Callable[..., Path], others: Path, command: Command
    ) -> None:
        run = listing()
        (others / "0.png").unlink()
        left = command("evaluate", f"adapter={run}")
        assert "5 contrast images of its run; not where they were: 1" in left.out
        shutil.rmtree(others)
        left = command("evaluate", f"adapter={run}")
        assert "no contrast images (contrast.root): the false-positive rate is not measured" in left.out
        assert f"of the contrast images of its run none is where it was, the first: {others}" in left.out

    def test_none_is_measured_where_the_options_say_so(
        self, listing: Callable[..., Path], command: Command
    ) -> None:
        left = command("evaluate", f"adapter={listing()}", "contrast.root=null")
        assert "contrast images of its run" not in left.out
        assert "false-positive rate: not measured" in left.out
