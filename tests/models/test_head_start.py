"""A new head starts as a good classifier of what the frozen network computes."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from tests.models.conftest import Known
from visionlora.models import Head, apply_head
from visionlora.models.head_start import PRIORS, SHARES, logistic_regression, start_head

NAMES = ["x", "y", "z"]


def batches_of(known: Known, seed: int = 0) -> list[dict[str, Tensor]]:
    """Three classes of images, each around a mean of its own."""
    shape = (3, 8, 8) if isinstance(known.model[0], nn.Conv2d) else (3, 2, 2)
    centres = 2 * torch.randn(3, *shape, generator=torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(3).repeat(8)
    images = centres[labels] + 0.3 * torch.randn(24, *shape, generator=generator)
    return [
        {"images": images[:16], "labels": labels[:16]}, {"images": images[16:], "labels": labels[16:]},
    ]  # fmt: skip


def share_right(network: nn.Module, head: Head, batches: list[dict[str, Tensor]]) -> float:
    start = start_head(network, head, batches, images=24, loss=F.cross_entropy)
    return float((start.logits.argmax(1) == start.labels).float().mean())


@pytest.fixture(params=["linear", "convolutional"])
def known(request: pytest.FixtureRequest) -> Known:
    return request.getfixturevalue(f"{request.param}_network")


def test_a_started_head_is_right_on_images_that_it_was_not_started_with(known: Known) -> None:
    head = apply_head(known, "new", NAMES)
    assert share_right(known.model, head, batches_of(known)) == 1.0
    unseen = batches_of(known, seed=1)[0]
    with torch.no_grad():
        assert torch.equal(known.model(unseen["images"]).argmax(1), unseen["labels"])


def test_the_head_is_computed_in_single_precision_where_the_network_is_not(linear_network: Known) -> None:
    head = apply_head(linear_network, "new", NAMES)
    exact = copy.deepcopy(linear_network.model)
    start_head(exact, head, batches_of(linear_network), images=24, loss=F.cross_entropy)
    with torch.autocast("cpu", torch.bfloat16):
        assert share_right(linear_network.model, head, batches_of(linear_network)) == 1.0
    found, expected = linear_network.model[3].weight, exact[3].weight
    assert F.cosine_similarity(found.flatten(), expected.flatten(), 0) > 0.999


def test_nothing_but_the_head_changes(known: Known) -> None:
    head = apply_head(known, "new", NAMES)
    before = copy.deepcopy(known.model.state_dict())
    known.model.train()
    start_head(known.model, head, batches_of(known), images=24, loss=F.cross_entropy)
    changed = {
        name for name, value in known.model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {f"{head.layer}.weight", f"{head.layer}.bias"}
    assert known.model.training
    assert not known.model.get_submodule(head.layer)._forward_pre_hooks


class Tokens(nn.Sequential):
    """(N, channels, height, width) to (N, positions, channels)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.flatten(2).transpose(1, 2)).mean(1)


@pytest.mark.parametrize(
    "head",
    [
        nn.Conv2d(6, 3, 3, padding=1),
        nn.Conv2d(6, 3, (3, 1), stride=2, padding="valid", dilation=2),
        nn.Conv2d(6, 3, 3, padding="same", padding_mode="circular"),
        nn.Conv2d(6, 3, 1, stride=2, padding=1),
        nn.Linear(6, 3),
    ],
)
def test_a_head_of_larger_kernels_or_of_tokens_starts_as_the_regression_of_what_it_sees(
    head: nn.Linear | nn.Conv2d, convolutional_network: Known
) -> None:
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    last = Tokens(head) if isinstance(head, nn.Linear) else nn.Sequential(head, *pooled)
    network = nn.Sequential(*convolutional_network.model[:2], last).eval()
    batches = batches_of(convolutional_network)
    start = start_head(network, Head("new", "2.0", (*NAMES,), (0, 1, 2)), batches, 24, F.cross_entropy)
    said = torch.cat([network(batch["images"]) for batch in batches]).detach()
    said = said - said.mean(1, keepdim=True)  # a ReLU might follow, so a constant is added to all
    torch.testing.assert_close(said, start.logits - start.logits.mean(1, keepdim=True), rtol=1e-4, atol=1e-4)
    assert torch.equal(said.argmax(1), start.labels)


