"""Where a new head starts: as the best linear classifier of what the frozen network computes below it.

A head of zeros first drives the adapters with gradients of a classifier that knows nothing yet, and what they
learn from few images then is noise. A head that is already a good classifier leaves them what is worth
changing (Kumar et al. 2022, linear probing, then fine-tuning, https://arxiv.org/abs/2202.10054).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visionlora.models.heads import Head, Layer, relu_is_removed

PRIORS = (0.05, 1.0, 10.0)
"""Weights of the penalty, in images: with N images, ``prior / (2 N)`` times the squared weights is added to
the mean loss. The first is taken unless held-out images are for another one."""
SHARES = tuple(10 ** (-step / 8) for step in range(17))
"""Lengths at which the regressions are compared, as shares of the first one's."""
LEAST_HELD_OUT = 10
"""Held-out images that a standard error can be told from."""
ITERATIONS = 100
SAMPLE = 32
"""Images whose every position is looked at, where a ReLU follows the head."""


Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits (N, outputs) and their labels: a scalar, convex in the logits."""
Batches = Iterable[Mapping[str, Tensor]]
"""Each ``images`` (B, 3, height, width) and ``labels`` (B, ...)."""


@dataclass(frozen=True)
class HeadStart:
    """What a new head starts as.

    Attributes:
        logits: what it says about the views of the training images, (N, outputs).
        labels: theirs, (N, ...).
        prior: the weight of the penalty, in images.
    """

    logits: Tensor
    labels: Tensor
    prior: float


@torch.no_grad()
def start_head(
    network: nn.Module, head: Head, batches: Batches, images: int, loss: Loss, held_out: Batches | None = None
) -> HeadStart:
    """Give a new head the weights of a logistic regression on the head's inputs; the rest stays as it is.

    Args:
        network: with adapters that do not change anything yet; its mode is restored.
        head: of the kind "new".
        batches: of training images; an image may come several times, in augmented views.
        images: how many different ones there are.
        loss: of the regression.
        held_out: batches of other images, at least ``LEAST_HELD_OUT``, which choose the penalty; None: it is
            the first of ``PRIORS``.
    """
    layer = cast(Layer, network.get_submodule(head.layer))
    inputs, labels, sample = _inputs(network, layer, batches)
    held = None if held_out is None else _inputs(network, layer, held_out)[:2]
    with torch.autocast(inputs.device.type, enabled=False):  # the network alone may be cast
        fit = partial(logistic_regression, inputs, labels, len(head.outputs), loss=loss)
        weight, bias = fit(penalty=PRIORS[0] / images)
        prior = PRIORS[0]
        if held is not None:
            others = [_as_long(fit(penalty=one / images), weight) for one in PRIORS[1:]]
            fits = [(weight, bias), *others]
            chosen = _choose(fits, loss, *held)
            (weight, bias), prior = fits[chosen], PRIORS[chosen]
        if isinstance(layer, nn.Conv2d) and not relu_is_removed(network):
            bias = bias + _shift(sample, weight, bias)
        logits = inputs @ weight.T + bias
    layer.weight.copy_(weight.view_as(layer.weight))
    if layer.bias is not None:
        layer.bias.copy_(bias)
    return HeadStart(logits, labels, prior)


def _as_long(fit: tuple[Tensor, Tensor], weight: Tensor) -> tuple[Tensor, Tensor]:
    """A regression as sure as one with these weights is: from an unsure head, training changes the features
    more than few images can tell."""
    scale = weight.norm() / fit[0].norm().clamp_min(1e-12)
    return fit[0] * scale, fit[1] * scale


def _choose(fits: Sequence[tuple[Tensor, Tensor]], loss: Loss, inputs: Tensor, labels: Tensor) -> int:
    """Which of several regressions is the best on held-out images: the first, unless another one's loss is
    smaller by more than two standard errors.

    They are compared each at its best length: the penalty turns the weights, and that is what is chosen.
    """
    losses = torch.stack([_least_losses(inputs @ weight.T + bias, labels, loss) for weight, bias in fits])
    gains = losses[:1] - losses
    means, errors = gains.mean(1), gains.std(1) / math.sqrt(len(labels))
    return int(means.where(means > 2 * errors, 0.0).argmax())


def _least_losses(logits: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """The loss of each image (N,), at the length of the logits that makes their mean least."""
    share = min(SHARES, key=lambda share: float(loss(share * logits, labels)))
    return torch.stack([loss(share * logits[[one]], labels[[one]]) for one in range(len(labels))])


@torch.enable_grad()
def logistic_regression(
    inputs: Tensor, labels: Tensor, classes: int, penalty: float, loss: Loss
) -> tuple[Tensor, Tensor]:
    """Logistic regression by L-BFGS: the problem is convex, so its start does not matter.

    Minimises the loss plus ``penalty / 2`` times the squared weights, of inputs that are
    centred and have a mean squared length of 1.

    Args:
        inputs: (N, features).
        labels: (N, ...).
        classes: how many.
        penalty: above 0.
        loss: of the logits and the labels.

    Returns:
        The weights (classes, features) and the biases (classes,) for the inputs as they are given.
    """
    mean = inputs.mean(0)
    length = (inputs - mean).square().sum(1).mean().sqrt().clamp_min(1e-12)
    scaled = (inputs - mean) / length
    weight = inputs.new_zeros(classes, inputs.shape[1], requires_grad=True)
    bias = inputs.new_zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(scaled @ weight.T + bias, labels) + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(closure)
    weight = weight.detach() / length
    return weight, bias.detach() - weight @ mean


def _inputs(network: nn.Module, layer: Layer, batches: Batches) -> tuple[Tensor, Tensor, Tensor]:
    """What the layer computes from, means over all positions (N, features), and labels (N,); and the same of
    some images at every position (rows, features)."""
    captured: list[Tensor] = []
    sample: list[Tensor] = []
    means, labels = [], []
    device = layer.weight.device
    handle = layer.register_forward_pre_hook(lambda module, given: captured.append(given[0].float()))
    was_training = network.training
    network.eval()
    try:
        for batch in batches:
            captured.clear()
            network(batch["images"].to(device))
            features = _positions(layer, captured[-1])
            means.append(features.mean(2))
            labels.append(batch["labels"].to(device))
            if sum(len(one) for one in sample) < SAMPLE:
                sample.append(features)
    finally:
        handle.remove()
        network.train(was_training)
    return torch.cat(means), torch.cat(labels), torch.cat(sample).transpose(1, 2).flatten(0, 1)


def _positions(layer: Layer, inputs: Tensor) -> Tensor:
    """What each position of the layer's output is computed from, (N, features, positions)."""
    if inputs.dim() == 2:
        return inputs[..., None]
    if isinstance(layer, nn.Linear):
        return inputs.flatten(1, -2).transpose(1, 2)
    if {*layer.kernel_size, *layer.stride} == {1} and not any(layer._reversed_padding_repeated_twice):
        return inputs.flatten(2)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs, layer._reversed_padding_repeated_twice, mode)
    return F.unfold(padded, layer.kernel_size, layer.dilation, stride=layer.stride)


def _shift(positions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A constant for every bias, which leaves the probabilities as they are: nearly all positions are then
    above zero, where the ReLU behind a convolutional head (SqueezeNet's) passes values and gradients."""
    values = (positions @ weight.T + bias).flatten()
    return -values.kthvalue(1 + len(values) // 100).values
