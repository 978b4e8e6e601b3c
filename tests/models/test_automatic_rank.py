"""``lora.rank=auto`` is a number that depends on what a run learns."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Train, metrics_of
from visionlora.adapters import LoraConfig, LoraError, named_adapters
from visionlora.adapters.patterns import exactly
from visionlora.models import load_backbone
from visionlora.models.automatic_rank import with_rank
from visionlora.models.restore import restore


def adapters(
    head: str = "keep", classes: int = 16, several: bool = False, last: str | None = "fc", **settings: Any
) -> LoraConfig:
    asked = LoraConfig(**{"rank": "auto", "alpha": "auto", **settings})
    return with_rank(asked, head, classes, several, last)


def ranks(*arguments: Any, **settings: Any) -> list[tuple[int, float]]:
    """Rank and alpha of the last layer and of another."""
    lora = adapters(*arguments, **settings)
    return [(one.rank, one.alpha) for one in map(lora.settings_of, ("fc", "layer4.fc"))]


def chosen(*arguments: Any, **settings: Any) -> tuple[int, float]:
    """Rank and alpha of each layer, which have the same."""
    (same,) = set(ranks(*arguments, **settings))
    return same


@pytest.mark.parametrize(("classes", "rank"), [(15, 8), (16, 16), (40, 40), (64, 64), (142, 64)])
def test_the_last_layer_of_many_classes_has_a_rank_for_each_up_to_64(classes: int, rank: int) -> None:
    assert ranks("keep", classes) == [(rank, rank), (8, 8)]


@pytest.mark.parametrize("other", [{"head": "extend"}, {"last": None}])
def test_many_classes_have_a_higher_rank_everywhere_where_the_last_layer_has_no_adapter(
    other: dict[str, Any],
) -> None:
    assert chosen(classes=15, **other) == (8, 8)
    assert chosen(classes=142, **other) == (16, 16)


def test_a_pattern_that_is_given_decides_about_the_last_layer() -> None:
    assert ranks(rank_pattern={"fc": 4}) == [(4, 4), (4, 4)]
    assert adapters(rank_pattern={"fc": 4}).rank_pattern == {"fc": 4}
    assert ranks(rank_pattern={"layer4.*": 4}) == [(16, 16), (4, 4)]
    assert ranks(alpha_pattern={"fc": 3.0}, classes=20) == [(20, 3), (8, 3)]


@pytest.mark.parametrize(
    "other",
    [
        {"head": "new"},
        {"several": True},
        {"family": "dora"},
        {"family": ["lora", "ia3"]},
        {"restart_every": 50},
    ],
)
def test_where_that_was_not_measured_the_rank_is_8(other: dict[str, Any]) -> None:
    assert chosen(**other) == (8, 8)


def test_what_is_given_stays_and_alpha_follows_the_rank() -> None:
    assert chosen(rank=4) == (4, 4)
    assert chosen(rank=8) == (8, 8)
    assert ranks(alpha=2.0) == [(16, 2), (8, 2)]
    assert chosen(rank=4, alpha=8.0) == (4, 8)


def test_alpha_follows_the_rank_of_each_layer_unless_it_is_given() -> None:
    given: dict[str, Any] = {"rank_pattern": {"fc": 32, "first|fc": 2, "last": 4}}
    lora = adapters(**given, alpha_pattern={"last": 1.0}, last="final")
    settings = [lora.settings_of(site) for site in ("fc", "first", "last", "final", "other")]
    assert [(one.rank, one.alpha) for one in settings] == [(32, 32), (2, 2), (4, 1), (16, 16), (8, 8)]
    same = adapters(**given, alpha=8.0)
    assert not same.alpha_pattern and same.settings_of("fc").alpha == 8


def test_an_adapter_needs_a_number() -> None:
    for given, message in (({"rank": "auto"}, "rank is auto"), ({"alpha": "auto"}, "alpha is auto")):
        with pytest.raises(LoraError, match=message):
            LoraConfig(**given).settings_of("layer")
    with pytest.raises(LoraError, match="rank is 'high': give a whole number"):
        LoraConfig(rank="high")


def sixteen_classes(folder: Path, names: Sequence[str]) -> str:
    """Writes an image of each; the option that names the folder."""
    for place in range(16):
        image = folder / names[place] / "0.png"
        image.parent.mkdir(parents=True)
        Image.new("RGB", (32, 32), (place * 15, 80, 200 - place * 9)).save(image)
    return f"data.root={folder}"


def test_a_run_with_many_known_classes_says_and_records_the_rank_of_its_last_layer(
    train: Train, tmp_path: Path
) -> None:
    known = sixteen_classes(tmp_path / "known", load_backbone("pocket").wnids)
    pocket = "model.name=pocket", "model.weights=imagenet", "trainer.max_steps=1", "data.val_fraction=0"
    left, folder = train(known, *pocket, "lora.rank=auto")
    assert left.code == 0, left.err
    assert "adapters have rank 8, that of the last layer 16: 16 classes or more (lora.rank=auto)" in left.out
    network = restore(folder).network
    ranks = {name: one.settings.rank for name, one in named_adapters(network).items()}
    (last,) = (name for name, rank in ranks.items() if rank == 16)
    assert last == restore(folder).head.layer
    assert set(ranks.values()) == {8, 16}
    decided = json.loads((folder / "run.json").read_text(encoding="utf-8"))["decided"]
    assert decided["lora.rank_pattern"] == {exactly(last): 16}
    assert decided["lora.alpha_pattern"] == {exactly(last): 16.0}
    assert decided["retention.logits"] == 30
    card = (folder / "adapter" / "README.md").read_text(encoding="utf-8")
    assert f"rank 8 (`{exactly(last)}`: 16), alpha 8" in card
    left, folder = train(known, *pocket, "lora.rank=auto", "lora.exclude=[last:1]")
    assert left.code == 0, left.err
    assert "adapters have rank 16: 16 classes or more (lora.rank=auto)" in left.out


def test_a_run_with_many_new_classes_says_its_rank(train: Train, tmp_path: Path) -> None:
    root = sixteen_classes(tmp_path / "many", [f"thing {place}" for place in range(16)])
    many = root, "data.val_fraction=0", "model.head=extend", "lora.rank=auto"
    left, folder = train(*many)
    assert left.code == 0, left.err
    assert "adapters have rank 16: 16 classes or more (lora.rank=auto)" in left.out
    assert metrics_of(folder)["ranks"] == 16
    assert "rank 16, alpha 16" in (folder / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "lora.rank=16" in left.out
    assert "retention.mixup=0.5" in left.out
    left, _ = train(*many, "model.expand=1", "trainer.max_steps=1", "retention.views=1")
    assert left.code == 0, left.err
    assert "adapters have rank" not in left.out, "new blocks are trained and no adapters"
    assert "lora.rank=" not in left.out
    assert "retention.views=1 leaves no view to blend with another anchor" in " ".join(left.out.split())
    assert "retention.mixup=0" in left.out
