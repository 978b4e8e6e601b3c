"""A trained adapter that a run continues from: class after class.

The adapter is merged into the network, and the run trains a new one on top. So "the frozen network" of the
run (the teacher, what strength 0 gives, what its figures begin with) is the network with the earlier adapter.
What is saved is one adapter of the original network: the updates of both, added up, and every new output.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from torch import nn

from visionlora.adapters import LoraError, LowRank, fingerprint, merge, read_adapter_config
from visionlora.adapters.extraction import attach_factors
from visionlora.adapters.merging import is_mergeable
from visionlora.adapters.updates import add_updates, low_rank_updates
from visionlora.errors import VisionLoraError
from visionlora.models.backbone import AUTO, Backbone
from visionlora.models.config import ModelConfig
from visionlora.models.heads import ExtendedHead, Head, apply_head, plain_head, whole_head
from visionlora.models.registry import final_layer
from visionlora.models.restore import TrainedModel, adapter_directory, has_several_labels, restore
from visionlora.models.sources import structure

IMAGENET = "imagenet"


class Delivered(NamedTuple):
    """What is saved as an adapter: a network that holds it, and what it needs to be loaded again.

    Attributes:
        network: plain but for the adapter.
        head: the meaning of its outputs.
        fingerprint: of its weights, without the rows of the head that were trained whole.
        classes: every class that the adapter was trained on.
    """

    network: nn.Module
    head: Head
    fingerprint: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class EarlierAdapter:
    """A trained adapter that a run continues from.

    Attributes:
        directory: of the adapter.
        original: the network that it adapts; its weights are on the meta device.
        fingerprints: of that network's weights, without the rows of the head that were trained whole, by the
            kinds of head that the adapter can have when it goes on.
        head: the meaning of the outputs with this adapter; its kind is as seen from the original network.
        classes: every class that was trained so far.
        updates: of its weights, by their full names.
    """

    directory: Path
    original: Backbone
    fingerprints: Mapping[str, str]
    head: Head
    classes: tuple[str, ...]
    updates: Mapping[str, LowRank]

    def with_later(self, network: nn.Module, head: Head, classes: Sequence[str]) -> Delivered:
        """One adapter of the original network that does what this one and the later one do together.

        Args:
            network: the network with this adapter merged, and the later one attached.
            head: of that network.
            classes: those that the later adapter was trained on.
        """
        old = len(self.original.categories)
        kind = self.head.kind
        if kind == "keep" and len(head.outputs) > old:
            kind = "extend"
        known = set(self.head.targets)
        added = [name for name, target in zip(classes, head.targets, strict=True) if target not in known]
        every = (*self.classes, *added)
        original = replace(self.original, model=copy.deepcopy(self.original.model))
        delivered = apply_head(original, kind, every) if every else self.head
        parts = [
            _as_in(delivered, updates, head.layer, old)
            for updates in (self.updates, low_rank_updates(network))
        ]
        sums = {
            site: add_updates(*(part[site] for part in parts if site in part))
            for site in dict.fromkeys(site for part in parts for site in part)
        }
        attach_factors(original.model, {site: (one.A, one.B) for site, one in sums.items()})
        _set_new_rows(original.model, delivered, whole_head(network, head), 0 if kind == "new" else old)
        return Delivered(original.model, delivered, self.fingerprints[kind], every)


def continue_from(path: str, options: ModelConfig) -> tuple[Backbone, EarlierAdapter]:
    """The network with a trained adapter merged into it, as a backbone that knows the adapter's classes too.

    Args:
        path: a run folder or an adapter directory.
        options: the network's name and weights as they were given; what is not given comes from the adapter.

    Raises:
        VisionLoraError: there is no adapter, the options ask for another network or a new head, or its update
            is not low-rank, so that no other can be added to it.
        visionlora.adapters.LoraError: the adapter does not fit the network that it names.
    """
    directory = adapter_directory(path)
    _check_continues(directory, options)
    restored = _restored(directory, options)
    plain, updates = restored.backbone, _updates(directory, restored)
    head = restored.head
    if not restored.classes:  # another library's adapter tells nothing about them
        head = replace(head, layer=final_layer(restored.network, len(head.outputs)), targets=())
    fingerprints = _fingerprints(restored.network, head)
    network = plain_head(merge(restored.network))
    original = replace(plain, model=structure(plain.name, len(plain.categories), plain.options))
    knows_more = replace(
        plain,
        model=network,
        categories=head.outputs,
        wnids=head.wnids(plain.wnids),
        retention_root=None if head.kind == "new" else plain.retention_root,
    )
    return knows_more, EarlierAdapter(directory, original, fingerprints, head, restored.classes, updates)


def _check_continues(directory: Path, options: ModelConfig) -> None:
    """Refuse an adapter whose configuration says that no other can be added to it."""
    own = read_adapter_config(directory)["visionlora"]
    if options.head == "new":
        raise VisionLoraError(
            "model.head=new drops every class that the network and the adapter know; with adapter= use "
            "model.head=extend or leave it out"
        )
    if own.get("expand"):
        raise VisionLoraError(
            f"adapter: {directory} has new blocks (model.expand), and no other adapter can be added to them; "
            "train from scratch on all images"
        )
    if has_several_labels(own):
        raise VisionLoraError(
            f"adapter: {directory} gives an image several labels (task=multi_label), and no classes can be "
            "added to them; train from scratch on all images"
        )
    saved = own.get("model")
    if saved is not None and options.name not in (AUTO, saved):
        raise VisionLoraError(f"model.name={options.name}: {directory} adapts {saved}; leave model.name out")


def _restored(directory: Path, options: ModelConfig) -> TrainedModel:
    weights = None if options.weights == IMAGENET else options.weights
    try:
        return restore(directory, None if options.name == AUTO else options.name, weights)
    except (VisionLoraError, LoraError) as error:
        if weights is None:
            raise
        raise VisionLoraError(f"model.weights={weights}: {error}") from error


def _updates(directory: Path, restored: TrainedModel) -> dict[str, LowRank]:
    """The adapter's updates, if others can be added to them."""
    instead = (
        f"merge it (visionlora merge adapter={directory} output=merged.safetensors) and train with "
        f"model.name={restored.backbone.name} model.weights=merged.safetensors"
    )
    if not is_mergeable(restored.network):
        instead = "train from scratch on all images"
    if "quantise" in restored.about:
        raise VisionLoraError(
            f"adapter: {directory} was trained on a quantised base, so no other can be added to it; {instead}"
        )
    try:
        return low_rank_updates(restored.network)
    except LoraError as error:
        raise VisionLoraError(
            f"adapter: {directory}: {error}, so nothing can be added to it; {instead}"
        ) from error


