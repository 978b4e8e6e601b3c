"""What a run says of its images, its network and its settings before it trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from rich.console import RenderableType

from visionlora.adapters import active_adapters, adapted_layers
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.families.boft import Boft
from visionlora.adapters.families.oft import Oft
from visionlora.adapters.learned_start import is_learned
from visionlora.adapters.settings import AUTO
from visionlora.data import ImageFolder
from visionlora.data.check.class_findings import unequal
from visionlora.device import choose_device
from visionlora.frozen.growth import growths
from visionlora.frozen.quantised import packed_weights
from visionlora.frozen.split import DROPOUTS
from visionlora.models.adapted import AdaptedNetwork
from visionlora.models.class_outputs import describe_outputs
from visionlora.notices import Notices
from visionlora.options import filled_in, given
from visionlora.report.run_text import found_block, training_plan
from visionlora.text import counted, in_words, listed
from visionlora.training.config import RunConfig, TrainerConfig

_DISTILLED = (
    "anchors", "generated", "inverted", "per_step", "weight", "logits", "temperature", "drift", "views",
    "mixup",
)  # fmt: skip
"""Options of ``retention`` about the distillation; the others are about measuring and choosing."""
_CHOSEN = ("root", "budget", "least_learned", "strengths")
_OF_RANK = ("rank", "alpha")
_PATTERNS = ("rank_pattern", "alpha_pattern")
_SAID = ("lora.", "optimizer.lr", "retention.")
"""Beginnings of the options whose values no other line says."""
_STARTS_OF_STD = (AUTO, "default", "gaussian", "orthogonal")
_LARGE_BLOCK = 1024
"""Rotations of so many numbers take seconds a step."""
_HALFWAY = "halfway between the start and "


def found(
    trainer: TrainerConfig, batch_size: int, folder: ImageFolder, adapted: AdaptedNetwork
) -> RenderableType:
    """What was found, and what will be done with it, for the terminal."""
    backbone = adapted.backbone
    # Of an unknown network, or where the whole head is new, no name means an output.
    known = ((), ()) if adapted.head.kind == "new" else (backbone.categories, backbone.wnids)
    outputs = describe_outputs(folder.classes, *known)
    steps = trainer.steps(len(folder.train), batch_size, adapted.head.kind == "new")
    validations = _validations(trainer, batch_size, folder, adapted)
    plan = training_plan(steps, batch_size, validations, trainer.stops_after)
    return found_block(folder, outputs, plan)


def announce(config: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork, notices: Notices) -> None:
    """What the settings mean for these images and this network, and what deserves a warning."""
    _announce_network(config, folder, adapted, notices)
    _announce_images(config, folder, notices)
    _announce_places(config, adapted, notices)
    new = adapted.head.kind == "new"
    halfway = new and config.lora.restart_every is None
    if not folder.val:
        notices.warn(
            "no validation images: what is learned is not measured, and no checkpoint is chosen; the adapter "
            f"is {_HALFWAY * halfway}the average of the weights over the second half of training"
        )
    _announce_validations(config, folder, adapted, notices)
    if new:
        _announce_new_head(config, halfway, notices)


def _announce_validations(
    config: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork, notices: Notices
) -> None:
    """How often the run validates, where that is not as often as asked for."""
    trainer, asked = config.trainer, config.trainer.validations
    count = _validations(trainer, config.data.batch_size, folder, adapted)
    if folder.val and count != asked:
        steps = trainer.steps(len(folder.train), config.data.batch_size, adapted.head.kind == "new")
        interval = trainer.interval(steps)
        each = "one after each step" if interval == 1 else f"one every {interval} steps"
        notices.say(f"validations: {count}, {each} of {steps} (trainer.validations={asked})")


def announce_unused(asked: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork, notices: Notices) -> None:
    """The options that have no effect in this run, of the settings as they were given."""
    for unused, reason in _unused(asked, folder, adapted):
        notices.unused(unused, reason)


def decided_options(
    asked: RunConfig, config: RunConfig, adapted: AdaptedNetwork, steps: int
) -> dict[str, Any]:
    """The options that the settings left to the run (auto, null) and that have an effect, with their values.

    Args:
        asked: the settings as they were given.
        config: the same with what was decided.
        adapted: the network.
        steps: of the run.
    """
    model = replace(config.model, head=adapted.head.kind)
    if model.name == AUTO:
        model = replace(model, name=adapted.backbone.name)
    config = replace(config, model=model, trainer=replace(config.trainer, max_steps=steps))
    families = [FAMILIES[family] for family in config.lora.families]
    without = {f"lora.{name}" for name in _OF_RANK if all(name in family.unused for family in families)}
    no_adapters = not adapted_layers(adapted.network)
    found = filled_in(asked, config)
    if config.lora.rank_pattern != asked.lora.rank_pattern:
        found |= {f"lora.{name}": dict(getattr(config.lora, name)) for name in _PATTERNS}
    return {
        name: value
        for name, value in found.items()
        if name not in without and not (no_adapters and name.startswith("lora."))
    }


def announce_decided(decided: Mapping[str, Any], notices: Notices) -> None:
    """Say what :func:`decided_options` holds where it changes what is learned and no other line says it."""
    values = [
        f"{name}={_short(value)}"
        for name, value in decided.items()
        if name.startswith(_SAID) and not isinstance(value, dict)
    ]
    if values:
        notices.say(f"decided: {', '.join(values)}")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _announce_network(
    config: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork, notices: Notices
) -> None:
    """Which network and head are trained, and by what they are computed."""
    head, factor = adapted.head, config.optimizer.adapter_factor
    if factor != 1:
        notices.say(f"adapters train at {factor:g} times optimizer.lr (adapter_factor)")
    if adapted.backbone.notice:
        notices.warn(adapted.backbone.notice)
    notices.say(
        f"head {head.kind}: {counted(len(head.outputs), 'output')}, {len(folder.classes)} of them trained"
    )
    if adapted.quantised is not None:
        notices.say(adapted.quantised.in_words())
    elif config.trainer.kernel != "auto" and choose_device(config.trainer.accelerator).type != "cpu":
        notices.warn(
            f"trainer.kernel={config.trainer.kernel} is for the CPU; here PyTorch's own operations compute "
            "the layers"
        )


def _announce_images(config: RunConfig, folder: ImageFolder, notices: Notices) -> None:
    """A warning where classes have very different numbers of images and nothing makes up for it."""
    several = config.separator is not None
    uneven = unequal(Counter(name for image in folder.train for name in image.names))
    if uneven and not (config.optimizer.class_weights or (config.data.balance and not several)):
        one = "data.balance=true or optimizer.class_weights=true makes up for it"
        many = "optimizer.class_weights=true counts images with and without a label alike"
        notices.warn(f"{uneven}; {many if several else one}")


def _announce_places(config: RunConfig, adapted: AdaptedNetwork, notices: Notices) -> None:
    """Which layers have adapters, where that was decided here."""
    if config.model.expand:
        blocks = [name.removesuffix(".growth") for name in growths(adapted.network)]
        notices.say(f"new blocks are trained after {listed(blocks)} (model.expand)")
    if tuple(config.lora.targets) == (AUTO,):
        alone = ": only the new blocks are trained" if config.model.expand else ""
        notices.say(f"adapters are on {adapted.places}{alone} (lora.targets=auto)")
    if not adapted_layers(adapted.network) and not config.model.expand:
        named = f"lora.targets={listed(list(config.lora.targets))}"
        notices.warn(f"only the new outputs are trained: no other layer is left of {named}")
        return
    rotations = [one for one in active_adapters(adapted.network) if isinstance(one, (Oft, Boft))]
    block = max((one.block for one in rotations), default=0)
    if block >= _LARGE_BLOCK:
        notices.warn(
            f"{in_words(config.lora.families)} turns blocks of up to {block:,} numbers, and each step solves "
            "as many equations: a smaller lora.rank, or more blocks (lora.options), takes less time"
        )


def _announce_new_head(config: RunConfig, halfway: bool, notices: Notices) -> None:
    """What is different with a head that has none of the old outputs."""
    notices.say(
        "head new has none of the old outputs: nothing is distilled, and neither forgetting nor false "
        "positives are measured"
    )
    if smoothing := config.optimizer.label_smoothing:
        notices.say(f"labels are smoothed by {smoothing:g} (optimizer.label_smoothing)")
    if halfway:
        notices.say(
            f"the result is {_HALFWAY}the average of the weights over the second half of training, unless a "
            "checkpoint is clearly better"
        )


def _unused(
    config: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork
) -> Iterator[tuple[list[str], str]]:
    """Options that were given and have no effect in this run, with the reason."""
    yield from _unused_in_training(config, folder, adapted)
    retention, contrast, lora = config.retention, config.contrast, config.lora
    asked = partial(given, "lora", lora, command=RunConfig)
    new = adapted.head.kind == "new"
    generated = _asked("contrast", contrast, "generated")
    if new or not retention.distils:
        unused = _asked("retention", retention, *_DISTILLED, *(_CHOSEN if new else ()))
        why = "the head is new" if new else "nothing is distilled (retention.weight, per_step)"
        measured = _asked("contrast", contrast, "root", "budget") if new else []
        yield unused + _asked("contrast", contrast, "anchors") + generated + measured, why
    else:
        if retention.anchors != "auto" or adapted.backbone.anchors:
            yield _asked("retention", retention, "generated", "inverted"), "there are anchors"
        if contrast.anchors != "auto":
            yield generated, "contrast.anchors has the negatives"
    if contrast.root is None and not new:
        yield _asked("contrast", contrast, "budget"), "there are no contrast images (contrast.root)"
    if config.model.quantise is None:
        file = bool(packed_weights(adapted.network))
        why = "model.weights is quantised already" if file else "the base is not quantised (model.quantise)"
        yield given("model", config.model, "quantise_skip"), why
    if folder.split == "given" and folder.val and config.data.folds is None:
        yield given("data", config.data, "val_fraction"), "the data has validation images of its own"
    if not adapted_layers(adapted.network):
        names = [one.name for one in fields(lora) if one.name not in ("targets", "exclude")]
        blocks = "new blocks are trained and no adapters (model.expand)"
        yield asked(*names), blocks if config.model.expand else "no layer has adapters"
        return
    families = [FAMILIES[family] for family in lora.families]
    for name in ("rank", "alpha", "rslora", "init_std"):
        if all(name in family.unused for family in families):
            have = "has" if len(families) == 1 else "have"
            yield asked(name), f"{in_words(lora.families)} {have} none (lora.family)"
    if is_learned(lora.init):
        yield asked("alpha", "rslora", "alpha_pattern"), "lora.init has those of the start"
    if lora.init not in _STARTS_OF_STD:
        yield asked("init_std"), f"lora.init={lora.init} starts the adapters"


def _unused_in_training(
    config: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork
) -> Iterator[tuple[list[str], str]]:
    """The same, of the options about how steps are computed and how many there are."""
    model, trainer, cache = config.model, config.trainer, config.cache
    if not any(isinstance(one, DROPOUTS) and one.p for one in adapted.network.modules()):
        yield _asked("model", model, "dropout"), f"{adapted.backbone.name} has no dropout layers"
    if config.augment.nothing:
        yield given("cache", cache, "views"), "images are not augmented"
    if cache.features is False or config.augment.mixes:
        why = "cache.features is false" if cache.features is False else "images are mixed"
        yield given("cache", cache, "views", "uses", "memory_mb"), why
    if isinstance(trainer.patience, int):
        count = _validations(trainer, config.data.batch_size, folder, adapted)
        few = f"the run has {counted(count, 'validation')} (trainer.validations)"
        if count <= trainer.patience:
            yield ["trainer.patience"], few if folder.val else "there are no validation images"


def _validations(
    trainer: TrainerConfig, batch_size: int, folder: ImageFolder, adapted: AdaptedNetwork
) -> int:
    """How often the run validates."""
    steps = trainer.steps(len(folder.train), batch_size, adapted.head.kind == "new")
    return steps // trainer.interval(steps) if folder.val else 0


def _asked(name: str, section: Any, *keys: str) -> list[str]:
    """As `given`; without those that ask for nothing: 0, null or an empty list."""
    return given(name, section, *(key for key in keys if getattr(section, key)))
