"""Networks that a user's own code makes: ``package.module:function``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from visionlora.adapters.errors import LoraError
from visionlora.adapters.network import unwrapped
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.models.metadata import WeightsMetadata
from visionlora.models.registry import LAST_CALLED, note_last_called
from visionlora.text import brief

DEFAULT_INPUT = Preprocessing(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")


def is_factory(name: str) -> bool:
    """Whether a network's name is that of a function which makes it."""
    return ":" in name


def make(name: str, seed: int = 0) -> nn.Module:
    """The network that the function returns, in eval mode on the CPU; the function runs.

    Args:
        name: ``package.module:function``; the working folder is looked into first.
        seed: of random weights.

    Raises:
        VisionLoraError: there is no such module or function, it fails, or it returns no network.
    """
    module_name, _, function_name = name.partition(":")
    with _working_folder_first():
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # whatever the user's module raises while it is imported
            raise VisionLoraError(
                f"model.factory: {brief(module_name)} cannot be imported ({type(error).__name__}: {error}); "
                "give package.module:function, seen from the working folder"
            ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise VisionLoraError(f"model.factory: {module_name} has no function {brief(function_name)}")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        try:
            network = function()
        except Exception as error:  # the user's function
            raise VisionLoraError(
                f"model.factory: {name}() fails: {type(error).__name__}: {error}; it is called with nothing"
            ) from error
    if not isinstance(network, nn.Module):
        raise VisionLoraError(f"model.factory: {name}() returns {brief(network)}; return a torch.nn.Module")
    try:
        network = unwrapped(network)
    except LoraError as error:
        raise VisionLoraError(f"model.factory: {name}(): {error}") from error
    lazy = [key for key, parameter in network.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise VisionLoraError(
            f"model.factory: {name}() returns a network whose {lazy[0]} has no shape yet; call it once on an "
            "image before it is returned"
        )
    network = (network if _is_empty(network) else network.cpu()).eval()
    note_last_called(network, _preprocessing(network, name).crop)
    return network


def require_values(network: nn.Module, name: str) -> None:
    """Check that a function gave its network weights.

    Raises:
        VisionLoraError: a tensor is on the meta device.
    """
    if _is_empty(network):
        raise VisionLoraError(
            f"model.factory: {name}() returns a network without weights (device meta); load them in it, or "
            "give model.weights=FILE"
        )


def _is_empty(network: nn.Module) -> bool:
    return any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))


def describe(network: nn.Module, name: str) -> WeightsMetadata:
    """What the network says of itself in its attributes ``categories``, ``wnids`` and ``preprocessing``.

    Where it says nothing: as many numbered classes as its last layer has outputs, and ImageNet's input.

    Raises:
        VisionLoraError: an attribute is not what it should be.
    """
    categories = _texts(network, "categories", name)
    if categories is None:
        named = getattr(network, LAST_CALLED, None)
        layers: list[Any] = [one for one in network.modules() if isinstance(one, (nn.Linear, nn.Conv2d))]
        layers += [network.get_submodule(named)] if named else []
        if not layers:
            raise VisionLoraError(
                f"model.factory: {name} has no linear layer or 2d convolution that would say how many "
                "classes it has; give it the attribute categories, a list of names"
            )
        count = layers[-1].weight.shape[0]
        categories = tuple(f"class {number}" for number in range(count))
    wnids = _texts(network, "wnids", name) or ("",) * len(categories)
    return WeightsMetadata(categories, wnids, _preprocessing(network, name))


def _preprocessing(network: nn.Module, name: str) -> Preprocessing:
    given: Any = getattr(network, "preprocessing", None)
    try:
        return DEFAULT_INPUT if given is None else Preprocessing.read(given)
    except ValueError as error:
        raise VisionLoraError(f"model.factory: preprocessing of {name}: {error}") from error


def _texts(network: nn.Module, attribute: str, name: str) -> tuple[str, ...] | None:
    value = getattr(network, attribute, None)
    if value is None:
        return None
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(map(_is_text, value)):
        raise VisionLoraError(f"model.factory: {attribute} of {name} is {brief(value)}; give a list of texts")
    return tuple(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


@contextmanager
def _working_folder_first() -> Any:
    """Console scripts do not have the working folder on the path; ``python -m`` does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
