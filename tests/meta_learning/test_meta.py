"""A learned start: seeded tasks, classes that are never seen, and progress that goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from tests.conftest import Command, Train
from tests.training.test_resume import bytes_of, stopped_and_continued
from visionlora.adapters import read_adapter_config
from visionlora.adapters.io.tensor_file import read_tensors
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.meta_learning.tasks import held_out, sample_task
from visionlora.models import WeightsMetadata

COLOURS = {"red": (220, 40, 40), "blue": (40, 40, 220), "green": (40, 200, 40), "grey": (128, 128, 128)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four classes of four noisy images in their colour."""
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        place = tmp_path / "many" / name
        place.mkdir(parents=True)
        for index in range(4):
            pixels = np.clip(random.normal(colour, 30, (40, 40, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{index}.png")
    return tmp_path / "many"


@pytest.fixture
def meta(command: Command, folder: Path, weights: Path, images: Path, tmp_path: Path):
    """Runs the command; returns how it ended."""

    def run(*arguments: str, output: str = "start"):
        return command(
            "meta", f"data.root={folder}", "model.name=squeezenet1_1", f"model.weights={weights}",
            f"retention.anchors=[{images.parent / 'others'}]", f"start={tmp_path / output}",
            "meta.steps=3", "meta.classes=3", "lora.rank=2", "meta.held_out=1",
            "lora.targets=last:4", *arguments,
        )  # fmt: skip

    return run


def test_tasks_are_a_function_of_the_seed_and_their_number() -> None:
    images = {name: range(4 * place, 4 * place + 4) for place, name in enumerate("abcdef")}
    one = sample_task(images, 3, 1, 7, 2)
    assert one == sample_task(dict(reversed(images.items())), 3, 1, 7, 2)
    assert one != sample_task(images, 3, 1, 7, 3) and one != sample_task(images, 3, 1, 8, 2)
    assert len(one.support) == 3 and len(one.query) == 9
    assert not set(one.support) & set(one.query)
    assert {place // 4 for place in one.support} == {place // 4 for place in one.query}


def test_held_out_classes_depend_on_the_seed_and_on_no_other_class() -> None:
    names = [f"class {number}" for number in range(20)]
    chosen = held_out(names, 5, 0)
    assert chosen == held_out(names[::-1], 5, 0) != held_out(names, 5, 1)
    others = [name for name in names if name in chosen or name < "class 15"]
    assert held_out(others, 5, 0) == chosen


@pytest.mark.parametrize("method", ["maml", "reptile"])
def test_a_start_is_learned_without_its_held_out_classes_and_a_run_begins_at_it(
    method: str, meta, train: Train, command: Command, folder: Path, tmp_path: Path
) -> None:
    left = meta(f"meta.method={method}", "meta.tasks=6")
    assert left.code == 0, left.err
    said = " ".join(left.out.split())
    assert "task 6 of 6" in said and "1 held-out classes" in said and "anchors as before" in said
    about = read_adapter_config(tmp_path / "start")["visionlora"]["meta"]
    (unseen,) = about["unseen"]
    # What no task sees changes nothing: other pixels give the same start.
    for path in (folder / unseen).glob("*.png"):
        Image.new("RGB", (40, 40), (250, 250, 0)).save(path)
    meta(f"meta.method={method}", "meta.tasks=6", output="again")
    one, two = (read_tensors(tmp_path / name) for name in ("start", "again"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not any(bool(tensor.any()) for name, tensor in one.items() if "lora_B" in name)
    left = meta(output="first")
    assert "A starts in the directions that gradients of different images share, in 4 layers" in " ".join(
        left.out.split()
    )
    first = read_tensors(tmp_path / "first")
    moved = [not torch.allclose(one[name], first[name], atol=1e-5) for name in one if "lora_A" in name]
    assert all(moved)
    left, _ = train(f"lora.init={tmp_path / 'start'}", "lora.targets=last:4", "optimizer.lr=1e-30")
    assert left.code == 0, left.err
    begun = read_tensors(tmp_path / "run" / "adapter")
    for name, tensor in one.items():
        torch.testing.assert_close(begun[name], tensor, rtol=1e-5, atol=1e-6)
    left, _ = train(f"lora.init={tmp_path / 'start'}", "lora.targets=last:4", "lora.rank=3")
    assert left.code == 2 and "has rank 3 in the network, 2 in the adapter" in left.err
    for other in ("model.quantise=nf4", "model.expand=2"):
        left, _ = train(f"lora.init={tmp_path / 'start'}", other)
        assert left.code == 2 and f"leave it out, or {other}" in " ".join(left.err.split())


@pytest.mark.parametrize(
    "method", ["aligned", *(pytest.param(one, marks=pytest.mark.slow) for one in ("maml", "reptile"))]
)
def test_a_start_of_one_linear_layer_is_learned_too(
    method: str, meta, train: Train, command: Command, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    half = (0.5, 0.5, 0.5)
    about = WeightsMetadata(
        ("red", "blue", "green", "grey"), ("",) * 4, Preprocessing(48, 48, half, half, "bilinear")
    )
    file = tmp_path / "resnet.safetensors"
    save_file(torchvision.models.resnet18(num_classes=4).state_dict(), file, about.as_text())
    model = ("model.name=resnet18", f"model.weights={file}", "lora.targets=classifier")
    tasks = () if method == "aligned" else ("meta.tasks=2",)
    left = meta(f"meta.method={method}", *tasks, *model)
    assert left.code == 0, left.err
    assert "A starts in the directions that gradients of different images share, in 1 layer" in " ".join(
        left.out.split()
    )
    start = (f"lora.init={tmp_path / 'start'}", *model, "trainer.max_steps=1")
    left, _ = train(*start)
    assert left.code == 0, left.err
    left, _ = train(*start, "model.head=new")
    assert left.code == 2 and "so has the last layer (head=new here)" in left.err


def test_what_was_interrupted_continues_to_the_same_start(
    meta, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tasks = ("meta.method=maml", "meta.tasks=6")
    assert meta(*tasks, output="whole").code == 0
    monkeypatch.setattr("visionlora.meta_learning.run.SAVE_EVERY", 2)
    assert meta(*tasks, "meta.tasks=4").code == 0
    left = meta(*tasks)
    assert left.code == 0 and "continues after task 4 of 6" in left.out
    one, two = (read_tensors(tmp_path / name) for name in ("whole", "start"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    left = meta(*tasks, "meta.lr=0.01")
    assert left.code == 2 and "holds the progress of another run" in left.err
    left = meta(*tasks, "meta.tasks=5")
    assert left.code == 2 and "set meta.tasks=6 or more" in " ".join(left.err.split())


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("anchor_images", "nothing is saved yet: the same command begins again"),
        ("sample_task", "the same command continues after task 0"),
    ],
)
def test_a_start_that_is_stopped_says_how_it_goes_on(
    place: str, said: str, meta, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = ("meta.method=reptile", "meta.tasks=2")
    with monkeypatch.context() as patch:
        patch.setattr(
            f"visionlora.meta_learning.run.{place}", lambda *arguments: signal.raise_signal(signal.SIGINT)
        )
        left = meta(*tasks)
    assert left.code == 130
    assert left.err.splitlines() == [f"error: stopped by SIGINT; {said}"]
    assert meta(*tasks).code == 0


@pytest.mark.slow
def test_a_run_from_a_learned_start_that_is_stopped_continues_to_the_same_bytes(
    meta, train: Train, command: Command, tmp_path: Path
) -> None:
    assert meta().code == 0
    options = (
        f"lora.init={tmp_path / 'start'}", "lora.targets=last:4", "lora.rank=2", "trainer.max_steps=8",
        "cache.features=true",  # auto asks the clock, which two runs need not read alike
    )  # fmt: skip
    left, _ = train(*options, f"hydra.run.dir={tmp_path / 'whole'}")
    assert left.code == 0, left.err
    folder = stopped_and_continued(train, command, *options)
    assert bytes_of(folder) == bytes_of(tmp_path / "whole")


def test_an_aligned_start_is_the_same_when_the_command_is_repeated(meta, tmp_path: Path) -> None:
    assert meta().code == 0
    one = read_tensors(tmp_path / "start")
    left = meta()
    assert left.code == 0, left.err
    two = read_tensors(tmp_path / "start")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_that_does_not_fit_a_start_says_what_the_start_is_for(
    meta, train: Train, tmp_path: Path
) -> None:
    assert meta().code == 0
    start = (f"lora.init={tmp_path / 'start'}", "trainer.max_steps=1")
    left, _ = train(*start, "lora.targets=last:4", "lora.rank=4")
    assert left.code == 2 and "the start is for squeezenet1_1 with lora.rank=2" in left.err
    assert "rank 4 in the network, 2 in" in left.err and len(left.err) < 600
    left, _ = train(*start, "lora.targets=last:4", "lora.alpha=16", "lora.rslora=true")
    assert left.code == 0, left.err
    assert "lora.alpha and lora.rslora are not used: lora.init has those of the start" in left.out


def test_options_that_do_nothing_for_a_start_are_announced(meta) -> None:
    left = meta("meta.held_out=0", "meta.lr=1", "retention.weight=3", "lora.init_std=2", "meta.classes=20")
    assert left.code == 0, left.err
    said = " ".join(left.out.split())
    for words in (
        "meta.steps, meta.lr and retention.weight are not used: aligned takes no steps",
        "lora.init_std is not used: no layer begins Gaussian",
        "each task has only 4 classes: there are fewer than meta.classes=20",
    ):
        assert words in said
    left = meta("retention.anchors=[]", "retention.temperature=2", output="again")
    assert "retention.temperature is not used: there are no anchors" in left.out


@pytest.mark.parametrize("option", ["meta.tasks=6", "meta.outer_lr=0.1"])
def test_options_of_tasks_are_refused_without_tasks(meta, option: str) -> None:
    left = meta(option)
    assert left.code == 2 and "is for method=maml or reptile" in " ".join(left.err.split())


def test_what_gives_no_tasks_is_refused_in_one_line(meta, folder: Path) -> None:
    left = meta("meta.shots=4")
    assert left.code == 2 and "more than meta.shots=4 images" in left.err
    left = meta("meta.held_out=3")
    assert left.code == 2 and "has fewer than 2 classes" in left.err
    (folder / "red").rename(folder / "violet")
    left = meta()
    assert left.code == 2 and "tasks need an output for every class" in left.err
    (folder / "violet").rename(folder / "red")
    for other in ("lora.family=dora", "lora.dropout=0.1", "lora.bias=all", "lora.train_norms=true"):
        left = meta(other)
        assert left.code == 2 and "use lora.family=lora" in left.err
        assert left.err.count("\n") == 1


def test_a_folder_of_something_else_gets_no_start(meta, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("seed: 0")
    left = meta(output="run")
    assert left.code == 2 and "run holds other files, and no start to continue" in left.err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]
