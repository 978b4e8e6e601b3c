from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks import quality
from benchmarks.quality_methods import METHODS, OURS, Method, best_lr, rescaled, run_one, steps_of
from benchmarks.quality_plot import draw, markdown, strengths, summarise, verdict
from benchmarks.quality_tasks import NETWORK, UNKNOWN, Task, make_tasks
from visionlora.errors import VisionLoraError
from visionlora.models import Head, load_backbone

FULL = next(method for method in METHODS if method.name == "full fine-tuning")
BY_NAME = {method.name: method for method in METHODS}


def record(task: str, method: str, lr: float, seed: int, learned: float, kept: float | None = 0.5) -> dict:
    return {
        "network": NETWORK, "task": task, "method": method, "lr": lr, "seed": seed,
        "learned": learned, "kept": kept,
        "photos_called": 0.0, "others_called": None, "images": 10, "photos": 20, "curve": [],
        "frozen": {"learned": 0.1, "kept": 0.6, "photos_called": 0.0, "others_called": None},
        "seconds": 1.0, "steps": 120, "trained": 1000,
    }  # fmt: skip


def test_every_learning_rate_is_tried_on_the_first_seed_before_any_other_seed() -> None:
    trials = quality.pending([], ["a"], [FULL], [0, 1, 2], quick=False)
    assert [(trial.lr, trial.seed) for trial in trials] == [(lr, 0) for lr in FULL.lrs]


def test_only_the_best_learning_rate_is_run_with_the_other_seeds() -> None:
    records = [
        record("a", FULL.name, lr, 0, right) for lr, right in zip(FULL.lrs, (0.2, 0.9, 0.4), strict=True)
    ]
    trials = quality.pending(records, ["a"], [FULL], [0, 1, 2], quick=False)
    assert [(trial.lr, trial.seed) for trial in trials] == [(FULL.lrs[1], 1), (FULL.lrs[1], 2)]


def test_equally_good_learning_rates_are_ranked_by_what_is_kept() -> None:
    records = [
        record("a", FULL.name, lr, 0, 1.0, kept) for lr, kept in zip(FULL.lrs, (0.1, 0.2, 0.3), strict=True)
    ]
    assert best_lr(records, "a", FULL, 0) == FULL.lrs[2]


def test_a_method_that_cannot_adapt_the_network_is_marked_and_not_tried_again() -> None:
    words = {"task": "a", "method": FULL.name, "lr": FULL.lrs[0], "seed": 0, "cannot": "no such layers"}
    assert quality.pending([words], ["a"], [FULL], [0, 1], quick=False) == []
    assert "no such layers" in markdown(summarise([words], ["a"], [FULL], [0]))


def test_an_incomplete_last_record_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(record("a", "b", 1.0, 0, 0.5)) + "\n" + '{"task": "a", "met')
    assert len(quality.read_records(path)) == 1
    assert path.read_text().endswith("}\n")


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text("nonsense\n" + json.dumps(record("a", "b", 1.0, 0, 0.5)) + "\n")
    with pytest.raises(VisionLoraError, match="not a record"):
        quality.read_records(path)


def test_missing_real_material_is_named(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match="is missing"):
        make_tasks(tmp_path / "work", tmp_path / "nowhere")


def test_another_network_needs_its_weights(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match="ImageNet weights of resnet18 with --weights FILE"):
        make_tasks(tmp_path / "work", network="resnet18")


def test_an_unknown_task_is_refused_with_the_list_of_tasks() -> None:
    with pytest.raises(VisionLoraError, match="goldfish"):
        quality._chosen(["goldfsh"], ["goldfish"], "task")


def test_means_are_over_the_seeds_of_the_best_learning_rate() -> None:
    tried = ((0, (0, 0.8, 0.4)), (0, (1, 0.6, 0.2)), (1, (0, 0.1, 0.6)))
    records = [record("a", FULL.name, FULL.lrs[lr], *rest) for lr, rest in tried]
    frozen, row = summarise(records, ["a"], [FULL], [0, 1])
    assert frozen["kept"] == 0.6
    assert (row["learned"], row["kept"], row["seeds"]) == (pytest.approx(0.7), pytest.approx(0.3), 2)
    assert row["lost"] == pytest.approx(0.3)


def test_a_task_without_old_outputs_has_a_table_and_no_panel() -> None:
    records = [{**record("a", FULL.name, FULL.lrs[0], 0, 0.8, None), "frozen": None}]
    assert "| - |" in markdown(summarise(records, ["a"], [FULL], [0]))
    assert draw(records, {"a": "title"}).axes


def test_strengths_are_means_over_the_seeds() -> None:
    lora = BY_NAME["PEFT LoRA"]
    records = [record("a", lora.name, lora.lrs[0], seed, 0.9) for seed in (0, 1)]
    for shift, one in enumerate(records):
        one["curve"] = [{"strength": 0.5, "learned": 0.4 + 0.2 * shift, "kept": 0.3 + 0.2 * shift}]
    table = strengths(summarise(records, ["a"], [lora], [0, 1]))
    assert table.splitlines()[0].endswith("| 0.5 |")
    assert "| PEFT LoRA | 0.500 / 0.200 |" in table
    assert strengths(summarise([record("a", FULL.name, FULL.lrs[0], 0, 0.9)], ["a"], [FULL], [0])) == ""


