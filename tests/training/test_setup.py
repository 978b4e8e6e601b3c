"""Bad input ends in one line before anything is trained; decisions are announced."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.conftest import Train, metrics_of
from visionlora.models.upper_layers import upper_layers
from visionlora.retention.config import RetentionConfig
from visionlora.value_text import shown


def test_retention_folders_of_unknown_classes_are_refused(train: Train, images: Path) -> None:
    (images / "val" / "red").rename(images / "val" / "zebra")
    left, _ = train(f"retention.root={images / 'val'}", f"data.root={images / 'train'}")
    assert left.code == 2
    assert "retention.root" in left.err
    assert "zebra" in left.err
    assert "without class folders" in left.err


def test_skipped_files_are_counted_on_the_terminal(train: Train, images: Path) -> None:
    for place in (images / "train" / "red", images.parent / "others"):
        (place / "notes.txt").write_text("no image")
    left, _ = train(f"contrast.root={images.parent / 'others'}")
    assert left.code == 0, left.err
    assert left.out.count("left out 1 file that is not an image (1 .txt)") == 2


def test_unequal_classes_are_named_and_balanced_where_that_is_asked_for(train: Train, images: Path) -> None:
    for image in sorted((images / "train" / "blue").iterdir())[1:]:
        image.unlink()
    shutil.copy(images / "val" / "red" / "0.png", images / "train" / "red" / "copy.png")
    left, _ = train("trainer.max_steps=1")
    assert "very unequal classes: 6 images of red, 1 of blue; data.balance=true" in left.out
    assert "1 image is in both train and val, the first: " in left.out
    left, _ = train("trainer.max_steps=1", "data.balance=true", "cache.features=true", "lora.targets=last:1")
    assert left.code == 0, left.err
    assert "very unequal" not in left.out


def recorded(run: Path) -> dict[str, object]:
    """What a run decided, by its record; the configuration has each value as a comment."""
    decided = json.loads((run / "run.json").read_text())["decided"]
    config = (run / "config.yaml").read_text()
    assert config.count("  # decided: ") == len(decided)
    asked = yaml.safe_load(config)
    for name, value in decided.items():
        section, _, key = name.partition(".")
        assert asked[section][key] in (None, "auto")
        assert re.search(rf"^  {key}: (auto|null)  # decided: {shown(value)}$".replace("'", ""), config, re.M)
    return decided


def test_what_was_left_to_the_run_is_said_and_recorded(train: Train) -> None:
    left, run = train("trainer.max_steps=1", "retention.drift=2")
    assert left.code == 0, left.err
    said = {
        "lora.alpha": 2.0,  # the rank, which is given, as per_step and drift are
        "lora.init": "contrastive",
        "optimizer.lr": 0.003,
        "retention.weight": RetentionConfig().weight_for(4),
        "retention.logits": 0.0,
        "retention.mixup": 0.0,
    }
    said_elsewhere = {
        "model.head": "keep", "optimizer.adapter_factor": 1.0, "optimizer.label_smoothing": 0.0,
        "trainer.patience": 4, "cache.features": False,
    }  # fmt: skip
    assert recorded(run) == {**said, **said_elsewhere}
    values = "lora.alpha=2, lora.init=contrastive, retention.weight=0.319, retention.logits=0"
    line = f"decided: {values}, retention.mixup=0, optimizer.lr=0.003"
    assert line in " ".join(left.out.split())
    given = "lora.alpha=1", "lora.init=default", "optimizer.lr=1e-3", "retention.weight=0"
    left, run = train("trainer.max_steps=1", *given)
    assert "decided: " not in left.out
    assert recorded(run) == said_elsewhere


def test_a_new_head_decides_nothing_about_anchors_and_its_own_learning_rate(train: Train) -> None:
    left, run = train("trainer.max_steps=1", "model.head=new", "lora.rank=auto", "lora.family=ia3")
    assert left.code == 0, left.err
    decided = {
        "lora.init": "default", "optimizer.lr": 0.0005, "optimizer.adapter_factor": 10.0,
        "optimizer.label_smoothing": 0.1, "trainer.patience": None, "cache.features": False,
    }  # fmt: skip
    assert recorded(run) == decided, "IA3 has no rank"


def test_unused_contrast_anchors_are_announced(train: Train, images: Path) -> None:
    left, _ = train(f"contrast.anchors=[{images.parent / 'others'}]", "retention.weight=0")
    assert "retention.per_step and contrast.anchors are not used: nothing is distilled" in left.out


def test_what_a_new_head_does_not_use_is_announced(train: Train) -> None:
    left, _ = train(
        "model.head=new", "trainer.max_steps=1", "retention.root=nothere", "retention.anchors=[nor]"
    )
    assert "retention.per_step and retention.root are not used: the head is new" in left.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            [
                "retention.anchors=OTHERS", "contrast.budget=0.5", "model.quantise_skip=[]",
                "data.val_fraction=0.5", "augment=none", "cache.views=2", "lora.init=pissa",
                "lora.init_std=0.1",
            ],
            [
                "retention.generated is not used: there are anchors",
                "contrast.budget is not used: there are no contrast images (contrast.root)",
                "model.quantise_skip is not used: the base is not quantised (model.quantise)",
                "data.val_fraction is not used: the data has validation images of its own",
                "cache.views is not used: images are not augmented",
                "lora.init_std is not used: lora.init=pissa starts the adapters",
            ],
        ),
        (
            [
                "lora.family=[ia3,vera]", "lora.rslora=true", "lora.init_std=0.1", "cache.features=false",
                "cache.uses=2", "contrast.anchors=OTHERS", "contrast.generated=3",
            ],
            [
                "contrast.generated is not used: contrast.anchors has the negatives",
                "cache.uses is not used: cache.features is false",
                "lora.rslora is not used: ia3 and vera have none (lora.family)",
                "lora.init_std is not used: ia3 and vera have none (lora.family)",
            ],
        ),
        (
            [
                "model.name=resnet18", "model.weights=none", "model.head=new", "model.dropout=true",
                "trainer.patience=2", "cache.memory_mb=100", "augment.mixup=0.2",
            ],
            [
                "model.dropout is not used: resnet18 has no dropout layers",
                "trainer.patience is not used: the run has 1 validation (trainer.validations)",
                "cache.memory_mb is not used: images are mixed",
                "not used: the head is new",
            ],
        ),
        (
            ["data.root=TRAIN", "data.val_fraction=0", "trainer.patience=2", "cache.views=2", "cache.uses=2"],
            [
                "trainer.patience is not used: there are no validation images",
                "cache.views and cache.uses are not used: no features are kept",
                "val lies beside it and is not used",
            ],
        ),
        (
            ["model.name=resnet18", "model.weights=none", "model.head=new", "lora.targets=classifier"],
            ["lora.rank is not used: no layer has adapters", "not used: the head is new"],
        ),
        (["model.expand=1"], ["lora.rank is not used: new blocks are trained and no adapters"]),
    ],
)  # fmt: skip
def test_options_without_effect_are_announced(
    train: Train, images: Path, options: list[str], said: list[str]
) -> None:
    others, alone = str(images.parent / "others"), str(images / "train")
    words = [word.replace("OTHERS", others).replace("TRAIN", alone) for word in options]
    left, _ = train(*words, "trainer.max_steps=1")
    assert left.code == 0, left.err
    assert [one for one in said if one not in left.out] == []
    assert left.out.count("not used") == len(said)


def test_options_that_have_an_effect_or_ask_for_nothing_are_not_announced(train: Train) -> None:
    asks = ("retention.weight=0", "retention.generated=256", "retention.logits=0")
    left, _ = train("trainer.max_steps=1", *asks)
    assert left.code == 0, left.err
    assert "retention.per_step is not used" in left.out
    assert left.out.count("not used") == 1


def test_a_deviation_of_the_start_is_used_where_the_run_chooses_the_start(train: Train) -> None:
    configs = []
    for std in ("0.5", "0.1"):
        _, folder = train("trainer.max_steps=1", f"lora.init_std={std}", "optimizer.lr=1e-6")
        configs.append((folder / "adapter" / "adapter_model.safetensors").read_bytes())
    assert configs[0] != configs[1]


@pytest.mark.parametrize(("family", "rank", "slow"), [("oft", 32, True), ("boft", 4, False)])
def test_rotations_that_take_long_are_announced(
    train: Train, monkeypatch: pytest.MonkeyPatch, family: str, rank: int, slow: bool
) -> None:
    monkeypatch.setattr("visionlora.training.announce._LARGE_BLOCK", 32)
    options = (f"lora.family={family}", f"lora.rank={rank}", "lora.targets=last:1")
    left, _ = train("trainer.max_steps=1", *options)
    assert left.code == 0, left.err
    assert ("turns blocks of up to 32 numbers" in left.out) == slow


@pytest.mark.parametrize("kept", [True, False])
def test_memory_that_cannot_be_kept_is_announced(
    train: Train, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    monkeypatch.setattr("visionlora.training.setup.keep_freed_memory", lambda wanted: kept)
    _, folder = train("trainer.max_steps=1", "trainer.accelerator=cpu")
    notices = metrics_of(folder)["notices"]
    assert any("trainer.reuse_memory" in notice for notice in notices) != kept


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["data.root=/no/such/folder"], "/no/such/folder"),
        (["lora.targets=conv9"], "conv9"),
        (["model.name=vgg91"], "vgg19"),
        (["model.weights=/no/such/file.safetensors"], "/no/such/file.safetensors"),
        (["retention.anchors=[/no/such/folder]"], "/no/such/folder"),
        (["contrast.root=/no/such/folder"], "/no/such/folder"),
        (["resume=/no/such/run"], "/no/such/run"),
        (["resume.force=true"], "set resume=RUN"),
        (["trainer.accelerator=gpu"], "cpu"),
    ],
)
def test_bad_input_gives_one_line_and_no_run_folder(
    train: Train, arguments: list[str], expected: str
) -> None:
    if "accelerator" in arguments[0] and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    left, folder = train(*arguments)
    assert left.code == 2
    assert len(left.err.strip().splitlines()) == 1, left.err
    assert expected in left.err
    assert not folder.exists()


def test_a_class_unknown_to_keep_is_refused_with_suggestions(train: Train, images: Path) -> None:
    (images / "train" / "red").rename(images / "train" / "gren")
    (images / "val" / "red").rename(images / "val" / "gren")
    left, _ = train("model.head=keep")
    assert left.code == 2
    assert "green" in left.err


def test_bad_images_are_reported_together(train: Train, images: Path) -> None:
    (images / "train" / "red" / "text.jpg").write_text("no image")
    (images / "val" / "blue" / "half.png").write_bytes((images / "val/blue/0.png").read_bytes()[:300])
    left, _ = train()
    assert left.code == 2
    assert "text.jpg" in left.err
    assert "half.png" in left.err


@pytest.mark.parametrize("head", ["keep", "new"])
def test_where_the_adapters_are_is_announced(
    train: Train, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr("visionlora.models.upper_layers.upper_layers", partial(upper_layers, small=0))
    left, folder = train(f"model.head={head}", "trainer.max_steps=1")
    assert left.code == 0, left.err
    (notice,) = [one for one in metrics_of(folder)["notices"] if "lora.targets=auto" in one]
    assert notice.startswith("adapters are on the last ")
    adapted = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert not any("features.3." in name for name in adapted), "a lower layer"
