"""An adapter directory of a network that is wrapped, or that the adapter does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import AveragedModel

from tests.adapters.networks import perturb, small_network
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    activate,
    adapted_layers,
    adapter_parameters,
    attach,
    fingerprint,
    load_adapter,
    save_adapter,
    save_lycoris,
    scaled,
)
from visionlora.adapters.extraction import extract_difference
from visionlora.adapters.network import unwrapped


def base() -> nn.Sequential:
    """The same weights every time."""
    torch.manual_seed(0)
    return small_network()


X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "in parallel": nn.DataParallel,
    "averaged": AveragedModel,
    "both": lambda network: torch.compile(nn.DataParallel(network), backend="eager"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_network_is_saved_and_loaded_as_the_one_inside(wrapper: str, tmp_path: Path) -> None:
    wrap, network = WRAPPERS[wrapper], attach(base(), LoraConfig(rank=2))
    perturb(network)
    expected = network.eval()(X)
    save_adapter(wrap(network), tmp_path)
    plain = load_adapter(base(), tmp_path).eval()
    assert torch.equal(plain(X), expected)
    wrapped = wrap(base()).eval()
    assert load_adapter(wrapped, tmp_path) is wrapped
    assert torch.equal(unwrapped(wrapped)(X), expected)
    assert fingerprint(wrapped) == fingerprint(base())


@pytest.mark.parametrize("family", ["lora", "loha", "dora", "ia3", "conv_adapter"])
def test_a_strength_that_no_file_can_hold_is_not_saved(family: str, tmp_path: Path) -> None:
    network = attach(base(), LoraConfig(family=family, rank=2, targets="conv"))
    with scaled(network, 0), pytest.raises(LoraError, match="has the strength 0, and a file holds"):
        save_adapter(network, tmp_path)
    assert not any(tmp_path.iterdir())
    save_adapter(network, tmp_path)


@pytest.mark.parametrize(
    ("saved", "said"), [(None, "was trained on."), ("resnet18", "was trained on (base model: resnet18).")]
)
def test_the_network_that_an_adapter_needs_is_named_where_it_is_known(
    saved: str | None, said: str, tmp_path: Path
) -> None:
    save_adapter(attach(base(), LoraConfig(rank=2)), tmp_path, base_model=saved)
    with pytest.raises(LoraError) as error:
        load_adapter(nn.Sequential(nn.Conv2d(3, 8, 1)), tmp_path)
    assert str(error.value).endswith(said)


def with_weight_norm() -> nn.Module:
    network = base()
    parametrizations.weight_norm(network[0])
    return network


def not_initialised() -> nn.Module:
    network = base()
    network[0] = nn.LazyConv2d(8, 3)
    return network


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (with_weight_norm, "0: its weight is re-parametrised"),
        (not_initialised, "0: it is not initialised yet"),
        (lambda: base().to("meta"), "has no values yet: load the network's weights first"),
        (
            lambda: attach(base(), LoraConfig(rank=2, family="loha")),
            "0 has loha in the network, lora in the adapter",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    other: Callable[[], nn.Module], said: str, tmp_path: Path
) -> None:
    save_adapter(attach(base(), LoraConfig(rank=2)), tmp_path)
    network = other()
    kinds, layers = [type(module) for module in network.modules()], list(adapted_layers(network))
    with pytest.raises(LoraError, match=said):
        load_adapter(network, tmp_path)
    assert kinds == [type(module) for module in network.modules()]
    assert layers == list(adapted_layers(network))


class Wrapper(nn.Module):
    """A network inside of another module, such as a Lightning module."""

    def __init__(self) -> None:
        super().__init__()
        self.network = base()


def test_an_adapter_of_the_module_around_the_network_says_what_to_save(tmp_path: Path) -> None:
    save_adapter(attach(Wrapper(), LoraConfig(rank=2)), tmp_path)
    with pytest.raises(LoraError, match="a module that holds the network was saved: save only its 'network'"):
        load_adapter(base(), tmp_path)


def test_an_adapter_of_the_network_inside_says_where_to_load_it(tmp_path: Path) -> None:
    save_adapter(attach(base(), LoraConfig(rank=2)), tmp_path)
    with pytest.raises(LoraError, match="the network inside was saved: load into 'network' of this module"):
        load_adapter(Wrapper(), tmp_path)


@pytest.mark.parametrize("given", ["adapter/adapter_model.safetensors", "."])
def test_a_path_beside_the_adapter_directory_is_answered_with_it(given: str, tmp_path: Path) -> None:
    save_adapter(attach(base(), LoraConfig(rank=2)), tmp_path / "adapter")
    with pytest.raises(LoraError, match=f"give {re.escape(str(tmp_path / 'adapter'))}, which holds"):
        load_adapter(base(), tmp_path / given)


def test_a_layer_that_is_trained_and_not_saved_is_warned_of(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    network = attach(base(), LoraConfig(rank=2, targets="conv"))
    save_adapter(network, tmp_path / "frozen")
    name, layer = [(name, one) for name, one in network.named_modules() if isinstance(one, nn.Linear)][-1]
    layer.requires_grad_(True)
    save_adapter(network, tmp_path / "whole", modules_to_save=[name])
    assert [one for one in recwarn if issubclass(one.category, UserWarning)] == []
    with pytest.warns(UserWarning, match=rf"Trained, but not saved with the adapter: {name}\. Name what"):
        save_adapter(network, tmp_path / "left_out")


def test_the_arguments_the_wrong_way_round_are_named(tmp_path: Path) -> None:
    with pytest.raises(LoraError, match=r"model is .*: give a network, an instance of"):
        load_adapter(tmp_path, base())  # type: ignore[type-var]


def test_names_that_could_not_be_read_back_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    network = attach(base(), LoraConfig(rank=2), name="the first")
    attach(network, LoraConfig(rank=2), name="the second")
    activate(network, "the first", "the second")
    with pytest.raises(LoraError, match="and not 'the second': save each alone"):
        save_adapter(network, tmp_path / "both")
    assert not (tmp_path / "both").exists()
    for name in ("the first", "the second"):
        load_adapter(base(), save_adapter(network, tmp_path / name, name=name))
    with pytest.raises(LoraError, match="re-parametrised"):
        extract_difference(with_weight_norm(), with_weight_norm(), 2)


@pytest.mark.parametrize("save", [save_adapter, save_lycoris])
def test_an_adapter_that_diverged_does_not_replace_a_good_one(
    save: Callable[[nn.Module, Path], object], tmp_path: Path
) -> None:
    network = attach(base(), LoraConfig(rank=2))
    perturb(network)
    save(network, tmp_path / "adapter.safetensors")
    good = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert good
    next(iter(adapter_parameters(network))).data[0] = torch.nan
    with pytest.raises(LoraError, match=r"NaN or infinite, so .* is not written.*lower learning rate"):
        save(network, tmp_path / "adapter.safetensors")
    assert good == {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("side", ["output", "input"])
def test_an_ia3_adapter_of_ours_without_its_fingerprint_leaves_biases_as_they_are(
    side: str, tmp_path: Path
) -> None:
    options = {} if side == "output" else {"side": side}
    network = attach(base(), LoraConfig(family="ia3", options=options))
    perturb(network)
    expected = network.eval()(X)
    save_adapter(network, tmp_path)
    file = tmp_path / "adapter_config.json"
    config = json.loads(file.read_text())
    del config["auto_mapping"]["visionlora"]["fingerprint"]
    file.write_text(json.dumps(config))
    assert torch.equal(load_adapter(base(), tmp_path).eval()(X), expected)
