"""The last layer, made to fit the classes that are to be learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import torch
from torch import Tensor, nn

from visionlora.errors import VisionLoraError
from visionlora.models.classes import UnknownClass, find_class
from visionlora.models.registry import final_layer

Layer: TypeAlias = nn.Linear | nn.Conv2d

KINDS = ("auto", "keep", "extend", "new")


class Headed(Protocol):
    """What a head is put on: a network and the names of its outputs."""

    model: nn.Module
    categories: tuple[str, ...]
    wnids: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """What the outputs of a network mean.

    Attributes:
        kind: "keep", "extend" or "new".
        layer: name of the module that computes the logits.
        outputs: the name of each output.
        targets: the output of each class, in the order of the classes.
    """

    kind: str
    layer: str
    outputs: tuple[str, ...]
    targets: tuple[int, ...]

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the modules that are trained whole, so not to be adapted: for ``LoraConfig.exclude``
        (escaped) and ``save_adapter(modules_to_save=...)``."""
        return {"keep": (), "extend": (f"{self.layer}.new",), "new": (self.layer,)}[self.kind]


class ExtendedHead(nn.Module):
    """The old last layer with more outputs beside it.

    The two parts are layers of their own, so that the old one can be frozen and adapted like any other while
    the new one is trained whole. Input: what the old layer takes. Output: the old logits, then the new ones,
    along dimension 1.
    """

    def __init__(self, old: nn.Module, new: nn.Module) -> None:
        super().__init__()
        self.old = old
        self.new = new

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.old(features), self.new(features)], dim=1)

    def plain(self) -> Layer:
        """One layer that computes the same; the old part must be plain (merged or never adapted)."""
        old, new = cast(nn.Linear, self.old), cast(nn.Linear, self.new)
        layer = _like(old, old.weight.shape[0] + new.weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.cat([old.weight, new.weight]))
            if layer.bias is not None:
                layer.bias.copy_(torch.cat([old.bias, new.bias]))
        return layer


def apply_head(backbone: Headed, kind: str, class_names: Sequence[str]) -> Head:
    """Fit the network's last layer to the classes; ``backbone.model`` is changed in place where needed.

    - ``keep``: the network knows every class already; nothing is changed.
    - ``extend``: classes that the network does not know get new outputs after the old ones.
    - ``new``: a fresh last layer with one output a class; the old outputs are gone.
    - ``auto``: ``keep`` where every class is known, otherwise ``new``, also for a folder that mixes known and
      unknown classes: whoever wants the old classes besides says ``extend``. A single unknown class gets
      ``extend``, because alone it would have nothing to be told apart from.

    Args:
        backbone: the network with its categories and WordNet ids.
        kind: one of the four.
        class_names: the classes, all different.

    Raises:
        VisionLoraError: another kind; no classes; ``new`` with a single one; a class that ``keep`` does not
            know (with suggestions); a name that means several of the network's classes; two classes that mean
            the same output.
    """
    if kind not in KINDS:
        raise VisionLoraError(f"head '{kind}' is none of {', '.join(KINDS)}")
    if not class_names:
        raise VisionLoraError("head: there are no classes; give at least one class name")
    layer = final_layer(backbone.model, len(backbone.categories))
    if kind == "new":
        return _new(backbone, layer, class_names)
    found, unknown = _look_up(backbone, class_names)
    if kind == "auto" and len(class_names) > 1 and unknown:
        return _new(backbone, layer, class_names)
    if kind == "extend" or (kind == "auto" and unknown):
        return _extend(backbone, layer, found, class_names)
    if unknown:
        first = next(iter(unknown.values()))
        more = f" (and {len(unknown) - 1} more: {', '.join(list(unknown)[1:4])})" if len(unknown) > 1 else ""
        raise VisionLoraError(
            f"head keep: {first}{more}; or use model.head=extend or model.head=new"
        ) from first
    return Head("keep", layer, backbone.categories, tuple(found.values()))


def head_parameters(model: nn.Module, head: Head) -> list[nn.Parameter]:
    """The parameters of the head that are trained whole; none under ``keep``."""
    return [parameter for name in head.trained for parameter in model.get_submodule(name).parameters()]


