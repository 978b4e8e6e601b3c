"""Frozen batch norm folded into the convolution before it changes the speed and nothing else."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from visionlora.adapters import (
    FrozenBatchNorm,
    LoraConfig,
    adapter_parameters,
    adapters_off,
    attach,
    detach,
    fingerprint,
    fold_batch_norm,
    folded,
    merge,
    merged,
    unfold_batch_norm,
)


class Block(nn.Module):
    """conv -> bn -> relu, depthwise conv -> bn, and a shortcut."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.deep, self.deep_bn = nn.Conv2d(6, 6, 5, padding=2, groups=6), nn.BatchNorm2d(6, affine=False)

    def forward(self, x):
        return x + self.deep_bn(self.deep(self.bn(self.conv(x)).relu_()))


def network(dtype=torch.float64):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), Block(), nn.AdaptiveAvgPool2d(1)
    )
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return net.to(dtype)


def adapted(**config):
    net = attach(network(), LoraConfig(rank=2, **config))
    for parameter in adapter_parameters(net):
        parameter.data.normal_(0, 0.3)
    return net


@pytest.fixture
def x():
    return torch.randn(2, 3, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def gradients(net, x):
    y = net(x)
    return y.detach(), torch.autograd.grad(y.square().sum(), list(adapter_parameters(net)))


def test_a_folded_network_has_the_same_outputs_and_gradients(x):
    net = adapted()
    before = gradients(net, x)
    assert fold_batch_norm(net, x) == ["1", "3.bn", "3.deep_bn"]
    torch.testing.assert_close(gradients(net, x), before)


def test_a_folded_batch_norm_costs_nothing(x, monkeypatch):
    net = adapted()
    fold_batch_norm(net, x)
    before = gradients(net, x)
    monkeypatch.setattr(nn.functional, "batch_norm", None)
    torch.testing.assert_close(gradients(net, x), before)


def test_parameters_names_and_fingerprint_stay_those_of_the_untouched_network(x):
    net = adapted()
    state, prints, kinds = copy.deepcopy(net.state_dict()), fingerprint(net), [type(m) for m in net.modules()]
    fold_batch_norm(net, x)
    net(x)
    assert fingerprint(net) == prints
    assert list(net.state_dict()) == list(state)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), state.values(), strict=True))
    unfold_batch_norm(net)
    assert [type(m) for m in net.modules()] == kinds


def test_it_is_unfolded_after_the_block_even_after_an_error(x):
    net = adapted()
    kinds = [type(m) for m in net.modules()]
    with pytest.raises(RuntimeError, match="inside"), folded(net, x) as names:
        assert len(names) == 3
        raise RuntimeError("inside")
    assert [type(m) for m in net.modules()] == kinds


@pytest.mark.parametrize("context", [adapters_off, merged])
def test_switched_off_and_merged_adapters_are_right_in_a_folded_network(context, x):
    net = adapted()
    with context(net):
        before = net(x)
    fold_batch_norm(net, x)
    with context(net):
        torch.testing.assert_close(net(x), before)


@pytest.mark.parametrize("finish", [merge, detach])
def test_merging_and_detaching_a_folded_network_leaves_a_plain_one(finish, x):
    net, other = adapted(), adapted()
    fold_batch_norm(net, x)
    net(x)
    finish(net), finish(other)
    assert [type(m) for m in net.modules()] == [type(m) for m in network().modules()]
    assert not any("fold" in name for module in net.modules() for name in vars(module))
    for ours, theirs in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_folded_network_can_be_copied_and_pickled(travel, x):
    net = adapted()
    fold_batch_norm(net, x)
    there = travel(net)
    assert torch.equal(there(x), net(x))
    before = net(x)
    there[1].running_mean.add_(1)
    assert not torch.allclose(there(x), before)
    assert torch.equal(net(x), before)


def test_weights_that_are_loaded_later_are_folded_again(x):
    net, other = adapted(), adapted()
    for tensor in other.state_dict().values():
        if tensor.is_floating_point():
            tensor.mul_(1.5)
    fold_batch_norm(net, x)
    net(x)
    net.load_state_dict(other.state_dict())
    torch.testing.assert_close(net(x), other(x))


def test_dropout_on_the_adapter_is_still_dropout(x):
    net = adapted(dropout=0.5).train()
    torch.manual_seed(3)
    before = net(x)
    fold_batch_norm(net, x)
    torch.manual_seed(3)
    torch.testing.assert_close(net(x), before)


def test_finding_the_pairs_leaves_the_random_numbers_alone(x):
    net = adapted(dropout=0.5).train()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    fold_batch_norm(net, x)
    assert torch.equal(torch.rand(3), expected)


def test_layers_without_an_adapter_are_folded_too(x):
    net = adapted(exclude="0")
    before = gradients(net, x)
    assert len(fold_batch_norm(net, x)) == 3
    torch.testing.assert_close(gradients(net, x), before)


def test_training_goes_on_after_inference_mode(x):
    net, other = adapted(exclude="3.deep"), adapted(exclude="3.deep")
    fold_batch_norm(net, x)
    with torch.inference_mode():
        net(x)
    torch.testing.assert_close(gradients(net, x), gradients(other, x))


class Between(nn.Module):
    """A convolution and a batch norm, and something that reads what is between them."""

    def __init__(self, reads):
        super().__init__()
        self.conv, self.bn, self.reads = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), reads

    def forward(self, x):
        y = self.conv(x)
        return self.reads(y, self.bn(y), self)


@pytest.mark.parametrize(
    "reads",
    [
        lambda y, z, net: y + z,
        lambda y, z, net: (y, z),
        lambda y, z, net: z + y[:, :1],
        lambda y, z, net: z + net.bn(z),
        lambda y, z, net: net.conv(z),
    ],
)
def test_a_pair_with_another_reader_or_another_call_stays_as_it_is(reads, x):
    net = attach(Between(reads).double(), LoraConfig(rank=2))
    assert fold_batch_norm(net, x) == []


def test_a_batch_norm_before_its_convolution_stays_as_it_is(x):
    net = attach(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)).double())
    assert fold_batch_norm(net, x) == []
    assert isinstance(net[0], FrozenBatchNorm)


class NormAndActivation(nn.BatchNorm2d):
    """Does more than normalize, as timm's BatchNormAct2d does."""

    def forward(self, x):
        return torch.relu(super().forward(x))


@pytest.mark.parametrize("how", ["forward of its own", "forward hook", "forward replaced"])
def test_a_batch_norm_that_does_more_than_normalize_stays_as_it_is(how, x):
    norm = NormAndActivation(4) if how == "forward of its own" else nn.BatchNorm2d(4)
    net = attach(nn.Sequential(nn.Conv2d(3, 4, 3), norm).double(), LoraConfig(rank=2))
    if how == "forward hook":
        net[1].register_forward_hook(lambda module, inputs, output: output.relu())
    if how == "forward replaced":
        plain = net[1].forward
        net[1].forward = lambda x: plain(x).relu()
    before = net(x)
    assert fold_batch_norm(net, x) == []
    assert torch.equal(net(x), before)


def test_a_batch_norm_or_bias_that_learns_stays_as_it_is(x):
    net = adapted()
    net[1].bias.requires_grad_()
    net[3].deep.bias.requires_grad_()
    assert fold_batch_norm(net, x) == ["3.bn"]