def require_low_rank(network: nn.Module) -> None:
    """Check, before anything is trained, that what will be trained can be added to an earlier adapter.

    Raises:
        VisionLoraError: it cannot.
    """
    try:
        low_rank_updates(network)
    except LoraError as error:
        raise VisionLoraError(
            f"lora.family: {error}, so it cannot be added to the adapter that is continued; use "
            "lora.family=lora with lora.bias=none and lora.train_norms=false"
        ) from error


def _fingerprints(network: nn.Module, head: Head) -> dict[str, str]:
    """Of the base tensors as they are called under this head, and, where it can be extended, under that."""
    found = {head.kind: fingerprint(network, exclude=head.trained)}
    if head.kind == "keep":
        old = network.get_submodule(head.layer)
        network.set_submodule(head.layer, ExtendedHead(old, nn.Identity()))
        found["extend"] = fingerprint(network, exclude=[f"{head.layer}.new"])
        network.set_submodule(head.layer, old)
    return found


def _as_in(head: Head, updates: Mapping[str, LowRank], layer: str, outputs: int) -> dict[str, LowRank]:
    """Updates by their names in the delivered network; the last layer's for the original outputs alone."""
    renamed = dict(updates)
    last = renamed.pop(layer, None) or renamed.pop(f"{layer}.old", None)
    if last is not None and head.kind != "new":
        name = f"{layer}.old" if head.kind == "extend" else layer
        renamed[name] = LowRank(last.A, last.B[:outputs], last.scaling)
    return renamed


def _set_new_rows(network: nn.Module, head: Head, whole: nn.Module, first: int) -> None:
    """Give the modules that were trained whole the rows of the last layer from ``first`` on."""
    for name in head.trained:
        module = network.get_submodule(name)
        for key, tensor in whole.named_parameters():
            rows = tensor.detach()[first:].cpu().clone()
            module.register_parameter(key, nn.Parameter(rows, requires_grad=False))
