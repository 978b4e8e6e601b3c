"""Several trained adapters on one network: each is loaded once, under a name, and all act together.

What must agree: the network and its weights. New classes stand side by side; the row of a class that several
adapters learned is the mean of theirs, weighted. Adapters with a new head act together only where they have
the same classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.adapters import activate, adapter_names, load_adapter, named_adapters
from visionlora.adapters.merging import scalable
from visionlora.adapters.replaced_tensors import (
    forget_replaced,
    interpolated,
    replace_tensors,
    replaced,
    set_replaced,
)
from visionlora.errors import VisionLoraError
from visionlora.models import Backbone, Head, apply_head, final_layer, load_backbone
from visionlora.models.restore import (
    TrainedModel,
    adapter_directory,
    no_network_named,
    prepare_as_saved,
    read_about,
    require_no_code,
    restore,
    saved_head,
    unchanged_head,
)


@dataclass
class Loaded:
    """One adapter on the network.

    Attributes:
        directory: of the adapter.
        about: its own keys.
        names: of its parts on the network.
        head: the meaning of the outputs with it alone.
        rows: tensors of the modules of the head that were trained whole, by their names in the state dict.
        whole: what replaces other tensors of the network.
    """

    directory: Path
    about: dict[str, Any]
    names: tuple[str, ...] = ()
    head: Head | None = None
    rows: dict[str, Tensor] = field(default_factory=dict)
    whole: dict[str, Tensor] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Their names, with it alone."""
        return () if self.head is None else self.head.outputs

    @property
    def classes(self) -> tuple[str, ...]:
        """What it was trained on."""
        return tuple(self.about.get("classes", ()))


def restore_adapters(
    paths: Sequence[str],
    shares: Sequence[float] | None = None,
    strength: float = 1.0,
    model: str | None = None,
    weights: str | None = None,
) -> TrainedModel:
    """The network with these adapters active, each with its weight.

    Args:
        paths: run folders or adapter directories.
        shares: multiplies the update of each; None: 1 each.
        strength: multiplies all of them.
        model, weights: as `restore` has them.

    Raises:
        VisionLoraError: the adapters are not for one network, or their heads can't act together.
        visionlora.adapters.LoraError: one does not fit the network.
    """
    factors = [strength * one for one in (shares or [1.0] * len(paths))]
    if len(paths) == 1:
        trained = restore(paths[0], model, weights)
        for one in scalable(trained.network):
            one.strength *= factors[0]
        whole = {key: new for key, (_, new) in replaced(trained.network).items()}
        _set_whole(trained.network, [whole], factors)
        return trained
    backbone, loaded = load_all(paths, model, weights)
    head, classes = join_heads(backbone, loaded, shares or [1.0] * len(paths))
    network = backbone.model
    set_strengths(network, [one.names for one in loaded], factors)
    _set_whole(network, [one.whole for one in loaded], factors)
    activate(network, *(name for one in loaded for name in one.names))
    about = {"model": backbone.name, "weights": backbone.weights, "classes": list(classes), "head": head.kind}
    return TrainedModel(network.eval(), backbone, head, classes, about)


def load_all(
    paths: Sequence[str], model: str | None = None, weights: str | None = None, option: str = "weights"
) -> tuple[Backbone, list[Loaded]]:
    """Load each adapter under names of its own; the network's head and other tensors are the frozen ones.

    Args:
        paths: of runs or adapter directories.
        model, weights, option: as `load_backbone` takes them; None: as the adapters say.

    Raises:
        VisionLoraError, visionlora.adapters.LoraError: as `restore_adapters`.
    """
    loaded = [_about(path) for path in paths]
    name = _common(loaded, "model", model)
    if name is None:
        raise no_network_named(loaded[0].directory)
    if model is None:
        require_no_code(loaded[0].directory, name)
    backbone = load_backbone(name, _common(loaded, "weights", weights) or "imagenet", option=option)
    network, layer = backbone.model, final_layer(backbone.model, len(backbone.categories))
    last = network.get_submodule(layer)
    for place, one in enumerate(loaded):
        for key, what in (
            ("expand", "has new blocks"),
            ("quantise", "was trained on a quantised base"),
            ("task", "gives an image several labels (task=multi_label)"),
        ):
            if one.about.get(key):
                use = "it acts with no other adapter; use it alone"
                if len(loaded) == 1:
                    use = "no adapter can be made of it"
                raise VisionLoraError(f"adapter: {one.directory} {what}, so {use}")
        one.head = saved_head(backbone, one.directory, one.about)
        before = adapter_names(network)
        load_adapter(network, one.directory, name=f"adapter{place + 1}")
        one.names = tuple(name for name in adapter_names(network) if name not in before)
        state = network.state_dict()
        keys = [key for key in state if any(key.startswith(f"{part}.") for part in one.head.trained)]
        one.rows = {key: state[key].detach().clone() for key in keys}
        forget_replaced(network, one.head.trained)
        kept = dict(replaced(network))
        one.whole = {key: new for key, (_, new) in kept.items()}
        set_replaced(network, {key: frozen for key, (frozen, _) in kept.items()})
        forget_replaced(network)
        network.set_submodule(layer, last)
    saying = [one for one in loaded if "preprocessing" in one.about]
    if saying:
        _common(saying, "preprocessing", None)
        prepare_as_saved(backbone, saying[0].directory, saying[0].about)
    return backbone, loaded


