"""torchvision's classification networks, and the metadata of their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from visionlora.data.images.preprocessing import MOST_PIXELS, Preprocessing
from visionlora.errors import VisionLoraError

LAST_CALLED = "visionlora_last_called"
"""An attribute of a network made by somebody's function: the name of the layer that computes its logits."""
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


def constructor_options(name: str, state: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """What ``torchvision.models.get_model`` is given besides the number of outputs.

    Args:
        name: of the network.
        state: its weights; None: torchvision's default ones. A vision transformer's image size is theirs.
    """
    options = dict(_OPTIONS.get(name, {}))
    size = None if state is None else _image_size(state)
    if name.startswith("vit_") and size is not None:
        options["image_size"] = size
    return options


def _image_size(state: Mapping[str, Tensor]) -> int | None:
    """The side of the images that a vision transformer's position embeddings fit; None: it has none."""
    positions, patches = state.get("encoder.pos_embedding"), state.get("conv_proj.weight")
    if positions is None or patches is None or positions.dim() != 3 or patches.dim() != 4:
        return None
    side = math.isqrt(max(0, positions.shape[1] - 1)) * patches.shape[-1]
    return side if 0 < side <= MOST_PIXELS else None


def build(
    name: str, outputs: int = 1000, *, seed: int = 0, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """A network in eval mode with random weights from ``seed``; the global random state does not change.

    Args:
        name: of the network.
        outputs: how many it has.
        seed: of the weights.
        options: of its constructor; None: those of torchvision's default weights.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return _make(name, outputs, True, options)


def build_empty(name: str, outputs: int = 1000, options: Mapping[str, Any] | None = None) -> nn.Module:
    """A network in eval mode with its weights on the meta device, to be filled from a checkpoint."""
    with EmptyOnMeta():
        return _make(name, outputs, False, options)


@torch.no_grad()
def note_last_called(model: nn.Module, side: int) -> None:
    """Find the layer that computes the logits by running a network on an image; `final_layer` returns it.

    The last layer that a class defines may be one that its forward pass never calls. Nothing is noted where
    the network does not run, or reads its head's weight without calling the layer.

    Args:
        model: in eval mode; it may be on the meta device.
        side: of the image, in pixels.
    """
    called: list[tuple[str, int]] = []
    hooks = [
        layer.register_forward_hook(
            lambda *_, name=name, layer=layer: called.append((name, layer.weight.shape[0]))
        )
        for name, layer in model.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d))
    ]
    tensor = next(model.parameters(), None)
    try:
        image = torch.zeros(1, 3, side, side)
        logits = model(image if tensor is None else image.to(tensor))
    except Exception:
        return
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(logits, torch.Tensor) and logits.dim() == 2:
        found = [name for name, rows in called if rows == logits.shape[1]]
        if found:
            setattr(model, LAST_CALLED, found[-1])


def final_layer(model: nn.Module, outputs: int) -> str:
    """The name of the layer that computes the logits.

    Raises:
        VisionLoraError: the network's last linear or convolutional layer has another number of outputs.
    """
    own = getattr(model, "pretrained_cfg", None)  # timm says which one it is
    named = getattr(model, LAST_CALLED, None) or (own.get("classifier") if isinstance(own, dict) else None)
    layers = [
        (name, module) for name, module in model.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))
    ]
    layers = [one for one in layers if one[0] == named] or layers
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


def _make(name: str, outputs: int, init_weights: bool, given: Mapping[str, Any] | None) -> nn.Module:
    options = dict(constructor_options(name) if given is None else given)
    if "aux_logits" in options:
        # Passed explicitly, because torchvision warns when it is missing.
        options["init_weights"] = init_weights
    return models.get_model(name, weights=None, num_classes=outputs, **options).eval()


class EmptyOnMeta(TorchFunctionMode):
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