def test_a_relu_behind_the_head_passes_what_the_head_says(convolutional_network: Known) -> None:
    head = apply_head(convolutional_network, "new", NAMES)
    batches = batches_of(convolutional_network)
    start_head(convolutional_network.model, head, batches, images=24, loss=F.cross_entropy)
    below = nn.Sequential(*convolutional_network.model[:2], *convolutional_network.model[2][:2])
    with torch.no_grad():
        assert (below(batches[0]["images"]) > 0).float().mean() > 0.95


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 5), st.integers(1, 6), st.floats(1e-3, 1.0), st.floats(1e-3, 1e3), st.integers(0, 100))
def test_the_gradient_of_the_penalised_loss_vanishes(
    classes: int, features: int, penalty: float, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = (torch.randn(30, features, generator=generator, dtype=torch.float64) + 1) * scale
    labels = torch.arange(30) % classes
    weight, bias = (
        one.requires_grad_() for one in logistic_regression(inputs, labels, classes, penalty, F.cross_entropy)
    )
    length = (inputs - inputs.mean(0)).square().sum(1).mean().sqrt()
    loss = F.cross_entropy(inputs @ weight.T + bias, labels)
    (loss + penalty / 2 * (weight * length).square().sum()).backward()
    assert weight.grad is not None and bias.grad is not None
    assert weight.grad.abs().max() / length < 1e-3 and bias.grad.abs().max() < 1e-3


def test_a_single_image_of_each_class_is_enough() -> None:
    inputs = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    weight, bias = logistic_regression(inputs, torch.tensor([0, 1]), 2, 0.05, F.cross_entropy)
    assert (inputs @ weight.T + bias).argmax(1).tolist() == [0, 1]


def test_images_without_any_difference_give_equal_probabilities() -> None:
    weight, bias = logistic_regression(torch.ones(4, 3), torch.tensor([0, 1, 0, 1]), 2, 0.05, F.cross_entropy)
    assert torch.allclose((torch.ones(1, 3) @ weight.T + bias).softmax(1), torch.full((1, 2), 0.5), atol=1e-3)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 4), st.floats(0.05, 3.0), st.integers(0, 100))
def test_held_out_images_choose_the_penalty_and_not_how_sure_the_head_is(
    classes: int, noise: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, 20, generator=generator)

    def images(count: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(count) % classes
        return centres[labels] + noise * torch.randn(count, 20, generator=generator), labels

    (inputs, labels), (held, held_labels) = images(3 * classes), images(40)
    linear = nn.Linear(20, classes)
    network = nn.Sequential(nn.Flatten(), linear)
    head = Head("new", "1", tuple("abcd"[:classes]), tuple(range(classes)))
    batches, others = ([{"images": x, "labels": y}] for x, y in ((inputs, labels), (held, held_labels)))
    start = start_head(network, head, batches, len(inputs), F.cross_entropy, others)

    def losses(logits: Tensor) -> Tensor:
        each = [F.cross_entropy(share * logits, held_labels, reduction="none") for share in SHARES]
        return min(each, key=lambda one: float(one.mean()))

    weight, bias = logistic_regression(inputs, labels, classes, PRIORS[0] / len(inputs), F.cross_entropy)
    with torch.no_grad():
        gains = losses(held @ weight.T + bias) - losses(network(held))
    if start.prior == PRIORS[0]:
        assert gains.abs().max() < 1e-4
    else:
        assert gains.mean() > 1.9 * gains.std() / len(gains) ** 0.5
    assert float(linear.weight.detach().norm()) == pytest.approx(float(weight.norm()), rel=1e-3)


def test_held_out_images_choose_a_larger_penalty_where_features_are_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(312, 10, generator=generator), torch.arange(312) % 2
    inputs += 2 / 10**0.5 * labels[:, None]
    network, head = nn.Sequential(nn.Flatten(), nn.Linear(10, 2)), Head("new", "1", ("x", "y"), (0, 1))
    batches = [{"images": inputs[:12], "labels": labels[:12]}]
    held_out = [{"images": inputs[12:], "labels": labels[12:]}]
    assert start_head(network, head, batches, 12, F.cross_entropy, held_out).prior == PRIORS[-1]
    assert start_head(network, head, batches, 12, F.cross_entropy).prior == PRIORS[0]