def join_heads(
    backbone: Backbone, loaded: Sequence[Loaded], shares: Sequence[float]
) -> tuple[Head, tuple[str, ...]]:
    """Give the network the head that all adapters have together; its meaning, and the trained classes.

    Adapters with a share below 0 bring no classes.

    Raises:
        VisionLoraError: some have a new head, and not all have the same classes in the same order.
    """
    bringing = [(one, share) for one, share in zip(loaded, shares, strict=True) if share >= 0]
    bringing = bringing or list(zip(loaded, shares, strict=True))
    new = [one for one, _ in bringing if one.head is not None and one.head.kind == "new"]
    other = next((one for one, _ in bringing if new and one.outputs != new[0].outputs), None)
    if other is not None:
        raise VisionLoraError(
            f"adapter: {new[0].directory} has a new head of {len(new[0].classes)} classes, and "
            f"{other.directory} has other outputs; adapters with a new head act together only with the "
            "same classes"
        )
    classes = tuple(dict.fromkeys(name for one, _ in bringing for name in one.classes))
    if not classes:
        return unchanged_head(backbone), ()
    head = apply_head(backbone, "new" if new else "extend", classes)
    state = backbone.model.state_dict()
    first = 0 if new else len(backbone.categories)
    with torch.no_grad():
        for module in head.trained:
            for leaf in ("weight", "bias"):
                key = f"{module}.{leaf}"
                if key in state:
                    for row, name in enumerate(head.outputs[first:]):
                        state[key][row] = _row(name, key, first, bringing)
    return head, classes


def _row(name: str, key: str, first: int, bringing: Sequence[tuple[Loaded, float]]) -> Tensor:
    """A class's row: the weighted mean of those of the adapters that learned it."""
    found = [
        (share, one.rows[key][one.outputs[first:].index(name)])
        for one, share in bringing
        if name in one.outputs[first:]
    ]
    total = sum(share for share, _ in found)
    parts = [(share / total if total else 1 / len(found)) * row for share, row in found]
    return sum(parts[1:], parts[0])


def set_strengths(network: nn.Module, groups: Sequence[Sequence[str]], factors: Sequence[float]) -> None:
    """Multiply the strengths of the adapters of each group."""
    for names, factor in zip(groups, factors, strict=True):
        for name in names:
            for adapter in named_adapters(network, name).values():
                adapter.strength *= factor


def _set_whole(network: nn.Module, wholes: Sequence[Mapping[str, Tensor]], factors: Sequence[float]) -> None:
    """Put tensors that adapters replace between their frozen values and theirs."""
    keys = dict.fromkeys(key for whole in wholes for key in whole)
    if not keys or (len(wholes) == 1 and factors[0] == 1):
        return
    state, kept = network.state_dict(), replaced(network)
    frozen = {key: kept[key][0] if key in kept else state[key].detach().clone() for key in keys}
    replace_tensors(
        network,
        {
            key: interpolated(
                key,
                frozen[key],
                [(f, one[key]) for f, one in zip(factors, wholes, strict=True) if key in one],
            )
            for key in keys
        },
    )


def _about(path: str) -> Loaded:
    directory = adapter_directory(path)
    return Loaded(directory, read_about(directory))


def _common(loaded: Sequence[Loaded], key: str, given: str | None) -> str | None:
    """What all adapters say about the network; None: nothing."""
    if given is not None:
        return given
    first = loaded[0].about.get(key)
    for one in loaded[1:]:
        if one.about.get(key) != first:
            raise VisionLoraError(
                f"adapter: {loaded[0].directory} is for {key} {first}, {one.directory} for "
                f"{one.about.get(key)}; give adapters of one network"
            )
    return None if first is None else str(first)
