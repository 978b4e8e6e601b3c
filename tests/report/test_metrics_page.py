"""``docs/metrics.md`` describes exactly the keys that runs write."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import COLOURS, Left, Train, metrics_of

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def documented(heading: str) -> set[str]:
    """The keys in the tables below a heading of the second level."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def keys(value: Any, path: str = "") -> set[str]:
    """The paths of everything in ``value``; an interval belongs to the key beside it."""
    if isinstance(value, dict) and value:
        items = [(f"{path}.{name}".lstrip("."), item) for name, item in value.items()]
        return {key for name, item in items if not name.endswith("_interval") for key in keys(item, name)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {path} | {key for item in value for key in keys(item, f"{path}[]")}
    return {path}


def matching(key: str, pages: set[str]) -> set[str]:
    """The documented keys that stand for ``key``: ``<class>`` stands for any name."""
    return {page for page in pages if re.fullmatch(re.sub(r"<\w+>", ".+", re.escape(page)), key)}


def test_the_page_describes_every_key_that_runs_write_and_no_other(
    train: Train, command: Callable[..., Left], images: Path, tmp_path: Path
) -> None:
    def run(name: str, *arguments: str) -> dict[str, Any]:
        left, _ = train(f"hydra.run.dir={tmp_path / name}", *arguments)
        assert left.code == 0, left.err
        return metrics_of(tmp_path / name)

    shutil.copytree(images / "val", images / "test")
    learned, old = images.parent / "learned", images.parent / "old"
    for split, source in (("train", "train"), ("val", "train"), ("test", "val")):
        shutil.copytree(images / source / "red", learned / split / "red")
    for name in COLOURS:  # one of them is what the network says of every image
        shutil.copytree(images / "val" / "blue", old / name)
    everything = (
        f"data.root={learned}", f"retention.root={old}", f"contrast.root={images.parent / 'others'}",
        "retention.budget=1", "contrast.budget=1", "retention.strengths=2",
    )  # fmt: skip
    runs = [
        run("classes", "optimizer.lr=auto", "trainer.max_steps=1", "trainer.validations=1"),
        run("forgetting", *everything, "optimizer.lr=0.1", "retention.weight=0"),
        run(
            "held_out", "retention.generated=64", "retention.inverted=0", "retention.strengths=2",
            "model.quantise=int8",
        ),
        run(
            "folds", "data.folds=2", "lora.targets=last:1", "cache.features=true", "augment=none",
            "retention.per_step=0",
        ),
        run("next", f"adapter={tmp_path / 'forgetting'}", *everything),
    ]  # fmt: skip
    assert runs[1]["retention"]["changes"]["classes"], "nothing was forgotten: not every key is there"
    pages = documented("metrics.json")
    written = set().union(*map(keys, runs)) - {"retention", "contrast", "cross_fitted"}  # "not measured"
    assert [key for key in sorted(written) if not matching(key, pages)] == []
    assert pages - set().union(*(matching(key, pages) for key in written)) == set()

    left = command(
        "evaluate", f"adapter={tmp_path / 'forgetting'}", *everything[:3], "output=e.json", "rank_curve=true",
        "strength=0:1:0.5", "figure=s.png",
    )  # fmt: skip
    assert left.code == 0, left.err
    evaluation = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    described = documented("The output of evaluate")
    written = keys({name: evaluation[name] for name in evaluation if name not in ("retention", "contrast")})
    assert [key for key in sorted(written) if not matching(key, described)] == []
    assert described - set().union(*(matching(key, described) for key in written)) == set()
    shared = keys({name: evaluation[name] for name in ("retention", "contrast")})
    assert [key for key in sorted(shared) if not matching(key, pages)] == ["contrast"] * (
        evaluation["contrast"] == "not measured"
    )


def test_every_row_of_the_page_has_a_unit_and_a_meaning() -> None:
    rows = re.findall(r"^\| `[^`]+` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    for row in rows:
        unit, _, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", row))
        assert unit, row
        assert meaning, row
