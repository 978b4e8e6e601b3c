"""Predictions for image files, and measurements on labelled folders."""

from __future__ import annotations

import json
import shutil
import signal
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.conftest import Command, Draw, Train, Trained, metrics_of
from visionlora.data import ImageFile
from visionlora.errors import VisionLoraError
from visionlora.evaluation.predict import find_images


def test_prediction_continues_after_a_broken_image_and_reports_it(
    trained: Trained, command: Command, images: Path, tmp_path: Path
) -> None:
    (images / "val" / "red" / "text.png").write_text("no image")
    left = command(
        "predict", f"adapter={trained.run}", f"images={images / 'val'}", "output=out.jsonl", "compare=true"
    )
    assert left.code == 3
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(records) == 7
    broken = [record for record in records if "error" in record]
    assert [Path(record["path"]).name for record in broken] == ["text.png"]
    named = next(record for record in records if "error" not in record)
    assert sum(one["probability"] for one in named["predictions"]) <= 1.001
    assert named["before"]


def test_every_broken_image_is_named_without_an_output_file(
    trained: Trained, command: Command, tmp_path: Path
) -> None:
    for index in range(70):
        (tmp_path / "broken").mkdir(exist_ok=True)
        (tmp_path / "broken" / f"{index:02}.png").write_text("no image")
    shutil.copy(next(trained.images.rglob("*.png")), tmp_path / "broken" / "zz.png")
    left = command("predict", f"adapter={trained.run}", f"images={tmp_path / 'broken'}")
    assert left.code == 3
    named = [line for line in left.err.splitlines() if line.startswith("not read: ")]
    assert [Path(line.split(": ")[1]).name for line in named] == [f"{index:02}.png" for index in range(70)]
    assert "70 of 71 images could not be read" in left.err
    assert "zz.png" in left.out and "more images" not in left.out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_predicted_before_a_signal_is_written(
    trained: Trained, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals, code: int,
) -> None:  # fmt: skip
    from visionlora.evaluation.prediction_file import PredictionWriter

    write, written = PredictionWriter.write, []

    def stopping(writer: object, one: object) -> None:
        written.append(one)
        if len(written) == 3:
            signal.raise_signal(number)
        write(writer, one)  # type: ignore[arg-type]

    monkeypatch.setattr(PredictionWriter, "write", stopping)
    left = command("predict", f"adapter={trained.run}", f"images={trained.images}", "output=out.jsonl")
    assert left.code == code
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3
    assert "stopped after 3 of 16 images" in left.out


def test_merged_and_unmerged_predictions_agree(trained: Trained, command: Command, tmp_path: Path) -> None:
    for name, merged in (("a", "true"), ("b", "false")):
        left = command(
            "predict", f"adapter={trained.run}", f"images={trained.images}", f"output={name}.csv",
            f"merged={merged}",
        )  # fmt: skip
        assert left.code == 0, left.err
    rows_a, rows_b = ((tmp_path / f"{name}.csv").read_text().splitlines() for name in "ab")
    assert len(rows_a) == len(rows_b) == 17
    for row_a, row_b in zip(rows_a[1:], rows_b[1:], strict=True):
        assert row_a.split(",")[:2] == row_b.split(",")[:2]
        assert float(row_a.split(",")[2]) == pytest.approx(float(row_b.split(",")[2]), abs=1e-4)


def test_a_prediction_sheet_and_a_single_image(trained: Trained, command: Command, tmp_path: Path) -> None:
    one = trained.images / "val" / "red" / "0.png"
    assert command("predict", f"adapter={trained.run}", f"images={one}", "sheet=sheet.png").code == 0
    assert Image.open(tmp_path / "sheet.png").width > 200


