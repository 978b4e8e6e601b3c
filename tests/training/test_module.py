"""The LightningModule: what is trained and what stays frozen."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import lightning
import pytest
import torch
from torch import Tensor, nn

from tests.conftest import PREPROCESSING
from visionlora.adapters import LoraConfig, adapted_layers, adapter_parameters, adapter_state, attach
from visionlora.data import (
    AugmentConfig,
    ImageDataset,
    ImageLoader,
    make_loader,
    scan,
    scan_images,
    shuffled_loader,
    training_transform,
)
from visionlora.errors import VisionLoraError
from visionlora.optimizers.config import OptimizerConfig
from visionlora.retention.anchor_views import AnchorViews
from visionlora.retention.config import RetentionConfig
from visionlora.retention.stream import AnchorStream
from visionlora.retention.teacher import AnchorTeacher
from visionlora.training.module import LoraModule, StepOptions

TARGETS = {"red": 0, "blue": 1}


def loaders(root: Path) -> tuple[ImageLoader, ImageLoader]:
    folder = scan(root)
    transform = training_transform(AugmentConfig(), PREPROCESSING)
    train = ImageDataset(folder.train, PREPROCESSING, targets=TARGETS, transform=transform, seed=1)
    val = ImageDataset(folder.val, PREPROCESSING, targets=TARGETS)
    return shuffled_loader(train, 4, 1), make_loader(val, 4)


def module_of(
    network: nn.Module,
    root: Path,
    steps: int,
    *,
    dropout: bool = False,
    lr: float = 1e-2,
    adapters: LoraConfig | None = None,
) -> LoraModule:
    attach(network, adapters or LoraConfig(rank=2), generator=torch.Generator().manual_seed(3))
    transform = training_transform(AugmentConfig(), PREPROCESSING)
    stream = AnchorStream(
        [scan_images([root.parent / "others"])], 3, AnchorViews(PREPROCESSING, transform), per_anchor=2
    )
    teacher = AnchorTeacher(stream, 4)
    step_options = StepOptions(dropout=dropout)
    return LoraModule(
        network, steps, OptimizerConfig(lr=lr), RetentionConfig(), teacher, step_options=step_options
    )


def trainer(folder: Path, steps: int, **options: object) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, val_check_interval=2, check_val_every_n_epoch=None,
        num_sanity_val_steps=0, logger=False, default_root_dir=folder, enable_progress_bar=False,
        enable_model_summary=False, **options,  # type: ignore[arg-type]
    )  # fmt: skip


def base_tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items() if "lora_" not in name}


@pytest.mark.parametrize("dropout", [False, True])
def test_training_moves_the_adapters_and_nothing_else(
    network: nn.Module, images: Path, tmp_path: Path, dropout: bool
) -> None:
    module = module_of(network, images, 6, dropout=dropout)
    base, adapters = base_tensors(network), {k: v.clone() for k, v in adapter_state(network).items()}
    trainer(tmp_path, 6).fit(module, *loaders(images))
    for name, value in base_tensors(network).items():
        assert torch.equal(value, base[name]), name
    for name, value in adapter_state(network).items():
        assert not torch.equal(value, adapters[name]), name


def test_validation_measures_agreement_and_divergence_on_anchors(
    network: nn.Module, images: Path, tmp_path: Path
) -> None:
    fit = trainer(tmp_path, 2)
    fit.fit(module_of(network, images, 2, lr=1e-9), *loaders(images))
    assert fit.callback_metrics["val/agreement"] == 1
    assert fit.callback_metrics["val/estimated_lost"] == 0
    assert fit.callback_metrics["val/distillation"] < 1e-5


@pytest.mark.parametrize("of", ["adapter", "network"])
def test_dropout_acts_in_every_training_step_and_in_no_validation(
    network: nn.Module, images: Path, tmp_path: Path, of: str
) -> None:
    module = module_of(network, images, 4, dropout=of == "network")
    for layer in adapted_layers(network).values():
        for adapter in layer.active_adapters():
            adapter.settings = replace(adapter.settings, dropout=0.5 if of == "adapter" else 0.0)
    watched = [network[9]] if of == "network" else list(adapted_layers(network).values())
    seen: dict[bool, set[bool]] = {True: set(), False: set()}
    fit = trainer(tmp_path, 4)
    for layer in watched:
        layer.register_forward_hook(lambda layer, *_: seen[fit.training].add(layer.training))
    fit.fit(module, *loaders(images))
    # While it trains, the frozen network is asked about anchors too.
    assert True in seen[True]
    assert seen[False] == {False}


def test_only_adapters_enter_training_mode(network: nn.Module, images: Path) -> None:
    module_of(network, images, 2).train()
    training = {name for name, part in network.named_modules() if part.training and ".adapters" not in name}
    assert training == set(adapted_layers(network))


def test_the_networks_own_dropout_follows_the_setting(network: nn.Module, images: Path) -> None:
    module = module_of(network, images, 2, dropout=True).train()
    assert network[9].training
    assert not module.eval().network[9].training  # type: ignore[index]
    assert not network[1].training


def test_a_loss_that_is_not_finite_ends_with_advice(network: nn.Module, images: Path, tmp_path: Path) -> None:
    module = module_of(network, images, 8)
    next(adapter_parameters(network)).data.fill_(float("nan"))
    with pytest.raises(VisionLoraError, match=r"lower optimizer\.lr"):
        trainer(tmp_path, 8).fit(module, *loaders(images))


def test_the_frozen_networks_logits_of_each_view_are_computed_once(network: nn.Module, images: Path) -> None:
    module = module_of(network, images, 8)
    asked: list[int] = []
    network[0].register_forward_hook(lambda layer, x, y: asked.append(len(x[0])))
    assert module.teacher is not None
    for step in range(8):
        module.teacher.batch(network, step)
    assert sum(asked) == 6 * 2


def test_the_learning_rate_rises_then_falls_to_zero(network: nn.Module, images: Path) -> None:
    module = module_of(network, images, 20)
    setup = module.configure_optimizers()
    schedule = setup["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(20):
        rates.append(setup["optimizer"].param_groups[0]["lr"])
        setup["optimizer"].step()
        schedule.step()
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(1e-2)
    assert schedule.get_last_lr()[0] == pytest.approx(0, abs=1e-12)


def test_adapters_train_at_a_multiple_of_the_rate_of_a_new_head(network: nn.Module, images: Path) -> None:
    module = module_of(network, images, 20)
    network[10].bias.requires_grad_(True)
    module.optimizer_options = replace(module.optimizer_options, adapter_factor=3.0)
    adapters, head = module.configure_optimizers()["optimizer"].param_groups
    assert adapters["initial_lr"] == pytest.approx(3 * head["initial_lr"])
    assert {id(one) for one in adapters["params"]} == {id(one) for one in adapter_parameters(network)}
    assert [id(one) for one in head["params"]] == [id(network[10].bias)]


def test_b_trains_at_a_multiple_of_the_rate_of_a(network: nn.Module, images: Path) -> None:
    module = module_of(network, images, 20)
    module.optimizer_options = replace(module.optimizer_options, b_factor=4.0)
    slow, fast = module.configure_optimizers()["optimizer"].param_groups
    assert fast["initial_lr"] == pytest.approx(4 * slow["initial_lr"])
    names = {id(value): name[-1] for name, value in network.named_parameters()}
    assert [{names[id(one)] for one in group["params"]} for group in (slow, fast)] == [{"A"}, {"B"}]


def test_negatives_are_never_taught_a_trained_class(network: nn.Module, images: Path) -> None:
    attach(network, LoraConfig(rank=1))
    others = scan_images([images.parent / "others"])
    transform = training_transform(AugmentConfig(), PREPROCESSING)
    stream = AnchorStream([others], 6, AnchorViews(PREPROCESSING, transform), per_anchor=1)
    believed = AnchorTeacher(stream, 4, targets=(2,)).batch(network, 0).logits.softmax(1)
    batch = AnchorTeacher(stream, 4, anchors=3, targets=(2,)).batch(network, 0)
    corrected = batch.logits.softmax(1)
    known = torch.tensor([stream.identities.index(image) >= 3 for image, _ in stream.drawn(0)])
    assert known.any()
    assert not known.all()
    torch.testing.assert_close(corrected[~known], believed[~known])
    assert float(corrected[known, 2].max()) < 1e-8
    assert torch.equal(batch.kept(), ~known[:, None] | (torch.arange(4) != 2))
    rest = [0, 1, 3]
    expected = believed[known][:, rest] / believed[known][:, rest].sum(1, keepdim=True)
    torch.testing.assert_close(corrected[known][:, rest], expected)


def objective(network: nn.Module, root: Path, right: int, changed: int, sure: float) -> float:
    """``val/objective`` where of ten validation images so many are right, and of 32 anchors, whose frozen
    answers have a certainty of ``sure``, so many get another answer."""
    module = module_of(network, root, 1)
    labels = torch.zeros(10, dtype=torch.int64)
    said = torch.tensor([0] * right + [1] * (10 - right))
    module._validation.append((torch.eye(4)[said] * 9, labels, torch.arange(10)))
    frozen = torch.eye(4)[torch.zeros(32, dtype=torch.int64)] * sure
    student = torch.eye(4)[torch.tensor([1] * changed + [0] * (32 - changed))] * sure
    module.teacher = SimpleNamespace(compare=lambda suffix: (student, frozen))  # type: ignore[assignment]
    logged: dict[str, float] = {}
    module.log_dict = lambda figures, **_: logged.update(figures)  # type: ignore[assignment,method-assign]
    module.on_validation_epoch_end()
    return float(logged["val/objective"])


def test_the_objective_prefers_what_has_learned_within_the_budget_to_what_has_not_learned(
    network: nn.Module, images: Path
) -> None:
    """One changed anchor of 32 is no sign of more than 0.01; distillation starts at zero and is not asked."""
    values = [objective(copy.deepcopy(network), images, *case) for case in ((9, 1, 9.0), (5, 0, 9.0))]
    assert values[0] < values[1]


def test_the_objective_counts_what_is_forgotten_beyond_the_budget(network: nn.Module, images: Path) -> None:
    few, many = (objective(copy.deepcopy(network), images, 9, changed, 9.0) for changed in (1, 16))
    assert many > few + 0.4
