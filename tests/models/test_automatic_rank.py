"""``lora.rank=auto`` is a number that depends on what a run learns."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Train, metrics_of
from visionlora.adapters import LoraConfig, LoraError
from visionlora.models.automatic_rank import with_rank


def chosen(head: str = "keep", classes: int = 16, several: bool = False, **settings: Any) -> tuple[Any, Any]:
    lora = with_rank(LoraConfig(**{"rank": "auto", "alpha": "auto", **settings}), head, classes, several)
    return lora.rank, lora.alpha


@pytest.mark.parametrize("head", ["keep", "extend"])
def test_lora_that_learns_many_classes_has_a_higher_rank(head: str) -> None:
    assert chosen(head, 15) == (8, 8)
    assert chosen(head, 16) == chosen(head, 142) == (16, 16)


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
    assert chosen(alpha=2.0) == (16, 2)
    assert chosen(rank=4, alpha=8.0) == (4, 8)


def test_alpha_follows_the_rank_of_each_layer_unless_it_is_given() -> None:
    ranks, alphas = {"fc": 32, "first|fc": 2, "last": 4}, {"last": 1.0}
    asked = LoraConfig(rank="auto", alpha="auto", rank_pattern=ranks, alpha_pattern=alphas)
    lora = with_rank(asked, "keep", 16, False)
    settings = [lora.settings_of(site) for site in ("fc", "first", "last", "other")]
    assert [(one.rank, one.alpha) for one in settings] == [(32, 32), (2, 2), (4, 1), (16, 16)]
    given = with_rank(LoraConfig(rank="auto", alpha=8.0, rank_pattern=ranks), "keep", 16, False)
    assert not given.alpha_pattern and given.settings_of("fc").alpha == 8


def test_an_adapter_needs_a_number() -> None:
    for given, message in (({"rank": "auto"}, "rank is auto"), ({"alpha": "auto"}, "alpha is auto")):
        with pytest.raises(LoraError, match=message):
            LoraConfig(**given).settings_of("layer")
    with pytest.raises(LoraError, match="rank is 'high': give a whole number"):
        LoraConfig(rank="high")


def test_a_run_with_many_classes_says_its_rank(train: Train, tmp_path: Path) -> None:
    for place in range(16):
        image = tmp_path / "many" / f"thing {place}" / "0.png"
        image.parent.mkdir(parents=True)
        Image.new("RGB", (32, 32), (place * 15, 80, 200 - place * 9)).save(image)
    many = f"data.root={tmp_path / 'many'}", "data.val_fraction=0", "model.head=extend", "lora.rank=auto"
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