def plain_head(model: nn.Module) -> nn.Module:
    """Turn an extended head back into one plain layer, in place; call it after ``merge``."""
    for name, module in list(model.named_modules()):
        if isinstance(module, ExtendedHead):
            model.set_submodule(name, module.plain())
    return model


def _look_up(backbone: Headed, class_names: Sequence[str]) -> tuple[dict[str, int], dict[str, UnknownClass]]:
    found: dict[str, int] = {}
    unknown: dict[str, UnknownClass] = {}
    for name in class_names:
        try:
            output = find_class(name, backbone.categories, backbone.wnids)
        except UnknownClass as error:
            unknown[name] = error
            continue
        for other, taken in found.items():
            if taken == output:
                both = f"'{other}' and '{name}' both mean '{backbone.categories[output]}'"
                raise VisionLoraError(f"classes {both} to the network; put their images into one class")
        found[name] = output
    return found, unknown


def _extend(backbone: Headed, layer: str, found: dict[str, int], class_names: Sequence[str]) -> Head:
    unknown = [name for name in class_names if name not in found]
    count = len(backbone.categories)
    targets = found | {name: count + place for place, name in enumerate(unknown)}
    if unknown:
        old = cast(Layer, backbone.model.get_submodule(layer))
        backbone.model.set_submodule(layer, ExtendedHead(old, _added_rows(old, len(unknown))))
    kind = "extend" if unknown else "keep"
    return Head(kind, layer, (*backbone.categories, *unknown), tuple(targets[name] for name in class_names))


def _new(backbone: Headed, layer: str, class_names: Sequence[str]) -> Head:
    if len(class_names) == 1:
        raise VisionLoraError(
            f"head new: '{class_names[0]}' alone has nothing to be told apart from; use model.head=extend, "
            "or give a second class"
        )
    old = cast(Layer, backbone.model.get_submodule(layer))
    backbone.model.set_submodule(layer, _fresh_rows(old, len(class_names)))
    return Head("new", layer, tuple(class_names), tuple(range(len(class_names))))


def _added_rows(old: Layer, outputs: int) -> Layer:
    """Rows for classes beside the old ones, that do not win before they have learned to.

    A linear row starts as the mean of the old rows, so its logit is the mean of the old logits whatever the
    image. Rows need no noise to part company: each one's gradient comes from its own class.
    """
    new = _fresh_rows(old, outputs)
    if isinstance(old, nn.Linear):
        with torch.no_grad():
            new.weight.copy_(old.weight.mean(0, keepdim=True).expand_as(new.weight))
            if new.bias is not None:
                new.bias.copy_(old.bias.mean().expand_as(new.bias))
    return new


def _fresh_rows(old: Layer, outputs: int) -> Layer:
    """Rows of zeros: every class is as probable as any other, and no random direction has to be unlearned.

    A convolutional head (SqueezeNet's) is followed by a ReLU, through which a row learns only where it is
    above zero: the bias lifts it there. Measured with ImageNet weights and 12 classes of 3 to 4 drawings, the
    head alone, 10 steps of AdamW: 12 of 12 unseen drawings right; 10 with random rows (standard deviation
    0.01, no bias); 7 with the mean of the old rows, of which the ReLU passes 2 %.
    """
    new = _like(old, outputs)
    with torch.no_grad():
        new.weight.zero_()
        if new.bias is not None:
            new.bias.fill_(0.1 if isinstance(old, nn.Conv2d) else 0.0)
    return new


def _like(layer: Layer, outputs: int) -> Layer:
    """A layer of the same kind, place and type with another number of outputs and nothing in it yet."""
    place: dict = {"bias": layer.bias is not None, "device": layer.weight.device, "dtype": layer.weight.dtype}
    new: Layer
    if isinstance(layer, nn.Conv2d):
        sizes = (layer.in_channels, outputs, layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        new = nn.utils.skip_init(nn.Conv2d, *sizes, padding_mode=layer.padding_mode, **place)
    else:
        new = nn.utils.skip_init(nn.Linear, layer.in_features, outputs, **place)
    return new.train(layer.training)
