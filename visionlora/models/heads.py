"""Heads: the last layer, adapted to the classes of the data."""

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


class Classifier(Protocol):
    """A network and the names of its outputs: what :func:`apply_head` needs of a ``Backbone``."""

    model: nn.Module
    categories: tuple[str, ...]
    wnids: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """The meaning of a network's outputs.

    Attributes:
        kind: "keep", "extend" or "new".
        layer: name of the module that computes the logits.
        outputs: the name of each output.
        targets: the output index of each class, in the order of the classes.
    """

    kind: str
    layer: str
    outputs: tuple[str, ...]
    targets: tuple[int, ...]

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the modules that are trained fully, without an adapter: for ``LoraConfig.exclude``
        (escaped) and ``save_adapter(modules_to_save=...)``."""
        return {"keep": (), "extend": (f"{self.layer}.new",), "new": (self.layer,)}[self.kind]

    def wnids(self, old: Sequence[str]) -> tuple[str, ...]:
        """The WordNet id of each output, "" for new classes; ``old`` are those of the frozen network's."""
        kept = () if self.kind == "new" else tuple(old)
        return (*kept, *[""] * (len(self.outputs) - len(kept)))


class ExtendedHead(nn.Module):
    """The old last layer and a new layer for more outputs.

    The two are separate modules: the old one can be frozen and adapted like any other layer while the new one
    is trained fully. The input is the old layer's. The output holds the old logits, then the new ones, along
    dimension 1.
    """

    def __init__(self, old: nn.Module, new: nn.Module) -> None:
        super().__init__()
        self.old = old
        self.new = new

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.old(features), self.new(features)], dim=1)

    def plain(self) -> Layer:
        """One layer that computes the same now, adapters of the old layer included."""
        return _joined(cast(nn.Linear, self.old), cast(nn.Linear, self.new))


class NoReLU(nn.Identity):
    """Stands behind the head in place of a ReLU, where outputs have to be below 0 (several labels)."""


def apply_head(backbone: Classifier, kind: str, class_names: Sequence[str], several: bool = False) -> Head:
    """Adapt the network's last layer to the classes; changes ``backbone.model`` in place where needed.

    - ``keep``: the network has an output for every class; nothing changes.
    - ``extend``: classes without an output get new outputs after the old ones.
    - ``new``: a new last layer with one output per class; the old outputs are removed.
    - ``auto``: ``keep`` if every class has an output, otherwise ``new``, also where only some classes have
      one; to keep the old classes as well, choose ``extend``. A single class without an output gets
      ``extend``, because a head with one output cannot separate anything.

    Args:
        backbone: the network with its categories and WordNet ids.
        kind: one of the four.
        class_names: the classes, all different.
        several: whether an image may have several of them. Then the head is new, also of one class, and no
            ReLU is behind it: an output below 0 says that a label is not there.

    Raises:
        VisionLoraError: an unknown kind; no classes; ``new`` with a single class; ``keep`` with a class that
            has no output (the message suggests similar names); a name that matches several of the network's
            classes; two classes that match the same output.
    """
    if kind not in KINDS:
        raise VisionLoraError(f"head '{kind}' does not exist; use one of {', '.join(KINDS)}")
    if not class_names:
        raise VisionLoraError("head: no classes; give at least one class name")
    layer = final_layer(backbone.model, len(backbone.categories))
    if several:
        _remove_relu(backbone.model, layer)
        return _new_outputs(backbone, layer, class_names)
    if kind == "new":
        return _new(backbone, layer, class_names)
    found, unknown = _match_classes(backbone, class_names)
    if kind == "auto" and len(class_names) > 1 and unknown:
        return _new(backbone, layer, class_names)
    if kind == "extend" or (kind == "auto" and unknown):
        return _extend(backbone, layer, found, class_names)
    if unknown:
        first = next(iter(unknown.values()))
        more = f" (and {len(unknown) - 1} more: {', '.join(list(unknown)[1:4])})" if len(unknown) > 1 else ""
        raise VisionLoraError(f"head keep: {first}{more}; use model.head=extend or model.head=new") from first
    return Head("keep", layer, backbone.categories, tuple(found.values()))


def require_below_zero(model: nn.Module, head: Head, size: int) -> None:
    """Check that a new head's outputs can be below 0, as those of labels have to.

    Raises:
        VisionLoraError: what follows the head does not let them.
    """
    layer = cast(Layer, model.get_submodule(head.layer))
    if layer.bias is None:
        return
    device, kept = layer.weight.device, layer.bias.detach().clone()
    with torch.no_grad():
        layer.bias.fill_(-1.0)
        low = float(model(torch.zeros(1, 3, size, size, device=device)).max())
        layer.bias.copy_(kept)
    if low >= 0:
        raise VisionLoraError(
            "model.name: this network's outputs cannot be below 0, so it cannot say that a label is not "
            "there; use another network for task=multi_label"
        )


def head_parameters(model: nn.Module, head: Head) -> list[nn.Parameter]:
    """The head's fully trained parameters; none for ``keep``."""
    return [parameter for name in head.trained for parameter in model.get_submodule(name).parameters()]


def whole_head(model: nn.Module, head: Head) -> Layer:
    """A plain layer that computes all logits as the model's does now, adapters included; the model stays."""
    module = model.get_submodule(head.layer)
    return module.plain() if isinstance(module, ExtendedHead) else _joined(cast(nn.Linear, module))


