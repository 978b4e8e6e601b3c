"""What a run says of its images, its network and its settings before it trains."""

from __future__ import annotations

from collections import Counter

from rich.console import RenderableType

from visionlora.data import ImageFolder
from visionlora.data.class_findings import unequal
from visionlora.device import choose_device
from visionlora.frozen.growth import growths
from visionlora.models.adapted import AdaptedNetwork
from visionlora.models.class_outputs import describe_outputs
from visionlora.models.upper_layers import AUTO
from visionlora.notices import Notices
from visionlora.report.run_text import found_block, training_plan
from visionlora.text import counted, listed
from visionlora.training.config import RunConfig, TrainerConfig

_HALFWAY = "halfway to the start"


def found(
    trainer: TrainerConfig, batch_size: int, folder: ImageFolder, adapted: AdaptedNetwork
) -> RenderableType:
    """What was found, and what will be done with it, for the terminal."""
    backbone = adapted.backbone
    # Of an unknown network, or where the whole head is new, no name means an output.
    known = ((), ()) if adapted.head.kind == "new" else (backbone.categories, backbone.wnids)
    outputs = describe_outputs(folder.classes, *known)
    steps = trainer.steps(len(folder.train), batch_size, adapted.head.kind == "new")
    plan = training_plan(steps, batch_size, trainer.validations if folder.val else 0, trainer.stops_after)
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
            f"is the average of the weights over the second half of training{f', {_HALFWAY}' * halfway}"
        )
    if new:
        _announce_new_head(config, halfway, notices)
    if (new or not config.retention.distils) and config.contrast.anchors not in ("auto", []):
        notices.say(
            "contrast.anchors are not used: nothing is distilled (retention.weight, per_step, head new)"
        )


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
    if uneven and not (config.optimizer.class_weights if several else config.data.balance):
        one = "data.balance=true draws every class equally often"
        many = "optimizer.class_weights=true counts images with and without a label alike"
        notices.warn(f"{uneven}; {many if several else one}")


def _announce_places(config: RunConfig, adapted: AdaptedNetwork, notices: Notices) -> None:
    """Which layers have adapters, where that was decided here."""
    if config.model.expand:
        blocks = [name.removesuffix(".growth") for name in growths(adapted.network)]
        notices.say(f"new blocks are trained after {listed(blocks)} (model.expand)")
    if tuple(config.lora.targets) == (AUTO,):
        alone = "no layer: the new blocks alone are trained"
        where = alone if config.model.expand else f"{adapted.places} layers"
        notices.say(f"adapters are on {where} (lora.targets=auto)")


def _announce_new_head(config: RunConfig, halfway: bool, notices: Notices) -> None:
    """What is different with a head that has none of the old outputs."""
    notices.say("head new has none of the old outputs: nothing is distilled, and forgetting is not measured")
    retention = config.retention
    given = {"retention.anchors": retention.anchors, "retention.root": retention.root}
    if unused := [key for key, value in given.items() if value not in ("auto", None, [], ())]:
        notices.warn(
            f"{' and '.join(unused)} {'is' if len(unused) == 1 else 'are'} not used: the head is new"
        )
    if smoothing := config.optimizer.label_smoothing:
        notices.say(f"labels are smoothed by {smoothing:g} (optimizer.label_smoothing)")
    if halfway:
        notices.say(f"the average of the weights is taken {_HALFWAY}")
