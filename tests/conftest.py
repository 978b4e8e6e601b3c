"""What many tests share."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.models import WeightsMetadata

Command = Callable[..., "Left"]
Train = Callable[..., tuple["Left", Path]]

COLOURS = ("red", "blue", "green", "grey")
REAL = Path(__file__).resolve().parents[2] / "shared" / "real"


class Left(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def pytest_collection_finish() -> None:
    """A collection of garbage need not look at the millions of objects of all test modules each time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """As if nothing had been frozen: libraries print_error of what lives on at the end."""
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Timings of this session go to a folder of its own, those of subprocesses too, not to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLORA_CACHE", str(tmp_path_factory.mktemp("kernels")))
        yield


@pytest.fixture
def real() -> Path:
    """The folder of real weights and images; the test is skipped where it is missing."""
    if not REAL.is_dir():
        pytest.skip(f"no real material: {REAL} is missing")
    return REAL


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Left]:
    """Runs ``visionlora NAME ARGUMENTS`` in this process, in ``tmp_path``.

    A command obeys a signal that is meant for all tests (a time limit, Ctrl-C): then they end, and it is not
    the one test that happened to run that fails.
    """
    sent, raise_signal = [], signal.raise_signal

    def send(number: int) -> None:
        sent.append(number)
        raise_signal(number)

    monkeypatch.setattr(signal, "raise_signal", send)

    def run(name: str, *arguments: str) -> Left:
        from hydra._internal.hydra import Hydra
        from hydra.core.config_store import ConfigStore
        from hydra.core.global_hydra import GlobalHydra

        from visionlora import cli

        if not any(word.startswith("hydra.mode=") for word in arguments):
            # Hydra composes everything once more to see whether a file sets hydra.mode, which none does here.
            monkeypatch.setattr(Hydra, "get_mode", lambda hydra, config_name, overrides: None)

        GlobalHydra.instance().clear()
        repo = ConfigStore.instance().repo
        for group in [one for one in repo if one not in ("hydra", "_dummy_empty_config_.yaml")]:
            del repo[group]  # of another command: a process of its own has not heard of it
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["visionlora", name, *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capfd.readouterr()
        for handler in logging.getLogger().handlers[:]:
            if isinstance(handler, logging.FileHandler):  # Hydra's, into a folder that may be gone
                logging.getLogger().removeHandler(handler)
                handler.close()
        code = left.value.code
        if "error: stopped by SIG" in err and not sent:
            pytest.exit("a signal that no test had sent", left.value.code)
        return Left(code if isinstance(code, int) else 0, out, err)

    return run


Draw = Callable[..., Path]


@dataclass(frozen=True)
class Sizes(Preprocessing):
    """The preprocessing of a small network."""

    resize: int = 40
    crop: int = 32
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"


@pytest.fixture
def sizes() -> Sizes:
    return Sizes()


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Write a small image below the test's folder: left half of one colour, right half white."""

    def _draw(
        name: str, size: tuple[int, int] = (64, 48), colour: tuple[int, int, int] = (200, 30, 30)
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", size, "white")
        image.paste(colour, (0, 0, size[0] // 2, size[1]))
        image.save(path)
        return path

    return _draw


SIZE = 24
PREPROCESSING = Preprocessing(SIZE, SIZE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear")


@pytest.fixture
def network() -> nn.Module:
    """Three convolutions with batch norm and dropout, four outputs; always the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.ReLU(),
        nn.Conv2d(8, 16, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(16, 4),
    ).eval()  # fmt: skip


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of reddish and bluish noise, train and val, and one of greenish noise for contrast."""
    return write_images(tmp_path)


def write_images(folder: Path) -> Path:
    """Write what ``images`` has."""
    random = np.random.default_rng(0)
    for split, count in (("train", 5), ("val", 3)):
        for name, channel in (("red", 0), ("blue", 2)):
            below = folder / "pictures" / split / name
            below.mkdir(parents=True)
            for index in range(count):
                _noise(random, channel, below / f"{index}.png")
    (folder / "others").mkdir()
    for index in range(6):
        _noise(random, 1, folder / "others" / f"{index}.png")
    return folder / "pictures"


def _noise(random: np.random.Generator, channel: int, path: Path) -> None:
    pixels = random.integers(0, 120, (SIZE + 8, SIZE + 8, 3))
    pixels[..., channel] += 120
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A squeezenet1_1 of four outputs for images of 48 pixels."""
    return write_weights(tmp_path)


def write_weights(folder: Path) -> Path:
    """Write what ``weights`` has."""
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(num_classes=4)
    half = (0.5, 0.5, 0.5)
    about = WeightsMetadata(COLOURS, ("",) * 4, Preprocessing(48, 48, half, half, "bilinear"))
    save_file(network.state_dict(), folder / "small.safetensors", about.as_text())
    return folder / "small.safetensors"


def short_run(images: Path, weights: Path, folder: Path) -> tuple[str, ...]:
    """The arguments of a training of a few steps."""
    return (
        f"data.root={images}", "model.name=squeezenet1_1", f"model.weights={weights}",
        "trainer.max_steps=4", "trainer.validations=2", "data.batch_size=4", "lora.rank=2",
        "trainer.precision=32-true", "retention.per_step=2", "retention.generated=4",
        "contrast.generated=0", f"hydra.run.dir={folder}",
    )  # fmt: skip


@pytest.fixture
def figures() -> None:
    """For tests of what is drawn: their runs draw it."""


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Without ``figures`` runs draw nothing: that takes as long as all else that a short one does."""
    if "figures" in request.fixturenames:
        return
    module = "visionlora.training.write_outputs"
    for name in ("_write_sheet", "write_preview", "changes_sheet", "_write_tensorboard"):
        monkeypatch.setattr(f"{module}.{name}", lambda *arguments: None)
    figure = SimpleNamespace(savefig=lambda *arguments, **options: None)
    monkeypatch.setattr(f"{module}.strength_figure", lambda *arguments: figure)


@pytest.fixture
def train(command: Command, weights: Path, images: Path, tmp_path: Path, undrawn: None) -> Train:
    """Trains again for a few steps; returns how it ended and the run's folder."""

    def run(*arguments: str) -> tuple[Left, Path]:
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)  # a folder has one run
        return command("train", *short_run(images, weights, folder), *arguments), folder

    return run


class Trained(NamedTuple):
    """A run that several tests look at: how it ended, its folder, and the images that it read."""

    left: Left
    run: Path
    images: Path


@pytest.fixture(scope="session")
def trained_before() -> list[Trained]:
    """The run of ``trained``, once a test has asked for it."""
    return []


@pytest.fixture
def trained(
    trained_before: list[Trained], tmp_path_factory: pytest.TempPathFactory, command: Command, undrawn: None
) -> Iterator[Trained]:
    """What ``train()`` gives, trained once for all tests; one that changes a file copies it first."""
    if not trained_before:
        home = tmp_path_factory.mktemp("trained")
        images, weights = write_images(home), write_weights(home)
        left = command("train", *short_run(images, weights, home / "run"))
        assert left.code == 0, left.err
        trained_before.append(Trained(left, home / "run", images))
    found = trained_before[0]
    before = _files(found.run.parent)
    yield found
    assert _files(found.run.parent) == before, "a test changed what others look at"


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def metrics_of(folder: Path) -> dict:
    """What a run found."""
    return json.loads((folder / "metrics.json").read_text())
