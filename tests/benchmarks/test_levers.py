"""One thing changed at a time, and what it bought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from benchmarks import lever_code, levers
from benchmarks.quality_tasks import Task
from visionlora.adapters import LoraConfig, attach
from visionlora.errors import VisionLoraError
from visionlora.notices import Notices
from visionlora.optimizers.config import OptimizerConfig
from visionlora.retention.anchor_views import AnchorViews
from visionlora.retention.config import RetentionConfig
from visionlora.retention.stream import AnchorStream
from visionlora.retention.teacher import AnchorTeacher
from visionlora.training import setup
from visionlora.training.module import LoraModule

SIDE = 8
PREPROCESSING = SimpleNamespace(
    resize=SIDE, crop=SIDE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bilinear"
)


class Network(nn.Module):
    """A feature map and a classifier, as SqueezeNet has them."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(4 * (SIDE - 2) ** 2, 5))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))


def anchors(count: int = 6) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randint(256, (3, SIDE, SIDE), generator=generator).byte() for _ in range(count))


def module(keeping: bool = False) -> LoraModule:
    """An adapted network in training, with or without anchors."""
    torch.manual_seed(0)
    network = attach(Network(), LoraConfig(rank=2))
    stream = AnchorStream([anchors()], 3, AnchorViews(PREPROCESSING, lambda image: image), per_anchor=1)  # type: ignore[arg-type]
    teacher = AnchorTeacher(stream, old_outputs=5) if keeping else None
    return LoraModule(network, 10, OptimizerConfig(lr=1e-2), RetentionConfig(), teacher)


def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        "images": torch.randn(4, 3, SIDE, SIDE, generator=generator),
        "labels": torch.tensor([0, 1, 2, 1]),
    }


@pytest.fixture(autouse=True)
def without_a_trainer() -> Iterator[None]:
    with patch.object(LoraModule, "global_step", 3), patch.object(LoraModule, "log"):
        yield


def test_anchors_with_less_confident_predictions_come_more_often() -> None:
    trained = module(keeping=True)
    teacher = trained.teacher
    assert teacher is not None
    with lever_code.hard_anchors():
        teacher.prepare(trained.network)
        names = Counter(name for step in range(400) for name, _ in teacher.stream.drawn(step))
    drawn = [names[name] for name in teacher.stream.identities]
    with torch.no_grad():
        first, second = trained.network(teacher.stream.plain(6)[1]).topk(2).values.unbind(1)
    hard = set((first - second).argsort()[:3].tolist())
    easy = set(range(6)) - hard
    assert sum(drawn[index] for index in hard) == pytest.approx(
        3 * sum(drawn[index] for index in easy), rel=0.1
    )


def test_the_feature_loss_is_zero_until_the_features_change() -> None:
    trained = module(keeping=True)
    plain = trained.training_step(batch(), 0)
    with lever_code.layer_features(3.0):
        torch.testing.assert_close(trained.training_step(batch(), 0), plain)
        with torch.no_grad():
            trained.network.features[0].adapters["default"].lora_B.fill_(0.5)
        moved = trained.training_step(batch(), 0)
    assert moved > trained.training_step(batch(), 0) + 0.01


def test_a_frozen_a_leaves_b_to_be_trained() -> None:
    network = attach(Network(), LoraConfig(rank=2))
    with lever_code.frozen_a():
        setup.start_from_data(network, "default", [], None, torch.device("cpu"), Notices())
    trained = {name.rpartition(".")[2]: one.requires_grad for name, one in network.named_parameters()}
    assert not trained["lora_A"] and trained["lora_B"]


def test_images_with_a_plain_background_get_a_copy_with_another_one(tmp_path: Path) -> None:
    images = tmp_path / "task" / "train" / "fish"
    images.mkdir(parents=True)
    plain = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(plain).rectangle((20, 20, 43, 43), "red")
    plain.save(images / "plain.png")
    busy = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(busy).save(images / "busy.png")
    task = Task("t", "t", tmp_path / "task", "keep", "none", tmp_path, tmp_path)
    made = lever_code.with_backgrounds(task, tmp_path / "made").root / "train" / "fish"
    assert {path.name for path in made.iterdir()} == {"plain.png", "busy.png", "plain-before.png"}
    before = np.asarray(Image.open(made / "plain-before.png"))
    assert (before[20:44, 20:44] == (255, 0, 0)).all()
    assert (before[:20] != 255).any()


def test_a_lever_is_a_known_name_or_made_of_settings() -> None:
    assert levers.lever("rsLoRA").settings == ("lora.rslora=true",)
    made = levers.lever("rank 16: lora.rank=16 lora.alpha=16")
    assert (made.name, made.settings) == ("rank 16", ("lora.rank=16", "lora.alpha=16"))
    with pytest.raises(VisionLoraError, match="there is no lever 'lora'; give one of base"):
        levers.lever("lora")


def test_the_table_has_the_mean_over_seeds() -> None:
    def run(seed: int, learned: float, kept: float) -> dict:
        curve = [{"strength": s, "learned": learned, "kept": kept} for s in (0.6, 0.8, 1.0)]
        figures = {"learned": learned, "kept": kept, "frozen": {"kept": 0.6}, "curve": curve, "seconds": 10.0}
        return {"task": "t", "lever": "base", "seed": seed, **figures}

    rows = levers.table([run(0, 0.5, 0.6), run(1, 0.7, 0.5), {**run(2, 1, 1), "task": "another"}], "t")
    assert rows == [["base", "0, 1", "0.600 / 0.600 / 0.600", "0.050 / 0.050 / 0.050", "0.600, 0.050", "10"]]


def test_a_finished_run_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = [{"strength": s, "learned": 0.5, "kept": 0.5} for s in (0.6, 0.8, 1.0)]
    figures = {"learned": 0.5, "kept": 0.5, "frozen": {"kept": 0.6}, "curve": curve, "seconds": 10.0}
    made: list[str] = []

    def run_lever(task: str, chosen: levers.Lever, *others: object) -> dict:
        made.append(chosen.name)
        return figures

    monkeypatch.setattr(levers, "run_lever", run_lever)
    monkeypatch.setattr(levers, "make_tasks", lambda *_: {"t": "task"})
    given = ["base", "rsLoRA", "--task", "t", "--records", str(tmp_path / "records.jsonl")]
    assert levers.main(given) == levers.main([*given, "--results", str(tmp_path / "RESULTS.md")]) == 0
    assert made == ["base", "rsLoRA"]
    assert "| rsLoRA | 0 | 0.500 / 0.500 / 0.500 |" in (tmp_path / "RESULTS.md").read_text()
    with pytest.raises(SystemExit):
        levers.main(["--task", "nothing", "--records", str(tmp_path / "records.jsonl")])
    assert "there is no task 'nothing'; give one of t" in capsys.readouterr().err
