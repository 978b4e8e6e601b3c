"""The files of a network with adapters of any family, merged or computed beside it, give its logits."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import perturb, small_network
from visionlora.adapters import FAMILIES, LoraConfig, adapted_layers, attach
from visionlora.exporting.onnx_file import open_onnx, save_onnx
from visionlora.models.plain import plain_network

BESIDE = ("conv_adapter", "cross_group", "visual_prompt")
SETTINGS = {
    "bias": {"targets": ["0", "4", "7"]},
    "conv_adapter": {"targets": "conv"},
    "cross_group": {"targets": "conv"},
    "visual_prompt": {"targets": "0", "options": {"size": 12, "width": 2}},
}
X = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))
BATCH = ({0: torch.export.Dim("batch")},)


@pytest.fixture(params=FAMILIES)
def logits(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    """A network as it is exported, and the logits of the adapted one."""
    torch.manual_seed(0)
    family = request.param
    network = attach(small_network(), LoraConfig(family=family, rank=2, **SETTINGS.get(family, {})))
    perturb(network)
    expected = network(X).detach()
    plain = plain_network(copy.deepcopy(network)).requires_grad_(False)
    assert bool(adapted_layers(plain)) == (family in BESIDE)
    return plain, expected


def test_a_program_and_torch_script_give_the_logits(logits: tuple[nn.Module, Tensor], tmp_path: Path) -> None:
    network, expected = logits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out
        torch.jit.trace(network, X).save(str(tmp_path / "network.ts"))
        script = torch.jit.load(str(tmp_path / "network.ts"))
    torch.export.save(torch.export.export(network, (X,), dynamic_shapes=BATCH), tmp_path / "network.pt2")
    program = torch.export.load(tmp_path / "network.pt2").module()
    for run in (script, program):
        torch.testing.assert_close(run(X), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(run(X[:2]), expected[:2], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_onnx_file_gives_the_logits(logits: tuple[nn.Module, Tensor], tmp_path: Path) -> None:
    network, expected = logits
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, (X,), dynamo=True, verbose=False, dynamic_shapes=BATCH, input_names=["images"]
        )
    assert program is not None
    save_onnx(program.model_proto, tmp_path / "network.onnx", {})
    run = open_onnx(tmp_path / "network.onnx")
    torch.testing.assert_close(run(X), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(run(X[:2]), expected[:2], rtol=1e-4, atol=1e-5)
