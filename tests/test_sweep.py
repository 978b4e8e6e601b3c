"""The tables at the end of a sweep name what varied, and put repeated runs together."""

from __future__ import annotations

from visionlora.sweep import by_seed, in_words


def test_runs_are_named_by_what_varied() -> None:
    runs = [("data=goldfish", "lora.rank=1", "seed=0"), ("data=goldfish", "lora.rank=2", "seed=0")]
    assert in_words(runs) == ["lora.rank=1", "lora.rank=2"]
    assert in_words(runs[:1]) == ["data=goldfish, lora.rank=1, seed=0"]
    assert in_words([()]) == ["(defaults)"]
    assert in_words([]) == []


def test_runs_that_differ_in_their_seed_alone_belong_together() -> None:
    done = [(("data.root='a, seed=3'", f"lora.rank={rank}", f"seed={seed}"), {"run": (rank, seed)})
            for rank in (1, 2) for seed in (0, 1)]  # fmt: skip
    groups = by_seed(done)
    assert [[metrics["run"] for metrics in runs] for runs in groups.values()] == [
        [(1, 0), (1, 1)],
        [(2, 0), (2, 1)],
    ]
