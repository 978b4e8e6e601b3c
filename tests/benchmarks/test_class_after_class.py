from __future__ import annotations

from pathlib import Path

from benchmarks.class_after_class import class_root, rows


def test_each_class_has_the_drawings_of_train_and_is_validated_on_the_unseen_style(tmp_path: Path) -> None:
    for part, style in (("train", "a"), ("unseen", "b")):
        path = tmp_path / "real" / "illustrated" / part / "tiger" / f"{style}.png"
        path.parent.mkdir(parents=True)
        path.touch()
    root = class_root(tmp_path / "made", tmp_path / "real", "tiger")
    found = {part: [path.name for path in (root / part / "tiger").iterdir()] for part in ("train", "val")}
    assert found == {"train": ["a.png"], "val": ["b.png"]}


def test_a_row_counts_the_classes_that_keep_nine_tenths_of_what_they_had() -> None:
    def run(name: str, kept: list[float], lost: float) -> dict:
        return {"class": name, "learned": 1.0, "strength": 0.9, "kept": kept, "lost": lost, "bytes": 210_000}

    names = "tiger", "ambulance", "pineapple"
    kept = ([], [0.9], [1.0, 0.8]), ([], [1.0], [1.0, 1.0])
    records = [
        {"seed": seed, "runs": [run(name, one, 0.01 * seed) for name, one in zip(names, mine, strict=True)]}
        for seed, mine in enumerate(kept)
    ]
    tiger, ambulance, pineapple = rows(records)
    assert tiger == ["tiger", "1, 1", "0.9, 0.9", "", "0.000, 0.010", "0.21 MB"]
    assert ambulance[3] == "1 of 1, 1 of 1"
    assert pineapple[3] == "1 of 2, 2 of 2"
