"""Whole runs on a small network: what they leave, and what the other commands make of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.conftest import Left
from visionlora.adapters import adapted_layers
from visionlora.models import About, Preprocessing
from visionlora.models.restore import load, restore

Command = Callable[..., Left]
Train = Callable[..., tuple[Left, Path]]

COLOURS = ("red", "blue", "green", "grey")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A squeezenet1_1 of four outputs for images of 48 pixels."""
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(num_classes=4)
    half = (0.5, 0.5, 0.5)
    about = About(COLOURS, ("",) * 4, Preprocessing(48, 48, half, half, "bilinear"))
    save_file(network.state_dict(), tmp_path / "small.safetensors", about.metadata())
    return tmp_path / "small.safetensors"


@pytest.fixture
def train(command: Command, weights: Path, images: Path, tmp_path: Path) -> Train:
    """Trains for a few steps; returns how it ended and the run's folder."""

    def run(*arguments: str) -> tuple[Left, Path]:
        folder = tmp_path / "run"
        left = command(
            "train", f"data.root={images}", "model.name=squeezenet1_1", f"model.weights={weights}",
            "trainer.max_steps=4", "trainer.validations=2", "data.batch_size=4", "lora.rank=2",
            "trainer.precision=32-true", "retention.per_step=2", "retention.generated=4",
            "contrast.generated=0",
            f"hydra.run.dir={folder}", *arguments,
        )  # fmt: skip
        return left, folder

    return run


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_a_run_leaves_every_file_that_the_design_names(train: Train) -> None:
    left, folder = train()
    assert left.code == 0, left.err
    for name in (
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapter/README.md",
        "checkpoints/last.ckpt", "checkpoints/best.ckpt", "config.yaml", "metrics.json", "before_after.png",
        "retention_changes.png", "strength.png", "train.log",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    assert list((folder / "tensorboard").glob("events.*"))


def test_figures_name_everything_that_was_and_was_not_measured(train: Train, images: Path) -> None:
    _, folder = train()
    metrics = metrics_of(folder)
    assert metrics["retention"] == "not measured"
    assert metrics["contrast"] == "not measured"
    assert metrics["model"]["used"] == "squeezenet1_1"
    assert metrics["head"] == "keep"
    assert metrics["classes"] == ["blue", "red"]
    assert set(metrics["before"]) == set(metrics["after"])
    assert {name for name in metrics["after"] if not name.endswith("interval")} == {
        "val/top1", "val/top5", "val/loss",
    }  # fmt: skip
    low, high = metrics["after"]["val/top1_interval"]
    assert low < metrics["after"]["val/top1"] < high or metrics["after"]["val/top1"] in (low, high)
    assert metrics["parameters"]["adapter_bytes"] == 4 * metrics["parameters"]["trainable"]
    assert metrics["time"]["step_ms"] > 0
    assert metrics["steps"] == 4


def test_retention_and_contrast_are_measured_where_there_are_folders(train: Train, images: Path) -> None:
    _, folder = train(f"retention.root={images / 'val'}", f"contrast.root={images.parent / 'others'}")
    metrics = metrics_of(folder)
    assert metrics["retention"]["pictures"] == 6
    assert metrics["retention"]["labelled"]
    assert metrics["retention"]["before/top1"] == metrics["before"]["val/top1"]
    assert metrics["retention"]["after/top1"] == metrics["after"]["val/top1"]
    assert metrics["contrast"]["pictures"] == 6
    assert 0 <= metrics["contrast"]["after/false_positive_rate"] <= 1


@pytest.mark.parametrize("head", ["keep", "extend"])
def test_the_chosen_strength_is_the_saved_adapters_own(
    train: Train,
    command: Command,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    head: str,
) -> None:
    monkeypatch.setattr("visionlora.evaluation.strength.choose", lambda points, *_: (points[1], True))
    if head == "extend":
        for split in ("train", "val"):
            (images / split / "red").rename(images / split / "scarlet")
    left, folder = train(
        f"model.head={head}", f"retention.root={images.parent / 'others'}", "retention.strengths=5",
        "trainer.max_steps=12", "optimizer.lr=0.02", "retention.weight=0", "lora.alpha=6",
    )  # fmt: skip
    assert left.code == 0, left.err
    metrics = metrics_of(folder)
    strength = metrics["strength"]
    assert [point["strength"] for point in strength["curve"]] == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert strength["chosen"] == 0.4
    assert "strength 0.4" in left.out
    point = strength["curve"][2]
    assert point["val/loss"] == pytest.approx(metrics["after"]["val/loss"], rel=1e-5)
    assert point["lost"] == pytest.approx(metrics["retention"]["lost"], rel=1e-5)
    restored = restore(folder)
    layers = adapted_layers(restored.network)
    assert {layer.lora_alpha for layer in layers.values()} == {6 * 0.4}
    batch = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(load(folder)(batch), restored.network(batch), rtol=1e-4, atol=1e-4)
    again = command("evaluate", f"adapter={folder}", f"data.root={images}", "output=figures.json")
    assert again.code == 0, again.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["loss"] == pytest.approx(metrics["after"]["val/loss"], rel=1e-4)


def test_without_retention_images_others_choose_the_strength(train: Train, images: Path) -> None:
    _, folder = train("retention.generated=64")
    metrics = metrics_of(folder)
    assert metrics["strength"]["judged_on"] == "16 generated images (estimated)"
    assert metrics["pictures"]["anchors"] == 64
    assert metrics["retention"] == "not measured"
    assert all(point["anchors/estimated_lost"] >= 0 for point in metrics["strength"]["curve"])
    _, folder = train("retention.generated=64", "retention.budget=null")
    assert metrics_of(folder)["strength"]["chosen"] == 1
    assert metrics_of(folder)["pictures"]["anchors"] == 64
    for index in range(1, 70):
        shutil.copy(images.parent / "others" / "0.png", images.parent / "others" / f"{index}.png")
    _, folder = train(f"retention.anchors=[{images.parent / 'others'}]")
    assert metrics_of(folder)["strength"]["judged_on"] == "17 anchors held out (estimated)"


def test_contrast_images_alone_choose_the_strength_and_say_nothing_of_forgetting(
    train: Train, images: Path
) -> None:
    _, folder = train(f"contrast.root={images.parent / 'others'}")
    strength = metrics_of(folder)["strength"]
    assert strength["judged_on"] == "not measured"
    assert strength["called_on"] == "6 contrast images"
    assert strength["budget"] == {"retention": None, "contrast": 0.05}
    assert not any("lost" in point for point in strength["curve"])
    assert "of top-1 lost" not in (folder / "adapter" / "README.md").read_text()
    assert "called by a new name" in (folder / "adapter" / "README.md").read_text()


def test_forgetting_is_estimated_on_retention_images_without_labels(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    root = f"retention.root={images.parent / 'others'}"
    left, folder = train(root)
    assert left.code == 0, left.err
    assert "has no labels" in left.out
    retention = metrics_of(folder)["retention"]
    assert not retention["labelled"]
    assert retention["pictures"] == 6
    assert retention["lost"] == retention["estimated_lost"] >= 0
    assert "before/top1" not in retention
    again = command(
        "evaluate",
        f"adapter={folder}",
        f"data.root={images}",
        root,
        "output=figures.json",
        "sheet=lost.png",
    )
    assert again.code == 0, again.err
    figures = json.loads((tmp_path / "figures.json").read_text())["retention"]
    assert Image.open(tmp_path / "lost.png").width > 200
    assert figures["changes"] == retention["changes"]
    assert figures["agreement_interval"] == retention["agreement_interval"]
    assert figures["divergence"] == pytest.approx(retention["divergence"], rel=1e-2)


def test_retention_images_with_names_that_the_network_lacks_are_refused(train: Train, images: Path) -> None:
    (images / "val" / "red").rename(images / "val" / "zebra")
    left, _ = train(f"retention.root={images / 'val'}", f"data.root={images / 'train'}")
    assert left.code == 2
    assert "retention.root" in left.err
    assert "zebra" in left.err
    assert "without class folders" in left.err


def test_files_that_are_no_images_are_named_on_the_terminal(train: Train, images: Path) -> None:
    for place in (images / "train" / "red", images.parent / "others"):
        (place / "notes.txt").write_text("no image")
    left, _ = train(f"contrast.root={images.parent / 'others'}")
    assert left.code == 0, left.err
    assert left.out.count("left out 1 files that are not images (1 .txt)") == 2


def test_contrast_anchors_that_nothing_learns_from_are_announced(train: Train, images: Path) -> None:
    left, _ = train(f"contrast.anchors=[{images.parent / 'others'}]", "retention.weight=0")
    assert "contrast.anchors are not used" in left.out


@pytest.mark.parametrize("kept", [True, False])
def test_memory_that_cannot_be_kept_is_announced(
    train: Train, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    monkeypatch.setattr("visionlora.training.setup.keep_freed_memory", lambda: kept)
    _, folder = train("trainer.max_steps=1", "trainer.accelerator=cpu")
    notices = metrics_of(folder)["notices"]
    assert any("trainer.reuse_memory" in notice for notice in notices) != kept


def test_base_tensors_are_bit_for_bit_what_they_were(train: Train, weights: Path) -> None:
    _, folder = train("trainer.max_steps=8")
    restored = restore(folder)
    base = {name: value for name, value in restored.network.state_dict().items() if "lora_" not in name}
    stored = load_file(weights)
    assert base.keys() == stored.keys()
    assert all(torch.equal(base[name], stored[name]) for name in base)
    assert any(value.any() for name, value in restored.network.state_dict().items() if "lora_B" in name)


@pytest.mark.parametrize("head", ["keep", "extend", "new"])
def test_merged_weights_load_into_torchvision_and_say_the_same(
    train: Train, command: Command, images: Path, tmp_path: Path, head: str
) -> None:
    if head != "keep":
        (images / "train" / "red").rename(images / "train" / "scarlet")
        (images / "val" / "red").rename(images / "val" / "scarlet")
    left, folder = train(f"model.head={head}")
    assert left.code == 0, left.err
    assert command("merge", f"adapter={folder}", "output=merged.safetensors").code == 0
    names = json.loads((tmp_path / "merged.classes.json").read_text())
    expected = {"keep": list(COLOURS), "extend": [*COLOURS, "scarlet"], "new": ["blue", "scarlet"]}[head]
    assert names["classes"] == expected
    plain = torchvision.models.get_model("squeezenet1_1", num_classes=len(expected)).eval()
    plain.load_state_dict(load_file(tmp_path / "merged.safetensors"))
    images = torch.randn(3, 3, 48, 48)
    adapted = restore(folder).network(images)
    torch.testing.assert_close(plain(images), adapted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(load(folder)(images), adapted, rtol=1e-4, atol=1e-4)


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    """A resnet18 of four outputs whose batch norms are no identities."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=4)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(0, 0.1)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.7, 1.3)
    half = (0.5, 0.5, 0.5)
    about = About(COLOURS, ("",) * 4, Preprocessing(48, 48, half, half, "bilinear"))
    save_file(network.state_dict(), tmp_path / "resnet.safetensors", about.metadata())
    return tmp_path / "resnet.safetensors"


def test_a_run_that_folds_batch_norm_ends_at_the_same_adapter(
    train: Train, resnet: Path, tmp_path: Path
) -> None:
    runs = []
    for fold in ("true", "false"):
        runs.append(tmp_path / fold)
        left, _ = train(
            f"trainer.fold_batch_norm={fold}", "model.name=resnet18", f"model.weights={resnet}",
            "lora.exclude=[layer3.1.conv1]", "lora.alpha=2", f"hydra.run.dir={runs[-1]}",
        )  # fmt: skip
        assert left.code == 0, left.err
    on, off = (metrics_of(run) for run in runs)
    assert (on["folded_batch_norms"], off["folded_batch_norms"]) == (20, 0)
    assert any("20 of 20 batch norms" in notice for notice in on["notices"])
    assert on["before"] == off["before"]
    assert on["after"]["val/loss"] == pytest.approx(off["after"]["val/loss"], abs=1e-3)
    ours, theirs = (load_file(run / "adapter" / "adapter_model.safetensors") for run in runs)
    # Adam makes much of the rounding in gradients near zero, so not number by number.
    one, other = (torch.cat([run[name].flatten() for name in sorted(ours)]) for run in (ours, theirs))
    assert (one - other).norm() < 3e-2 * other.norm()
    states = [restore(run).network.state_dict() for run in runs]
    stored = load_file(resnet)
    for state in states:
        assert all(torch.equal(state[name], stored[name]) for name in stored)


def test_a_kernel_can_be_chosen_by_name(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from visionlora.kernels import conv_gradients

    used = []
    for name, compute in list(conv_gradients.GRADIENTS.items()):
        counted = lambda *inputs, name=name, compute=compute: used.append(name) or compute(*inputs)  # noqa: E731
        monkeypatch.setitem(conv_gradients.GRADIENTS, name, counted)
    left, _ = train("trainer.kernel=low_rank")
    assert left.code == 0, left.err
    assert set(used) == {"low_rank"}
    left, _ = train("trainer.kernel=fastest")
    assert left.code == 2 and "low_rank" in left.err


def test_prediction_goes_on_after_a_broken_image_and_says_so(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    _, folder = train()
    (images / "val" / "red" / "text.png").write_text("no image")
    left = command(
        "predict", f"adapter={folder}", f"images={images / 'val'}", "output=out.jsonl", "compare=true"
    )
    assert left.code == 3
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(records) == 7
    broken = [record for record in records if "error" in record]
    assert [Path(record["path"]).name for record in broken] == ["text.png"]
    named = next(record for record in records if "error" not in record)
    assert sum(one["probability"] for one in named["predictions"]) <= 1.001
    assert named["before"]


def test_merged_and_unmerged_predictions_agree(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    _, folder = train()
    for name, merged in (("a", "true"), ("b", "false")):
        left = command(
            "predict", f"adapter={folder}", f"images={images}", f"output={name}.csv", f"merged={merged}"
        )
        assert left.code == 0, left.err
    rows_a, rows_b = ((tmp_path / f"{name}.csv").read_text().splitlines() for name in "ab")
    assert len(rows_a) == len(rows_b) == 17
    for row_a, row_b in zip(rows_a[1:], rows_b[1:], strict=True):
        assert row_a.split(",")[:2] == row_b.split(",")[:2]
        assert float(row_a.split(",")[2]) == pytest.approx(float(row_b.split(",")[2]), abs=1e-4)


def test_a_prediction_sheet_and_a_single_image(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    _, folder = train()
    one = images / "val" / "red" / "0.png"
    assert command("predict", f"adapter={folder}", f"images={one}", "sheet=sheet.png").code == 0
    assert Image.open(tmp_path / "sheet.png").width > 200


def test_evaluation_repeats_the_runs_own_figures(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    _, folder = train(f"contrast.root={images.parent / 'others'}")
    left = command(
        "evaluate", f"adapter={folder}", f"data.root={images}", "output=figures.json",
        f"contrast.root={images.parent / 'others'}",
    )  # fmt: skip
    assert left.code == 0, left.err
    figures, metrics = json.loads((tmp_path / "figures.json").read_text()), metrics_of(folder)
    assert figures["top1"] == metrics["after"]["val/top1"]
    assert figures["frozen"]["top1"] == metrics["before"]["val/top1"]
    assert figures["loss"] == pytest.approx(metrics["after"]["val/loss"], rel=1e-4)
    assert figures["contrast"] == metrics["contrast"]
    assert figures["retention"] == "not measured"
    assert sum(one["pictures"] for one in figures["per_class"].values()) == figures["pictures"] == 6


def test_a_sweep_ends_with_a_table_of_its_runs(train: Train, tmp_path: Path) -> None:
    left, _ = train("lora.rank=1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}", "--multirun")
    assert left.code == 0, left.err
    assert "2 runs" in left.out
    assert "lora.rank=1" in left.out
    assert "lora.rank=2" in left.out
    assert len(list((tmp_path / "sweep").glob("*/metrics.json"))) == 2


def test_runs_over_seeds_end_with_mean_and_spread(train: Train, tmp_path: Path) -> None:
    left, _ = train("seed=0,1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}", "--multirun")
    assert left.code == 0, left.err
    tops = [metrics_of(tmp_path / "sweep" / str(job))["after"]["val/top1"] for job in range(3)]
    assert f"{statistics.mean(tops):.3f} ± {statistics.stdev(tops):.3f}" in left.out


def test_a_sweep_goes_on_after_a_run_that_cannot_be(train: Train, tmp_path: Path) -> None:
    left, _ = train("lora.rank=-1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}", "--multirun")
    assert left.code == 2
    assert "rank" in left.err
    assert "1 of 2 runs left no figures" in left.out
    assert (tmp_path / "sweep" / "1" / "metrics.json").exists()


def test_a_resumed_run_continues_where_it_stopped(train: Train, tmp_path: Path) -> None:
    part, same, more = (tmp_path / name for name in ("part", "same", "more"))
    train("trainer.patience=null", f"hydra.run.dir={part}")
    train("trainer.patience=null", f"resume={part}", f"hydra.run.dir={same}")
    train("trainer.patience=null", f"resume={part}", f"hydra.run.dir={more}", "trainer.max_steps=7")
    adapters = [load_file(run / "adapter" / "adapter_model.safetensors") for run in (part, same, more)]
    assert all(torch.equal(adapters[0][name], adapters[1][name]) for name in adapters[0])
    assert metrics_of(same)["time"]["step_ms"] == 0
    assert metrics_of(more)["steps"] == 7
    assert any(not torch.equal(adapters[0][name], adapters[2][name]) for name in adapters[0])


def test_ctrl_c_ends_with_a_saved_adapter(weights: Path, images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "visionlora.train", f"data.root={images}", "model.name=squeezenet1_1",
            f"model.weights={weights}", "trainer.max_steps=100000", "trainer.validations=50000",
            "trainer.patience=null", "lora.rank=1", "trainer.precision=32-true", "retention.weight=0",
            f"hydra.run.dir={folder}",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while not (folder / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted" in out
    assert 0 < metrics_of(folder)["steps"] < 100000
    restore(folder)


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
        (["trainer.accelerator=gpu"], "cpu"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_run(train: Train, arguments: list[str], expected: str) -> None:
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


def test_an_adapter_for_another_network_is_refused(train: Train, command: Command, images: Path) -> None:
    _, folder = train()
    left = command("predict", f"adapter={folder}", f"images={images}", "model=resnet18", "weights=none")
    assert left.code == 2
    assert len(left.err.strip().splitlines()) == 1


def test_a_folder_without_an_adapter_is_refused(command: Command, tmp_path: Path) -> None:
    left = command("predict", f"adapter={tmp_path}", "images=x")
    assert left.code == 2
    assert "adapter_config.json" in left.err or "x" in left.err