@pytest.mark.parametrize(
    ("kept", "words"), [(0.55, "some of PEFT LoRA are better"), (0.35, "none is better")]
)
def test_a_point_of_another_method_that_is_better_in_both_is_found(kept: float, words: str) -> None:
    ours, other = record("a", OURS, 2e-3, 0, 0.6, 0.6), record("a", "PEFT LoRA", 1e-3, 0, 0.9, 0.1)
    ours["curve"] = [{"strength": 0.8, "learned": 0.5, "kept": 0.5}]
    other["curve"] = [{"strength": 0.4, "learned": 0.55, "kept": kept}]
    assert verdict([ours, other], "a").startswith("2 points of the others, 2 of ours: " + words)


def test_few_images_get_a_minimum_of_steps() -> None:
    assert steps_of(4, 16) == 160
    assert steps_of(518, 16) == 264


def test_drawn_classes_are_not_imagenet_classes() -> None:
    from visionlora.models import find_class

    backbone = load_backbone("squeezenet1_0", "none")
    for name in UNKNOWN:
        with pytest.raises(VisionLoraError):
            find_class(name, backbone.categories, backbone.wnids)


@pytest.fixture
def small(tmp_path: Path) -> Task:
    """Two of pocket's classes as noise, in the place of drawings and of photos."""
    random = np.random.default_rng(0)
    for part, count in (("data/train", 2), ("data/val", 1), ("retention", 1), ("anchors", 2), ("others", 1)):
        for name in ("goldfish", "banana"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 255, (40, 40, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return Task(
        "small", "small", tmp_path / "data", "keep", "imagenet", tmp_path / "anchors", tmp_path / "retention",
        (), tmp_path / "others", network="pocket",
    )  # fmt: skip


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.quality_methods.LEAST_STEPS", 2)
    monkeypatch.setattr("benchmarks.quality_methods.EPOCHS", 1)


@pytest.mark.parametrize("name", [method.name for method in METHODS if method.build is not None])
def test_every_other_method_trains_and_is_measured(small: Task, two_steps: None, name: str) -> None:
    if BY_NAME[name].package:
        pytest.importorskip(BY_NAME[name].package or "")
    figures = run_one(small, BY_NAME[name], 1e-3, 0, 1)
    assert figures["steps"] == 2
    assert figures["trained"] > 0
    assert 0 <= figures["learned"] <= 1 and 0 <= figures["kept"] <= 1
    assert len(figures["curve"]) == (5 if BY_NAME[name].adapter else 0)
    assert figures["frozen"]["others_called"] is None  # every other drawing shows a trained class here


@pytest.mark.parametrize("head", ["new", "extend"])
def test_new_rows_are_trained_with_the_adapter(small: Task, two_steps: None, head: str) -> None:
    pytest.importorskip("peft")
    for part in ("train", "val"):
        (small.root / part / "goldfish").rename(small.root / part / "zorp")
        (small.root / part / "banana").rename(small.root / part / "blick")
    figures = run_one(replace(small, head=head, contrast=None), BY_NAME["PEFT LoRA"], 1e-3, 0, 1)
    assert (figures["kept"] is None) == (head == "new")


def test_ours_is_the_products_own_run(small: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import quality_methods

    def short(*arguments: object) -> object:
        config = original(*arguments)  # type: ignore[arg-type]
        config.trainer.max_steps, config.trainer.validations, config.trainer.kernel = 2, 1, "rule"
        config.retention.per_step, config.retention.inverted = 2, 0
        return config

    original = quality_methods.our_config
    monkeypatch.setattr(quality_methods, "our_config", short)
    figures = run_one(small, BY_NAME[OURS], 1e-3, 0, 1)
    assert figures["steps"] == 2
    assert 0 < figures["strength"] <= 1
    assert figures["curve"][-1]["strength"] == 1.0


def test_records_are_shown_without_running_anything(
    small: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "make_tasks", lambda *places: {"small": small})
    monkeypatch.setattr(quality, "carry_out", None)
    records, report = tmp_path / "records.jsonl", tmp_path / "RESULTS.md"
    records.write_text(json.dumps(record("small", FULL.name, FULL.lrs[0], 0, 0.875)) + "\n")
    assert quality.main(["--show", "--records", str(records), "--results", str(report)]) == 0
    assert "| full fine-tuning |" in report.read_text() and "0.875" in report.read_text()


def test_peft_at_strength_zero_is_the_frozen_network() -> None:
    pytest.importorskip("peft")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 3)).eval()
    x = torch.randn(2, 3, 4, 4)
    frozen = network(x)
    method: Method = BY_NAME["PEFT LoRA"]
    assert method.build is not None
    model = method.build(network, Head("keep", "2", ("a", "b", "c"), (0,)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.add_(1.0)
    assert not torch.allclose(model(x), frozen)
    with rescaled(model, 0.0):
        torch.testing.assert_close(model(x), frozen)


def test_records_of_another_network_are_not_mixed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text(json.dumps(record("goldfish", FULL.name, FULL.lrs[0], 0, 0.875)) + "\n")
    with pytest.raises(SystemExit) as ended:
        quality.main(["--show", "--network", "timm/tf_efficientnet_lite0", "--records", str(records)])
    assert ended.value.code != 0
    assert f"has runs of {NETWORK}; give another --records" in capsys.readouterr().err
