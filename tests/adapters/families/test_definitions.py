"""Every family computes what its paper says, whatever the shape of the weight."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.adapters.families.naive import NAIVE
from tests.adapters.networks import WEIGHT_FAMILIES
from visionlora.adapters import FAMILIES, Adapter, AdapterSettings
from visionlora.adapters.base import scaling_of
from visionlora.kernels.convolution import LAST

OPTIONS: dict[str, list[dict]] = {
    "lokr": [{}, {"factor": 2}, {"decompose_both": True}, {"factor": 3, "decompose_both": True}],
    "oft": [{}, {"side": "output"}, {"blocks": 2}],
    "boft": [{}, {"factors": 1}, {"factors": 3}, {"factors": 4}, {"factors": 3, "side": "output"}],
    "ia3": [{}, {"side": "input"}],
    "vera": [{}, {"seed": 3, "d_initial": 0.5}],
}


def adapter_of(family: str, shape: tuple[int, ...], base: Tensor, **fields) -> Adapter:
    adapter_settings = AdapterSettings(family, **fields)
    adapter = FAMILIES[family](shape, adapter_settings, torch.float64, torch.Generator().manual_seed(0))
    adapter.start(base)
    return adapter.double()


@st.composite
def cases(draw, family: str) -> tuple[Adapter, Tensor]:
    """An adapter with random parameters and a weight for it, in double precision."""
    kernel = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    shape = (draw(st.integers(1, 16)), draw(st.integers(1, 16 if len(kernel) < 2 else 4)), *kernel)
    options = draw(st.sampled_from(OPTIONS.get(family, [{}])))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    base = torch.randn(shape, dtype=torch.float64, generator=generator)
    base = base.to(memory_format=LAST[base.ndim]) if base.ndim in LAST and draw(st.booleans()) else base
    rank, alpha, rslora = draw(st.integers(1, 8)), draw(st.floats(0.5, 9)), draw(st.booleans())
    adapter = adapter_of(family, shape, base, rank=rank, alpha=alpha, rslora=rslora, options=options)
    torch.testing.assert_close(adapter.weight(base), base)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    return adapter, base


@pytest.mark.parametrize("family", WEIGHT_FAMILIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_weight_is_that_of_the_paper(family: str, data: st.DataObject) -> None:
    adapter, base = data.draw(cases(family))
    tensors = {**dict(adapter.named_parameters()), **dict(adapter.named_buffers())}
    values = {name: tensor.detach() for name, tensor in tensors.items()}
    expected = NAIVE[family](base, values, scaling_of(adapter.settings), adapter.settings.options)
    torch.testing.assert_close(adapter.weight(base).detach(), expected, rtol=1e-8, atol=1e-8)
    adapter.strength = 0.3
    torch.testing.assert_close(adapter.update(base), 0.3 * (expected - base), rtol=1e-8, atol=1e-8)
    low_rank = adapter.low_rank()
    if low_rank is not None:
        A, B, scaling = low_rank
        update = scaling * (B.flatten(1) @ A.flatten(1)).view(base.shape)
        torch.testing.assert_close(update, 0.3 * (expected - base), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("family", [one for one in WEIGHT_FAMILIES if one != "dora"])
def test_gradients_are_those_of_the_definition(family: str, last: bool) -> None:
    """Not DoRA's: its norm counts as a constant, so its gradient is not that of its value."""
    torch.manual_seed(0)
    base = torch.randn(4, 4, 3, 2, dtype=torch.float64)
    base = base.to(memory_format=torch.channels_last) if last else base
    adapter = adapter_of(family, (4, 4, 3, 2), base, rank=2)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_()
    parameters = tuple(adapter.parameters())
    assert torch.autograd.gradcheck(lambda *_: adapter.weight(base), parameters)
