"""What a run says on the terminal."""

from __future__ import annotations

from tests.conftest import Command, Train, Trained, metrics_of


def test_a_run_says_what_it_found_how_it_went_and_what_comes_next(trained: Trained) -> None:
    left, folder, images = trained
    headings = ["Found", "Training", "Result", "Next"]
    lines = [line.strip() for line in left.out.splitlines()]
    assert [line for line in lines if line in headings] == headings
    assert "training    10 images, 4 steps, batch size 4" in left.out
    assert "validation  6 images, the folder's own" in lines
    assert lines[-1].endswith(f"--logdir {folder}")
    assert lines[-2].endswith(f" predict adapter={folder} images={images / 'val'}")


def test_the_predict_command_at_the_end_works_and_has_images_that_were_not_trained_on(
    trained: Trained, command: Command
) -> None:
    line = trained.left.out.splitlines()[-2].split()
    name, *arguments = line[line.index("predict") :]
    again = command(name, *arguments)
    assert again.code == 0, again.err
    assert str(trained.images / "val" / "red" / "0.png") in again.out
    assert str(trained.images / "train") not in again.out


def test_early_stopping_is_said(train: Train) -> None:
    left, folder = train(
        "trainer.max_steps=40", "trainer.validations=20", "trainer.patience=1", "optimizer.lr=1e-9"
    )
    steps = metrics_of(folder)["steps"]
    assert steps < 40
    assert f"stopped early at step {steps} of 40" in left.out


def test_a_whole_run_does_not_say_that_it_stopped_early(trained: Trained) -> None:
    assert "stopped early" not in trained.left.out


def test_how_often_it_validates_is_said_where_that_is_not_as_asked(train: Train, trained: Trained) -> None:
    assert "4 steps, batch size 4, validated 2 times" in trained.left.out
    assert "trainer.validations" not in trained.left.out
    left, _ = train("trainer.validations=3")
    assert "validations: 4, one after each step of 4 (trainer.validations=3)" in left.out
