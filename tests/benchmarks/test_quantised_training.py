from __future__ import annotations

import pytest

from benchmarks.quantised_training import rows
from visionlora.errors import VisionLoraError


def test_what_a_quantised_base_loses_is_counted_from_the_dense_network() -> None:
    records = [
        {"base": base, "seed": seed, "frozen": 0.1, "learned": learned, "kept_before": before, "kept": 0.5}
        for seed, learned in enumerate((0.2, 0.4))
        for base, before in (("dense", 0.6), ("nf4", 0.55))
    ]
    assert rows(records) == [
        ["dense", "0.300 (0.200, 0.400)", "0.600", "0.500", "0.100 (0.100, 0.100)"],
        ["nf4", "0.300 (0.200, 0.400)", "0.550", "0.500", "0.100 (0.100, 0.100)"],
    ]
    with pytest.raises(VisionLoraError, match="give --bases dense too"):
        rows(records[1::2])
