"""A pretrained network with a head for the classes and adapters: what a run trains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import torch
from torch import nn

from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapted_layers,
    attach,
    fingerprint,
    load_adapter,
    read_adapter_config,
)
from visionlora.adapters.attaching import attach_layers
from visionlora.adapters.families.visual_prompt import VisualPrompt
from visionlora.adapters.init import FROM_DATA
from visionlora.adapters.learned_start import is_learned
from visionlora.adapters.network import named_sites
from visionlora.adapters.norms import AdaptedNorm
from visionlora.adapters.settings import AUTO
from visionlora.adapters.targets import chosen_sites
from visionlora.errors import VisionLoraError
from visionlora.frozen.growth import growth_modules, growth_parameters, growths
from visionlora.frozen.quantised import packed_weights
from visionlora.models.automatic_rank import CHOSEN, with_rank
from visionlora.models.backbone import Backbone, load_backbone
from visionlora.models.config import ModelConfig
from visionlora.models.earlier import Delivered, EarlierAdapter, continue_from, require_low_rank
from visionlora.models.expand import expand
from visionlora.models.heads import Head, apply_head, head_parameters, require_below_zero
from visionlora.models.quantise import NewCorrections, QuantisedBase, absorbed_ranks, quantise_base
from visionlora.models.sources import require_class_logits
from visionlora.models.upper_layers import with_upper_layers


@dataclass(frozen=True)
class AdaptedNetwork:
    """A pretrained network with a head for the new classes and adapters.

    Attributes:
        backbone: where it comes from: class names, preprocessing.
        head: what its outputs mean now.
        network: the backbone's model, adapted.
        fingerprint: of the backbone's weights, without the rows of the head that are trained whole.
        classes: that are trained.
        lora: the adapters' settings, with the rank and alpha that ``auto`` stood for.
        earlier: the adapter that is merged into the backbone and goes on; None: there is none.
        quantised: how the base is quantised; None: it is not, or the weight file was.
    """

    backbone: Backbone
    head: Head
    network: nn.Module
    fingerprint: str
    classes: tuple[str, ...]
    lora: LoraConfig
    earlier: EarlierAdapter | None = None
    quantised: QuantisedBase | None = None

    @property
    def old_outputs(self) -> int:
        """How many of the network's outputs are the frozen network's."""
        return 0 if self.head.kind == "new" else len(self.backbone.categories)

    def delivered(self) -> Delivered:
        """What is saved: the adapter, or where it continues an earlier one, both as one."""
        if self.earlier is None:
            return Delivered(self.network, self.head, self.fingerprint, self.classes)
        return self.earlier.with_later(self.network, self.head, self.classes)

    @property
    def places(self) -> str:
        """Which layers have adapters, in words: ``all 26 layers``, or ``the last 12 of 26 layers``."""
        layers = [module for module, _ in named_sites(self.network).values()]
        adapted = set(adapted_layers(self.network).values())
        chosen = sum(not isinstance(layer, AdaptedNorm) for layer in adapted)
        if not chosen:
            return "no layer"
        if chosen + len(self.head.trained) >= len(layers):
            return "the one layer" if chosen == 1 else f"all {chosen} layers"
        first = next(place for place, layer in enumerate(layers) if layer in adapted)
        upper = first + chosen + len(self.head.trained) >= len(layers)
        some = "" if upper and chosen == 1 else f"{chosen} "
        return f"{'the last ' if upper else ''}{some}of {len(layers)} layers"


def adapt(
    model: ModelConfig,
    lora: LoraConfig,
    classes: Sequence[str],
    seed: int,
    adapter: str | None = None,
    several: bool = False,
) -> AdaptedNetwork:
    """The pretrained network with a head for the classes, frozen but for its adapters and new rows.

    Where ``lora.targets`` is ``auto``, adapters are on the upper layers (:func:`upper_layers`); with new
    blocks (``model.expand``) on none. Of a rank that is ``auto`` :func:`with_rank` chooses the number. A
    visual prompt has the size of the network's images where the options give none.

    Args:
        model: which network and head.
        lora: the adapters.
        classes: to learn.
        seed: of the adapters' start.
        adapter: a run folder or an adapter directory to continue from; None: the network as it is.
        several: whether an image may have several of the classes.

    Raises:
        VisionLoraError, visionlora.adapters.LoraError: the network, a class name or the adapter is refused.
    """
    backbone, earlier = _loaded(model, lora, adapter)
    # With an earlier adapter known classes get no output by it, and the known outputs stay.
    kind = "extend" if earlier is not None and model.head == "auto" else model.head
    head = _headed(backbone, kind, classes, several)
    only_blocks = model.expand > 0 and tuple(lora.targets) == (AUTO,)
    _check_start(model, lora, only_blocks)
    with _in_options():
        placed = _placed(lora, backbone)
        where = backbone.model, placed.targets, placed.exclude, head.trained
        last = head.layer if not only_blocks and head.layer in chosen_sites(*where) else None
        chosen = with_rank(lora, head.kind, len(classes), several, last)
        placed = replace(placed, **{name: getattr(chosen, name) for name in CHOSEN})
    quantised = _quantised(backbone, head, model, placed)
    base_fingerprint = fingerprint(backbone.model, exclude=(*head.trained, *growths(backbone.model)))
    with _in_options():
        network = _attached(backbone.model, head, None if only_blocks else placed, seed)
        if VisualPrompt.family in placed.families and not only_blocks:
            _compute_an_image(network, backbone.preprocessing.crop)
    if earlier is not None:
        require_low_rank(network)
    for parameter in (*head_parameters(network, head), *growth_parameters(network)):
        parameter.requires_grad_(True)
    return AdaptedNetwork(
        backbone, head, network, base_fingerprint, tuple(classes), chosen, earlier, quantised
    )


def _headed(backbone: Backbone, kind: str, classes: Sequence[str], several: bool) -> Head:
    """Give the backbone its head, in place; refused where its outputs are not what the task needs.

    Raises:
        VisionLoraError: it is refused.
    """
    head = apply_head(backbone, kind, classes, several)
    if several:
        require_below_zero(backbone.model, head, backbone.preprocessing.crop)
    elif head.kind != "new" and backbone.thresholds:
        raise VisionLoraError(
            f"model.head={head.kind}: the outputs of {backbone.weights} are labels, of which an image may "
            "have several; set model.head=new, or task=multi_label"
        )
    return head


def _placed(lora: LoraConfig, backbone: Backbone) -> LoraConfig:
    """The settings with the layers that ``auto`` stands for, and the size of a visual prompt."""
    size = backbone.preprocessing.crop
    if tuple(lora.targets) == (AUTO,):
        lora = with_upper_layers(backbone.model, lora, size)
    return with_prompt_size(lora, size)


def with_prompt_size(lora: LoraConfig, size: int) -> LoraConfig:
    """The settings with the size in pixels of a visual prompt, where they have one and give none."""
    if VisualPrompt.family not in lora.families:
        return lora
    return replace(lora, options={"size": size, **lora.options})


@contextmanager
def _in_options() -> Iterator[None]:
    """Errors of the adapters name the option that they are about as the command line calls it."""
    try:
        yield
    except LoraError as error:
        message = str(error)
        known = {one.name for one in fields(LoraConfig)}
        begins = re.match(r"\w*", message)
        key = "lora." if begins and begins[0] in known else "lora: "
        raise VisionLoraError(key + message) from error


@torch.no_grad()
def _compute_an_image(network: nn.Module, size: int) -> None:
    """A visual prompt that is not on the first layer refuses its input: now, and not in the first step.

    Raises:
        LoraError: it does.
    """
    network.eval()(torch.zeros(1, 3, size, size))


def _loaded(
    model: ModelConfig, lora: LoraConfig, adapter: str | None
) -> tuple[Backbone, EarlierAdapter | None]:
    """The network, with its new blocks, and the adapter that goes on."""
    if adapter is None:
        backbone, earlier = load_backbone(model.name, model.weights, option="model.weights"), None
        require_class_logits(
            backbone.name, backbone.model, len(backbone.categories), backbone.preprocessing.crop
        )
    else:
        _check_continued(model, lora, adapter)
        backbone, earlier = continue_from(adapter, model)
    if model.expand:
        if earlier is not None:
            raise VisionLoraError(
                "model.expand: new blocks can't be added to an adapter that is continued; leave one out"
            )
        expand(backbone.model, model.expand)
    return backbone, earlier


def _check_continued(model: ModelConfig, lora: LoraConfig, adapter: str) -> None:
    """Refuse what does not go together with an adapter that is continued."""
    if model.quantise is not None:
        raise VisionLoraError(
            f"model.quantise={model.quantise}: a run continues only from an adapter on a dense base; merge "
            f"it (visionlora merge adapter={adapter} output=merged.safetensors) and train with "
            "model.weights=merged.safetensors"
        )
    if lora.restart_every is not None:
        raise VisionLoraError(
            "lora.restart_every: a sum of restarts can't be added to the adapter that is continued; leave "
            "it out, or merge that adapter first"
        )


def _check_start(model: ModelConfig, lora: LoraConfig, only_blocks: bool) -> None:
    """Refuse a start, or restarts, of adapters where there are none or on weights that are not its own."""
    if only_blocks and lora.restart_every is not None:
        raise VisionLoraError(
            f"lora.restart_every restarts adapters, and model.expand={model.expand} trains new blocks in "
            "their place; leave one out, or name the layers of adapters beside them (lora.targets)"
        )
    if is_learned(lora.init) and (model.quantise is not None or only_blocks):
        unlike = f"quantise={model.quantise}" if model.quantise is not None else f"expand={model.expand}"
        raise VisionLoraError(
            f"lora.init={lora.init} is a start of adapters on the network's own weights; leave it out, or "
            f"model.{unlike}"
        )


def _attached(model: nn.Module, head: Head, lora: LoraConfig | None, seed: int) -> nn.Module:
    """The network with its adapters, in place; without adapters where ``lora`` is None."""
    generator = torch.Generator().manual_seed(seed)
    if lora is None:
        return attach_layers(model, {}, generator=generator)
    learned = lora.init if is_learned(lora.init) else None
    if learned is not None or lora.init in (AUTO, *FROM_DATA):
        lora = replace(lora, init="default")
    grown = growth_modules(model)
    inside = [name for name, (module, _) in named_sites(model).items() if module in grown]
    # New rows are trained whole: a low-rank update of them would only restrict them.
    network = attach(model, lora, generator=generator, trained_whole=(*head.trained, *inside))
    if learned is not None:
        # Of an extended head the tensors have other names, so there is nothing to compare.
        try:
            load_adapter(network, learned, check_fingerprint=head.kind == "keep")
        except LoraError as error:
            start = read_adapter_config(learned)
            name, rank = start["visionlora"].get("model"), start.get("r")
            outputs = "" if head.kind == "keep" else f", and so has the last layer (head={head.kind} here)"
            raise VisionLoraError(
                f"lora.init: the start is for {name} with lora.rank={rank}; model, lora.rank and "
                f"lora.targets have to be as it was learned{outputs}: "
                f"{str(error).partition(';')[0].rstrip('. ')}"
            ) from error
    return network


def _quantised(backbone: Backbone, head: Head, model: ModelConfig, lora: LoraConfig) -> QuantisedBase | None:
    """Quantise the base where that is configured, in place."""
    scheme, loaded = f"model.quantise={model.quantise}", packed_weights(backbone.model)
    asked = scheme if model.quantise is not None else "lora.init=loftq" if lora.init == "loftq" else None
    if loaded and asked is not None:
        raise VisionLoraError(
            f"{asked}: {backbone.weights} is quantised already; leave it out, or name a file of dense weights"
        )
    if model.expand and (loaded or model.quantise is not None):
        base = f"model.weights={backbone.weights}" if loaded else scheme
        raise VisionLoraError(
            f"{base}: new blocks (model.expand) are trained, and quantised weights are frozen; leave one out"
        )
    if model.quantise is None:
        if lora.init == "loftq":
            raise VisionLoraError(
                "lora.init=loftq makes up for the error of a quantised base; set model.quantise=nf4 or int8, "
                "or lora.init=pissa"
            )
        return None
    return quantise_base(
        backbone.model, model.quantise, model.quantise_skip, head.layer, backbone.preprocessing.crop,
        trained=head.trained,
        corrections=NewCorrections(absorbed_ranks(backbone.model, lora, head.trained), lora.init),
    )  # fmt: skip