def plain_head(model: nn.Module) -> nn.Module:
    """Replace an extended head by one plain layer, in place; call it after ``merge``."""
    for name, module in list(model.named_modules()):
        if isinstance(module, ExtendedHead):
            model.set_submodule(name, module.plain())
    return model


def _match_classes(
    backbone: Classifier, class_names: Sequence[str]
) -> tuple[dict[str, int], dict[str, UnknownClass]]:
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
                category = backbone.categories[output]
                raise VisionLoraError(
                    f"classes '{other}' and '{name}' both match the network's class '{category}'; put their "
                    "images into one class"
                )
        found[name] = output
    return found, unknown


def _extend(backbone: Classifier, layer: str, found: dict[str, int], class_names: Sequence[str]) -> Head:
    unknown = [name for name in class_names if name not in found]
    count = len(backbone.categories)
    targets = found | {name: count + index for index, name in enumerate(unknown)}
    if unknown:
        old = cast(Layer, backbone.model.get_submodule(layer))
        backbone.model.set_submodule(layer, ExtendedHead(old, _new_rows(old, len(unknown))))
    kind = "extend" if unknown else "keep"
    return Head(kind, layer, (*backbone.categories, *unknown), tuple(targets[name] for name in class_names))


def _new(backbone: Classifier, layer: str, class_names: Sequence[str]) -> Head:
    if len(class_names) == 1:
        raise VisionLoraError(
            f"head new: a head with the single class '{class_names[0]}' cannot separate anything; use "
            "model.head=extend, or add a second class"
        )
    return _new_outputs(backbone, layer, class_names)


def _new_outputs(backbone: Classifier, layer: str, class_names: Sequence[str]) -> Head:
    old = cast(Layer, backbone.model.get_submodule(layer))
    backbone.model.set_submodule(layer, _zero_rows(old, len(class_names)))
    return Head("new", layer, tuple(class_names), tuple(range(len(class_names))))


def _remove_relu(model: nn.Module, layer: str) -> None:
    """Replace the ReLU right behind the last layer (SqueezeNet's), in place."""
    parent, _, name = layer.rpartition(".")
    siblings = model.get_submodule(parent)
    names = [key for key, _ in siblings.named_children()]
    after = names[names.index(name) + 1 :][:1] if isinstance(siblings, nn.Sequential) else []
    if after and isinstance(siblings.get_submodule(after[0]), nn.ReLU):
        siblings.set_submodule(after[0], NoReLU())


def relu_is_removed(model: nn.Module) -> bool:
    """Whether :func:`apply_head` replaced the ReLU behind the head: torchvision's network has it."""
    return any(isinstance(module, NoReLU) for module in model.modules())


def _new_rows(old: Layer, outputs: int) -> Layer:
    """Rows for new classes beside the old ones, initialised so that they do not win before training.

    A linear row starts as the mean of the old rows: its logit is the mean of the old logits for any image.
    The rows need no noise to become different: each has the gradient of its own class.
    """
    new = _zero_rows(old, outputs)
    if isinstance(old, nn.Linear):
        with torch.no_grad():
            new.weight.copy_(old.weight.mean(0, keepdim=True).expand_as(new.weight))
            if new.bias is not None:
                new.bias.copy_(old.bias.mean().expand_as(new.bias))
    return new


def _zero_rows(old: Layer, outputs: int) -> Layer:
    """Rows of zeros: all classes start equally probable, and there is no random direction to unlearn.

    A convolutional head (SqueezeNet's) is followed by a ReLU, which passes a gradient only above zero: hence
    the positive bias. Measured with ImageNet weights and 12 classes of 3 to 4 drawings, training the head
    alone for 10 AdamW steps: 12 of 12 unseen drawings correct; 10 with random rows (standard deviation 0.01,
    no bias); 7 with the mean of the old rows, of which the ReLU passes 2 %.
    """
    new = like(old, outputs)
    with torch.no_grad():
        new.weight.zero_()
        if new.bias is not None:
            new.bias.fill_(0.1 if isinstance(old, nn.Conv2d) else 0.0)
    return new


def _joined(*layers: Layer) -> Layer:
    """One layer with the rows of all of them; an adapted layer's are the adapted ones."""
    layer = like(layers[0], sum(len(one.weight) for one in layers))
    with torch.no_grad():
        layer.weight.copy_(torch.cat([one.weight for one in layers]))
        if layer.bias is not None:
            layer.bias.copy_(torch.cat([cast(Tensor, one.bias) for one in layers]))
    return layer


def like(layer: Layer, outputs: int) -> Layer:
    """An uninitialised layer of the same kind, device and dtype with another number of outputs."""
    factory: dict = {
        "bias": layer.bias is not None,
        "device": layer.weight.device,
        "dtype": layer.weight.dtype,
    }
    new: Layer
    if isinstance(layer, nn.Conv2d):
        sizes = (layer.in_channels, outputs, layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        new = nn.utils.skip_init(nn.Conv2d, *sizes, padding_mode=layer.padding_mode, **factory)
    else:
        new = nn.utils.skip_init(nn.Linear, layer.in_features, outputs, **factory)
    return new.train(layer.training)
