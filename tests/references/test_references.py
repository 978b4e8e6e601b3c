"""Results stay what they were, whatever is moved: bit for bit on the machine that recorded them, closely
elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.references import jobs


def recorded(name: str) -> tuple[dict[str, Any], bool]:
    """What was recorded, and whether a machine like this one did."""
    stored = json.loads((jobs.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return stored["found"], stored["machine"] == jobs.machine()


@pytest.mark.parametrize(
    "name",
    ["pocket", *(pytest.param(name, marks=pytest.mark.slow) for name in jobs.RUNS if name != "pocket")],
)
def test_a_run_leaves_the_adapter_that_it_left_before(name: str, tmp_path: Path) -> None:
    expected, same_machine = recorded(name)
    found = jobs.run(name, tmp_path / "run")
    assert found["norms"] == pytest.approx(expected["norms"], rel=0.05, abs=1e-3)
    if same_machine:
        assert found["norms"] == expected["norms"]
        assert found["sha256"] == expected["sha256"]


def test_adapted_networks_give_the_logits_that_they_gave_before() -> None:
    expected, same_machine = recorded("logits")
    found = jobs.logits()
    assert found.keys() == expected.keys()
    for name, logits in found.items():
        assert logits["first"] == pytest.approx(expected[name]["first"], rel=1e-3, abs=1e-3), name
        if same_machine:
            assert logits["sha256"] == expected[name]["sha256"], name
