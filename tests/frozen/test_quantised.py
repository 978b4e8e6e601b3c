"""A quantised base: the bytes, what a network computes with it, and what is kept for the backward pass."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.adapters.networks import WEIGHT_FAMILIES, perturb, small_network
from visionlora.adapters import (
    FAMILIES,
    LoraConfig,
    adapter_parameters,
    adapters_off,
    attach,
    detach,
    fingerprint,
    merge,
    merged,
)
from visionlora.adapters.replaced_tensors import replace_tensors
from visionlora.frozen import nf4
from visionlora.frozen.folding import folded
from visionlora.frozen.freeze import freeze
from visionlora.frozen.packed import SCHEMES, PackedWeight
from visionlora.frozen.quantised import (
    dequantise,
    norm_scales,
    pack,
    packed_weights,
    quantise,
    relative_error,
    stored_bytes,
)

LAYERS = {
    "linear": (nn.Linear(50, 41), (2, 50)),
    "linear on a sequence": (nn.Linear(50, 41, bias=False), (2, 3, 50)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 6, 6)),
    "depthwise": (nn.Conv2d(4, 4, 3, groups=4, padding=1), (1, 4, 6, 6)),
    "circular": (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), (1, 4, 6, 6)),
    "1d": (nn.Conv1d(4, 5, 3, padding="same"), (1, 4, 6)),
    "3d": (nn.Conv3d(2, 4, 3), (1, 2, 6, 6, 6)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, groups=2), (1, 4, 6, 6)),
}


TARGETS = {"bias": "linear", "conv_adapter": "conv", "cross_group": "conv", "visual_prompt": "^0"}


def images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def calibrated(norm: bool = True) -> nn.Sequential:
    """A small network whose batch norm has learned something."""
    torch.manual_seed(1)
    network = small_network(norm)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.running_var, 0.2, 3)
    return network


@given(count=st.integers(1, 1500), zeros=st.integers(0, 700), seed=st.integers(0, 99))
def test_nf4_is_the_nearest_of_its_values_in_every_block(count, zeros, seed):
    numbers = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    numbers[:zeros] = 0
    codes, scales = nf4.quantise(numbers)
    made = nf4.dequantise(codes, scales, count, torch.float32)
    values = torch.tensor(nf4.VALUES)
    for block in range(-(-count // 64)):
        part = slice(64 * block, 64 * block + 64)
        nearest = (numbers[part, None] - values * scales[block]).abs().amin(1)
        assert torch.allclose((numbers[part] - made[part]).abs(), nearest, atol=1e-6)


@settings(deadline=None, max_examples=25)  # importing it takes seconds
@given(count=st.integers(1, 5000), seed=st.integers(0, 99))
def test_bitsandbytes_gives_the_same_bits(count, seed):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    from visionlora.models.bitsandbytes_codec import CODEC

    numbers = torch.randn(count, generator=torch.Generator().manual_seed(seed)) * 0.02
    ours, theirs = nf4.quantise(numbers), CODEC.quantise(numbers)
    assert all(map(torch.equal, ours, theirs))
    for dtype in (torch.float32, torch.bfloat16):
        made = [one.dequantise(*ours, count, dtype) for one in (nf4.PYTORCH, CODEC)]
        assert torch.equal(*made)


def test_numbers_are_quantised_a_few_at_a_time(monkeypatch):
    numbers = images(3 * 256 + 65)
    whole, seen = nf4.quantise(numbers), []
    monkeypatch.setattr(nf4, "AT_ONCE", 256)

    def of_piece(piece):
        seen.append(len(piece))
        return whole[0][: -(-len(piece) // 2)], whole[1][: -(-len(piece) // 64)]

    assert all(map(torch.equal, nf4.quantise(numbers), whole))
    nf4.in_pieces(of_piece, numbers)
    assert seen == [256, 256, 256, 65]


class LargestTensor(TorchDispatchMode):
    """The bytes of the largest tensor that an operation makes."""

    nbytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        given, new = map(self._with_memory, (args, made))
        known = {one.untyped_storage().data_ptr() for one in given}
        sizes = [
            one.untyped_storage().nbytes() for one in new if one.untyped_storage().data_ptr() not in known
        ]
        self.nbytes = max(self.nbytes, *sizes, 0)
        return made

    @staticmethod
    def _with_memory(values):
        return [
            one
            for one in tree_leaves(values)
            if isinstance(one, torch.Tensor) and not isinstance(one, PackedWeight)
        ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_quantising_makes_no_tensor_of_the_size_of_the_weight(scheme, monkeypatch):
    monkeypatch.setattr(nf4, "AT_ONCE", 2**14)
    monkeypatch.setattr("visionlora.frozen.packed.PIECE", 2**14)
    layer = nn.Linear(512, 512)
    weight = layer.weight.nbytes
    with LargestTensor() as largest:
        quantise(nn.Sequential(layer), scheme)
    assert largest.nbytes < weight


def test_the_types_tables_are_those_of_bitsandbytes():
    functional = pytest.importorskip("bitsandbytes.functional", reason="bitsandbytes is not installed")
    assert torch.equal(torch.tensor(nf4.dynamic_values()), functional.create_dynamic_map())
    assert torch.equal(torch.tensor(nf4.VALUES), functional.get_4bit_type("nf4", device="cpu"))


def test_scales_in_eight_bits_are_near_those_in_thirty_two():
    scales = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    stored = nf4.quantise_scales(scales)
    assert (stored.dense() - scales).abs().max() < 0.02
    assert torch.equal(stored.dense(256, 700), stored.dense()[256:700])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_quantised_layer_is_the_one_with_the_dequantised_weight(kind, scheme, dtype):
    layer, shape = LAYERS[kind]
    quantised = nn.Sequential(copy.deepcopy(layer)).requires_grad_(False)
    quantise(quantised, scheme)
    dense = copy.deepcopy(quantised)
    dequantise(dense)
    assert isinstance(quantised[0].weight, PackedWeight) and type(dense[0].weight) is nn.Parameter
    assert relative_error(layer.weight, quantised[0].weight) < {"nf4": 0.12, "int8": 0.01}[scheme]
    found = []
    for network in (quantised, dense):
        x = images(*shape).requires_grad_()
        kept = []
        with (
            torch.autocast("cpu", dtype, enabled=dtype != torch.float32),
            torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t) or t, lambda t: t),
        ):
            y = network(x)
        y.float().square().sum().backward()
        found += [y.float(), x.grad]
        sizes = [t.numel() for t in kept if not isinstance(t, PackedWeight)]
        assert network is dense or layer.weight.numel() not in sizes
    assert torch.allclose(found[0], found[2], rtol=0.02, atol=0.02 if dtype != torch.float32 else 1e-6)
    assert torch.allclose(found[1], found[3], rtol=0.02, atol=0.02 if dtype != torch.float32 else 1e-6)


def test_a_large_product_is_made_a_few_rows_at_a_time_and_is_the_same(monkeypatch):
    weight = pack(images(96, 200), "nf4")
    x, g = images(3, 200), images(3, 96)
    whole = x @ weight.dense().t(), g @ weight.dense()
    monkeypatch.setattr("visionlora.frozen.packed.PIECE", 4000)
    assert torch.allclose(weight.product(x), whole[0], atol=1e-4)
    assert torch.allclose(weight.product(g, transposed=True), whole[1], atol=1e-4)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("shape", [(24,), (3, 24), (2, 5, 24)])
def test_a_linear_layer_is_never_dense_in_inference_mode_either(shape, mixed, monkeypatch):
    layer = nn.Sequential(nn.Linear(24, 16))
    quantise(layer, "nf4")
    x, autocast = torch.randn(shape), torch.autocast("cpu", torch.bfloat16, enabled=mixed)
    with torch.no_grad(), autocast:
        expected = layer(x)
    monkeypatch.setattr(PackedWeight, "dense", lambda *arguments: pytest.fail("a dense weight"))
    with torch.inference_mode(), autocast:
        assert torch.equal(layer(x), expected)


@pytest.mark.parametrize(("family", "scheme"), [*((one, "nf4") for one in FAMILIES), ("lora", "int8")])
def test_every_family_runs_on_a_quantised_base_and_no_byte_of_it_changes(family, scheme):
    network = calibrated()
    freeze(network, ())
    quantise(network, scheme, skip=("0",), scales=norm_scales(network, images(1, 3, 8, 8)))
    dense = copy.deepcopy(network)
    dequantise(dense)
    x, options = images(2, 3, 8, 8), {"size": 8, "width": 2} if family == "visual_prompt" else {}
    targets = TARGETS.get(family, "all")
    config = LoraConfig(family=family, rank=2, targets=targets, options=options)
    base = {name: {k: p.clone() for k, p in w.parts.items()} for name, w in packed_weights(network).items()}
    plain = network(x)
    for one in (network, dense):
        attach(one, config, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    perturb(network)
    torch.manual_seed(3)
    perturb(dense)
    results = []
    for one in (network, dense):
        with folded(one, images(1, 3, 8, 8)):
            torch.manual_seed(0)
            y = one(x)
            y.square().sum().backward()
        results.append([y.detach(), *(p.grad for p in adapter_parameters(one) if p.grad is not None)])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))
    network.eval()
    with torch.no_grad():
        adapted = network(x)
        with merged(network):
            assert torch.allclose(network(x), adapted, rtol=1e-3, atol=1e-4)
        with adapters_off(network):
            assert torch.allclose(network(x), plain, atol=1e-5)
    detach(network)
    assert torch.equal(network(x), plain)
    now = packed_weights(network)
    assert now.keys() == base.keys()
    assert all(torch.equal(now[n].parts[k], part) for n, parts in base.items() for k, part in parts.items())


@pytest.mark.parametrize("family", WEIGHT_FAMILIES)
def test_no_dense_weight_is_kept_for_the_backward_pass(family):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 7, 3), nn.ReLU(), nn.Conv2d(7, 11, 3), nn.ReLU(), nn.Flatten(),
                            nn.Linear(11 * 16, 13)).requires_grad_(False)  # fmt: skip
    quantise(network, "nf4")
    attach(network, LoraConfig(family=family, rank=2, targets=["2", "5"]))
    trained = {id(one) for one in adapter_parameters(network)}
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        network(images(1, 3, 8, 8).requires_grad_())
    weights = {network[2].base_weight.numel(), network[5].base_weight.numel()}
    dense = [t for t in kept if t.numel() in weights and not isinstance(t, PackedWeight)]
    assert not [t for t in dense if id(t) not in trained]


def test_batch_norm_is_folded_before_the_weight_is_rounded():
    network = calibrated()
    freeze(network, ())
    scales = norm_scales(network, images(1, 3, 8, 8))
    weight = network[0].weight.detach()
    scale = scales[network[0]]
    quantise(network, "nf4", scales=scales)
    expected = pack(weight * scale, "nf4").dense()
    x = images(2, 3, 8, 8)
    plain = network(x)
    with folded(network, x):
        affine = network[0].fold.affine(network[0].weight, network[0].bias)
        assert torch.equal(affine.weight.dense(), expected)
        assert torch.allclose(network(x), plain, atol=1e-4)


def test_stored_bytes_are_those_of_four_bits_and_the_scales():
    network = nn.Sequential(nn.Linear(1024, 256, bias=False))
    quantise(network, "nf4")
    assert stored_bytes(network) == 1024 * 256 // 2 + 4096 + 4 * 16 + 4


def test_a_quantised_network_is_copied_saved_and_moved_without_becoming_dense():
    network = calibrated()
    quantise(network, "nf4")
    before = fingerprint(network)
    held = io.BytesIO()
    torch.save(network, held)
    held.seek(0)
    for other in (copy.deepcopy(network), torch.load(held, weights_only=False)):
        other.to(memory_format=torch.channels_last).to("cpu")
        assert isinstance(other[0].weight, PackedWeight)
        assert fingerprint(other) == before
    assert fingerprint(calibrated()) != before


def test_a_quantised_weight_is_not_changed_in_place():
    network = calibrated()
    quantise(network, "int8")
    with pytest.raises(RuntimeError, match="cannot be changed in place"):
        network[0].weight.data.zero_()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_quantised_network_takes_the_state_of_another_one_and_only_its_own_dense_values(scheme):
    first, second = calibrated(), calibrated()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.mul_(1.5)
    dense = first.state_dict()
    for network in (first, second):
        quantise(network, scheme)
    x = images(2, 3, 8, 8)
    assert not torch.equal(second(x), first(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(x), first(x))
    with pytest.raises(RuntimeError, match="cannot be changed in place"):
        second.load_state_dict(dense)
    own = {name: one.dense() for name, one in second.state_dict().items() if isinstance(one, PackedWeight)}
    assert own
    second.load_state_dict(own, strict=False)  # as DistributedDataParallel hands them round
    assert torch.equal(second(x), first(x))


def test_merging_gives_dense_weights():
    network = calibrated(norm=False)
    quantise(network, "nf4")
    x = images(2, 3, 8, 8)
    attach(network, LoraConfig(rank=2))
    perturb(network)
    adapted = network(x)
    merge(network)
    assert not packed_weights(network)
    assert torch.allclose(network(x), adapted, atol=1e-4)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="give nf4 or int8"):
        quantise(calibrated(), "int4")


def test_a_layer_that_was_saved_whole_is_loaded_onto_a_quantised_base() -> None:
    network, dense = small_network(norm=False), small_network(norm=False)
    x = torch.randn(2, 3, 8, 8)
    quantise(network, "int8")
    frozen = network(x)
    attach(network, LoraConfig(rank=2, targets=["0"]))
    weight = torch.randn_like(dense[2].weight)
    replace_tensors(network, {"2.weight": weight})
    assert torch.equal(network.get_parameter("2.weight"), weight)
    with adapters_off(network):
        assert torch.equal(network(x), frozen)
    assert torch.equal(detach(network)(x), frozen)