def test_evaluate_reproduces_the_runs_own_metrics(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    _, folder = train(f"contrast.root={images.parent / 'others'}")
    left = command(
        "evaluate", f"adapter={folder}", f"data.root={images}", "output=figures.json",
        f"contrast.root={images.parent / 'others'}",
    )  # fmt: skip
    assert left.code == 0, left.err
    figures, metrics = json.loads((tmp_path / "figures.json").read_text()), metrics_of(folder)
    assert figures["top1"] == metrics["after"]["val/top1"]
    assert figures["frozen"]["top1"] == metrics["before"]["val/top1"]
    assert figures["loss"] == pytest.approx(metrics["after"]["val/loss"], rel=1e-4)
    assert figures["contrast"] == metrics["contrast"]
    assert figures["retention"] == "not measured"
    assert sum(one["images"] for one in figures["per_class"].values()) == figures["images"] == 6


def test_an_adapter_for_another_network_is_refused(trained: Trained, command: Command) -> None:
    left = command(
        "predict", f"adapter={trained.run}", f"images={trained.images}", "model=resnet18", "weights=none"
    )
    assert left.code == 2
    assert len(left.err.strip().splitlines()) == 1


def test_an_adapter_whose_numbers_overflow_gives_no_figures_and_no_file(
    trained: Trained, command: Command, tmp_path: Path
) -> None:
    folder, images = shutil.copytree(trained.run, tmp_path / "run"), trained.images
    file = folder / "adapter" / "adapter_model.safetensors"
    save_file({name: torch.full_like(value, 1e30) for name, value in load_file(file).items()}, file)
    for name, *arguments in (
        ("predict", f"images={images}", "output=names.csv"),
        ("predict", f"images={images}", "output=names.csv", "merged=false"),
        ("evaluate", f"data.root={images}", "output=figures.json"),
        ("merge", "output=merged.safetensors"),
        ("export", "output=merged.onnx"),
    ):
        left = command(name, f"adapter={folder}", *arguments)
        assert left.code == 2, (name, left.out)
        assert "NaN or infinite" in left.err, name
        assert "use a smaller strength" in left.err, name
    written = {path.name for path in tmp_path.iterdir()}
    assert not {"names.csv", "figures.json", "merged.safetensors", "merged.onnx"} & written


def test_a_folder_without_an_adapter_is_refused(command: Command, tmp_path: Path) -> None:
    left = command("predict", f"adapter={tmp_path}", "images=x")
    assert left.code == 2
    assert "adapter_config.json" in left.err or "x" in left.err


@pytest.mark.parametrize("command_name", ["predict", "evaluate", "merge", "check", "explain"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [("taken", "is a folder"), ("file/out", "Not a directory"), ("x" * 300, "name too long")],
    ids=["a folder", "below a file", "300 characters"],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    command: Command, images: Path, weights: Path, tmp_path: Path, command_name: str, name: str, reason: str
) -> None:
    folder, network = f"data.root={images}", f"model.weights={weights}"
    arguments, key, suffix = {
        "predict": (("adapter=missing", f"images={images}"), "output", ".csv"),
        "evaluate": (("adapter=missing", folder), "output", ".json"),
        "merge": (("adapter=missing",), "output", ".safetensors"),
        "check": ((folder,), "report", ".html"),
        "explain": (("model.name=squeezenet1_1", network), "output", ".json"),
    }[command_name]
    (tmp_path / f"taken{suffix}").mkdir()
    (tmp_path / "file").touch()
    left = command(command_name, *arguments, f"{key}={name}{suffix}")
    assert (left.code, left.out) == (2, "")
    assert left.err.startswith(f"error: {key}: ") and reason in left.err
    assert len(left.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [("adapter=missing", "images={long}"), ("adapter={long}", "images=."), ("adapter=.", "images=*{long}*")],
)
def test_a_path_of_300_characters_is_refused_in_one_line(
    command: Command, images: Path, arguments: tuple[str, ...]
) -> None:
    left = command("predict", *(word.replace("{long}", "x" * 300) for word in arguments))
    assert left.code == 2
    assert len(left.err.splitlines()) == 1 and "Traceback" not in left.err


def test_the_progress_of_many_predictions_is_shown_on_standard_error(
    trained: Trained, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visionlora.report.progress.LINE_EVERY_S", 0.0)
    left = command("predict", f"adapter={trained.run}", f"images={trained.images}")
    assert "predicting: 16 of 16 images" in left.err and "predicting" not in left.out


def test_the_progress_of_the_choice_of_the_strength_is_shown(
    train: Train, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visionlora.report.progress.LINE_EVERY_S", 0.0)
    left, _ = train("trainer.max_steps=1", f"contrast.root={images.parent / 'others'}")
    assert "choosing the strength: 1 strengths tried" in left.out


@pytest.mark.parametrize("folder", ["pics [1]", "a*b?", "[x]/[y] z", "!(c)"])
def test_a_glob_below_a_folder_with_brackets_in_its_name_finds_its_images(
    folder: str, tmp_path: Path
) -> None:
    below = tmp_path / folder / "deeper"
    below.mkdir(parents=True)
    for place in (below, below.parent):
        (place / "1.png").touch()
    (below / "1.txt").touch()
    for pattern, count in (("*.png", 1), ("**/*.png", 2), ("d*/[0-9].png", 1)):
        assert len(find_images(f"{tmp_path / folder}/{pattern}")) == count


def test_an_archive_and_an_address_of_a_file_are_images(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    drawn = draw("pets/a.png")
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.write(drawn, "new/a.png")
    assert [image.path.name for image in find_images(str(tmp_path / "new.zip"))] == ["a.png"]
    assert find_images(f"file://{drawn}") == (ImageFile(drawn),)


@pytest.mark.parametrize("several", ["[{0},{0}]", "{0},{0}"])
def test_several_paths_are_told_how_to_be_one(draw: Draw, several: str) -> None:
    with pytest.raises(VisionLoraError, match="give one path: a folder of these images, or a glob"):
        find_images(several.format(draw("pets/a.png")))


def test_a_table_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("id\n1\n")
    with pytest.raises(
        VisionLoraError, match=r"test\.csv is a table or a list; give the folder with the images"
    ):
        find_images(str(tmp_path / "test.csv"))


def test_images_that_are_not_there_may_be_meant_otherwise(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw("pets/cat/a.png")
    with pytest.raises(VisionLoraError, match=r"nothing matches Pets/cat; did you mean pets/cat\?"):
        find_images("Pets/cat")
    with pytest.raises(VisionLoraError, match=r"nothing matches ~nobody-here/x; give an image"):
        find_images("~nobody-here/x")
    with pytest.raises(VisionLoraError, match=r"a.jpg is an address, which is not downloaded"):
        find_images("https://x.y/a.jpg")
