from __future__ import annotations

import pytest
import torch

from benchmarks.restarts import effective_rank, rows


def test_the_effective_rank_counts_equal_singular_values_and_leaves_out_zeros() -> None:
    assert effective_rank(torch.tensor([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert 1 < effective_rank(torch.tensor([5.0, 0.1])) < 1.2


def test_rows_are_means_over_the_seeds_and_the_ranks_of_all_layers() -> None:
    records = [
        {
            "setting": "4/16/100",
            "start": "contrastive",
            "lr": 1e-3,
            "seed": seed,
            "trained": 11872,
            "loss": loss,
            "ranks": ranks,
            "learned": 0.5,
            "lost": 0.1,
        }
        for seed, (loss, ranks) in enumerate([(1.0, [4.0, 6.0]), (2.0, [5.0, 7.0])])
    ]
    assert rows(records) == [
        ["4", "16", "every 100", "contrastive", "0.001", "11,872", "1.500", "4.0 to 7.0", "0.500", "0.100"]
    ]
