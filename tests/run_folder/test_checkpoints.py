"""Which checkpoints are kept, and which one is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from visionlora.errors import VisionLoraError
from visionlora.run_folder.checkpoints import Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Those of steps 9, 10 and 11."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (9, 10, 11):
        checkpoints.write(step, {"step": step})
    return checkpoints


def test_the_last_two_are_kept(checkpoints: Checkpoints) -> None:
    assert {path.name for path in checkpoints.folder.iterdir()} == {
        "step-10.safetensors", "step-11.safetensors",
    }  # fmt: skip


def test_the_newest_one_is_taken(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest(pytest.fail) == {"step": 11}


def test_without_any_there_is_none_to_take(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").newest(pytest.fail) is None


def test_a_damaged_one_is_named_and_the_one_before_it_is_taken(checkpoints: Checkpoints) -> None:
    newest = checkpoints.folder / "step-11.safetensors"
    newest.write_bytes(newest.read_bytes()[:-3] + b"...")
    told: list[str] = []
    assert checkpoints.newest(told.append) == {"step": 10}
    assert len(told) == 1 and str(newest) in told[0] and "the checkpoint before it is taken" in told[0]


def test_if_all_are_damaged_the_run_does_not_start_over_by_itself(checkpoints: Checkpoints) -> None:
    for path in checkpoints.folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(VisionLoraError, match=r"every checkpoint in .* is damaged"):
        checkpoints.newest(lambda text: None)


def test_one_that_cannot_be_written_leaves_the_others(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("visionlora.run_folder.state_file.save_file", full)
    with pytest.raises(VisionLoraError, match=r"step-12.* cannot be written: No space left on device"):
        checkpoints.write(12, {"step": 12})
    monkeypatch.undo()
    assert checkpoints.newest(pytest.fail) == {"step": 11}
