"""What a run decided for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from visionlora.errors import VisionLoraError
from visionlora.run_folder.record import Record


def test_a_value_is_in_the_file_as_soon_as_it_is_recorded(tmp_path: Path) -> None:
    record = Record(tmp_path / "run.json")
    inputs = {"torch": "2.0", "the number of threads": 2, "the generated anchors": None}
    record.set("inputs", inputs)
    record.set("strength", ["best", 0.5])
    again = Record(tmp_path / "run.json")
    assert again.get("inputs") == inputs and again.get("strength") == ["best", 0.5]
    assert "finished" not in again and again.get("finished", False) is False


@pytest.mark.parametrize("text", ["", "[1]", '{"inputs": 1}', '{"inputs": {"a": []}}', "{"])
def test_a_file_that_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(VisionLoraError, match=str(tmp_path / "run.json")):
        Record(tmp_path / "run.json")
