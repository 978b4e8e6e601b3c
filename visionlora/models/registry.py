"""torchvision's classification networks, and the metadata of their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from visionlora.data.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError

# These two train with auxiliary classifiers and normalise their input differently. torchvision loads their
# published weights with the auxiliary classifiers off and the conversion on; the networks built here match.
_WITHOUT_AUX = {"aux_logits": False, "transform_input": True}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "googlenet": _WITHOUT_AUX,
    "inception_v3": _WITHOUT_AUX,
    "vit_h_14": {"image_size": 518},  # the size that its default weights' position embeddings fit
}


def list_backbones() -> list[str]:
    """Names of all classification networks in torchvision's registry, in alphabetical order."""
    return sorted(models.list_models(module=models))


def check_name(name: str, others: Sequence[str] = ()) -> None:
    """Check that a network of this name exists.

    Raises:
        VisionLoraError: ``name`` is neither a torchvision network nor one of ``others``.
    """
    known = [*others, *list_backbones()]
    if name in known:
        return
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    hint = (
        f"did you mean {' or '.join(f'model={one}' for one in close)}?"
        if close
        else "visionlora.models.list_backbones() names them all"
    )
    raise VisionLoraError(f"model {name!r} is not a classification network of torchvision; {hint}")


def default_weights(name: str) -> Any:
    """torchvision's default weights of a network, a member of its weights enumeration."""
    return models.get_model_weights(name).DEFAULT


def imagenet_categories(name: str) -> tuple[str, ...]:
    """The name of each output of a network's default weights."""
    return tuple(default_weights(name).meta["categories"])


def default_preprocessing(name: str) -> Preprocessing:
    """The preprocessing of a network's default weights."""
    transforms = default_weights(name).transforms()
    return Preprocessing(
        resize=transforms.resize_size[0],
        crop=transforms.crop_size[0],
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        interpolation=transforms.interpolation.value,
    )


def build(name: str, outputs: int = 1000, *, seed: int = 0) -> nn.Module:
    """A network in eval mode with random weights from ``seed``; the global random state does not change."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return _make(name, outputs, init_weights=True)


def build_empty(name: str, outputs: int = 1000) -> nn.Module:
    """A network in eval mode with its weights on the meta device, to be filled from a checkpoint."""
    with _EmptyOnMeta():
        return _make(name, outputs, init_weights=False)


def final_layer(model: nn.Module, outputs: int) -> str:
    """The name of the layer that computes the logits.

    Raises:
        VisionLoraError: the network's last linear or convolutional layer has another number of outputs.
    """
    layers = [
        (name, module) for name, module in model.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))
    ]
    if layers:
        name, layer = layers[-1]
        if layer.weight.shape[0] == outputs:
            return name
    what = (
        f"its last layer '{layers[-1][0]}' does not have {outputs} outputs"
        if layers
        else "it has no such layer"
    )
    raise VisionLoraError(f"no final layer found in {type(model).__name__}: {what}")


def _make(name: str, outputs: int, init_weights: bool) -> nn.Module:
    options = dict(_OPTIONS.get(name, {}))
    if "aux_logits" in options:
        # Passed explicitly, because torchvision warns when it is missing.
        options["init_weights"] = init_weights
    return models.get_model(name, weights=None, num_classes=outputs, **options).eval()


class _EmptyOnMeta(TorchFunctionMode):
    """``torch.empty`` makes meta tensors, so that no time is spent on random weights.

    The device context ``torch.device("meta")`` would also change ``torch.arange``, whose values some
    constructors (RegNet) read.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)
