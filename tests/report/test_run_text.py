"""What a run says when it starts and when it ends."""

from __future__ import annotations

import shlex
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from visionlora.data.check.findings import Output
from visionlora.data.images.decode import ImageFile
from visionlora.data.splits.make_splits import ImageFolder
from visionlora.paths import program
from visionlora.report.run_text import (
    example_images,
    found_block,
    next_block,
    show_next,
    training_plan,
)


def some(label: str, count: int) -> tuple[ImageFile, ...]:
    return tuple(ImageFile(Path(f"{label}/{index}.png"), label) for index in range(count))


def folder(**changes: object) -> ImageFolder:
    about = {
        "root": Path("pics"), "classes": ("fish", "mouse"), "train": (*some("fish", 4), *some("mouse", 2)),
        "val": some("fish", 1), "layout": "class folders", "split": "made",
    }  # fmt: skip
    return ImageFolder(**{**about, **changes})  # type: ignore[arg-type]


def shown(found: ImageFolder, outputs: dict[str, Output] | None = None, width: int = 100) -> list[str]:
    console = Console(width=width, file=StringIO())
    with console.capture() as capture:
        console.print(found_block(found, outputs or {}, "8 steps"))
    return capture.get().splitlines()


def test_the_block_has_layout_images_of_each_class_and_what_was_held_out() -> None:
    lines = [" ".join(line.split()) for line in shown(folder(test=some("mouse", 3)))]
    for line in (
        "layout class folders", "training 6 images, 8 steps", "validation 1 image, held out: not trained on",
        "test 3 images, they report the result and choose nothing", "fish 4 1 -", "mouse 2 - 3",
    ):  # fmt: skip
        assert line in lines, lines


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"split": "given"}, "1 image, the folder's own"),
        ({"val": (), "split": "none"}, "none: what is learned is not measured"),
        ({"val": (*some("fish", 4), *some("mouse", 2))}, "6 images, those of training"),
    ],
)
def test_the_block_says_where_validation_images_come_from(changes: dict[str, object], expected: str) -> None:
    assert any(line.split(maxsplit=1)[1:] == [expected] for line in map(str.strip, shown(folder(**changes))))


def test_the_block_shows_the_output_that_each_name_means() -> None:
    outputs = {"mouse": Output("known", "computer mouse", "n03793489", "a device", "animal", 673)}
    line = next(line for line in shown(folder(), outputs) if line.startswith("mouse"))
    assert "computer mouse (n03793489), not the animal" in line


def test_a_name_is_text_and_many_classes_are_counted() -> None:
    names = tuple(f"[red]\x1b{index:02d}" for index in range(30))
    text = "\n".join(shown(folder(classes=names)))
    assert r"[red]\x1b00" in text
    assert "and 18 more classes" in text


@pytest.mark.parametrize(
    ("validations", "patience", "more"),
    [
        (8, 4, ", validated 8 times; stops early after 4 validations without progress"),
        (8, None, ", validated 8 times"),
        (4, 4, ", validated 4 times"),
        (1, None, ", validated once"),
        (0, 4, ""),
    ],
)
def test_the_plan_says_steps_validations_and_early_stopping(
    validations: int, patience: int | None, more: str
) -> None:
    assert training_plan(480, 16, validations, patience) == f"480 steps, batch size 16{more}"


@pytest.mark.parametrize("name", ["run", "my run (1)", "it's", "Käfer=#1", "~x"])
def test_the_next_commands_are_quoted_for_the_shell(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name / "tensorboard").mkdir(parents=True)
    predict, board = next_block(Path(name), Path("pics") / name)
    assert shlex.split(predict)[-3:] == ["predict", f"adapter={name}", f"images=pics/{name}"]
    assert shlex.split(board)[-2:] == ["--logdir", name]


def test_tensorboard_is_named_only_where_it_has_something_to_show(tmp_path: Path) -> None:
    assert len(next_block(tmp_path, Path("pics"))) == 1


def test_the_next_commands_name_a_program_that_can_be_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert program("visionlora", "visionlora") == (str(tmp_path / "python"), "-m", "visionlora")
    (tmp_path / "visionlora").touch(mode=0o755)
    assert program("visionlora", "visionlora") == (str(tmp_path / "visionlora"),)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program("visionlora", "visionlora") == ("visionlora",)


def test_a_command_is_not_wrapped() -> None:
    console = Console(width=40, file=StringIO())
    with console.capture() as capture:
        show_next(Path("outputs") / ("long" * 30), Path("[bold]"), console)
    assert next_block(Path("outputs") / ("long" * 30), Path("[bold]"))[0] in capture.get().splitlines()


def test_the_images_of_a_table_are_where_its_first_image_is(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("")
    assert example_images(folder(root=tmp_path)) == tmp_path
    assert example_images(folder(root=table)) == Path("fish")


@pytest.mark.parametrize(
    ("val", "expected"),
    [
        (("v/fish/0.png", "v/mouse/1.png"), "v"),
        (("v/fish/0.png",), "v/fish"),
        (("fish/held.png",), "{root}"),
        (("v/fish/0.png", "/w/fish/1.png"), "{root}"),
        ((), "{root}"),
    ],
    ids=["a folder of their own", "of one class", "among those of training", "relative and absolute", "none"],
)
def test_the_images_to_predict_are_those_of_validation_where_training_has_none_there(
    tmp_path: Path, val: tuple[str, ...], expected: str
) -> None:
    images = tuple(ImageFile(Path(path), "fish") for path in val)
    found = example_images(folder(root=tmp_path, val=images))
    assert found == Path(expected.format(root=tmp_path))
