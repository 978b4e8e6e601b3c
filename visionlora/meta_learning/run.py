"""``visionlora meta``: from a folder to a learned start."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from visionlora.adapters import adapter_parameters, save_adapter
from visionlora.adapters.collect import set_starts
from visionlora.data import ImageDataset, ImageFile, find_bad, refuse, scan
from visionlora.data.config import AugmentConfig
from visionlora.data.images.augment import training_transform
from visionlora.device import choose_device, has_bfloat16, keep_freed_memory
from visionlora.errors import VisionLoraError
from visionlora.files import require_writable
from visionlora.frozen.split import split
from visionlora.kernels.autotune import replay
from visionlora.meta_learning.aligned import aligned_starts
from visionlora.meta_learning.announce import announce_lengths, announce_unused
from visionlora.meta_learning.config import MetaOptions
from visionlora.meta_learning.learn import StartLearner
from visionlora.meta_learning.problem import Features, Problem, anchor_images
from visionlora.meta_learning.tasks import held_out, sample_task
from visionlora.models.adapted import AdaptedNetwork, adapt
from visionlora.models.classes import UnknownClass, outputs_of_labels
from visionlora.models.config import ModelConfig
from visionlora.notices import Notices
from visionlora.report.progress import progress
from visionlora.run_folder.state_file import read_state, write_state
from visionlora.text import counted, listed

PROGRESS = "progress.safetensors"
SAVE_EVERY = 10
"""Tasks from one file of progress to the next."""
SHOWN_EVERY = 50
HELD_OUT_TASKS = 3
"""On the held-out classes, at the end."""


def learn_start(options: MetaOptions) -> dict[str, Any]:
    """Learn a start, show how far it is, and save it; returns what was measured.

    Raises:
        VisionLoraError, visionlora.adapters.LoraError: an option, a folder, an image or a class name that
            does not work out, or a folder that holds the progress of another run.
    """
    notices = Notices()
    output = Path(options.start)
    require_writable(output / PROGRESS, "start")
    if output.is_dir() and any(output.iterdir()) and not (output / PROGRESS).is_file():
        raise VisionLoraError(
            f"start: {output} holds other files, and no start to continue; give a new folder"
        )
    found = scan(options.data.root, seed=options.seed)
    images = (*found.train, *found.val)
    unseen = held_out(found.classes, options.meta.held_out, options.seed)
    seen = [image for image in images if image.label not in unseen]
    _check_classes(seen, options, notices)
    adapted = _adapted(options, found.classes)
    learner = _learner(options, adapted, images, notices)
    by_class = _by_class(images, options.meta.shots)
    settings = _settings(options, images)
    state = _progress(output / PROGRESS, settings, options.meta.count)
    first = learner.start()
    if state is not None:
        learner.restore(state["learner"])
        notices.say(f"continues after task {learner.done} of {options.meta.count}")
    if unseen:
        notices.say(f"never seen: {listed(unseen)} (meta.held_out)")
    tasks = {name: places for name, places in by_class.items() if name not in unseen}
    announce_unused(options, len(tasks), learner.problem.anchors is not None, notices)
    if has_bfloat16(learner.problem.device):
        notices.say("forward passes are computed in bfloat16, which this hardware has")
    if learner.problem.device.type == "cpu":
        keep_freed_memory()
    # What a timing chooses differs in the last bits; what is continued has to end the same.
    with replay({}, "rule"):
        if state is None:
            announce_lengths(options, _align(learner, tasks, notices), notices)
            write_state(output / PROGRESS, {"settings": settings, "learner": learner.state()})
        _learn(learner, tasks, options, output, settings, notices)
        measured = _on_held_out(
            learner, first, {name: by_class[name] for name in unseen if name in by_class}, options, notices
        )
    _save(output, adapted, options, unseen, measured)
    notices.say(f"the start is in {output}: visionlora train lora.init={output} ...")
    return measured


def _check_classes(seen: Sequence[ImageFile], options: MetaOptions, notices: Notices) -> None:
    """Refuse classes that no task can be sampled from."""
    shots, usable = options.meta.shots, _by_class(seen, options.meta.shots)
    few = {image.label for image in seen} - set(usable)
    if few:
        notices.say(
            f"in no task, for too few images (meta.shots={shots} or fewer): {listed(sorted(map(str, few)))}"
        )
    if len(usable) < 2:
        raise VisionLoraError(
            f"data.root: {options.data.root} has fewer than 2 classes with more than meta.shots={shots} "
            f"images that are not held out (meta.held_out={options.meta.held_out}), and a task needs 2; give "
            "more images, or hold out fewer classes"
        )


def _by_class(images: Sequence[ImageFile], shots: int) -> dict[str, list[int]]:
    """The places of the images of each class that has more than ``shots``."""
    found: dict[str, list[int]] = {}
    for place, image in enumerate(images):
        found.setdefault(str(image.label), []).append(place)
    return {name: places for name, places in found.items() if len(places) > shots}


def _adapted(options: MetaOptions, classes: Sequence[str]) -> AdaptedNetwork:
    lora = options.lora
    others = lora.restart_every or lora.dropout or lora.train_norms or lora.bias != "none"
    if lora.families != ("lora",) or lora.init not in ("default", "gaussian") or others:
        raise VisionLoraError(
            "lora: a start of A and B is learned; use lora.family=lora with lora.init=default, and neither "
            "restart_every, dropout, bias nor train_norms: those are for the run that begins at the start"
        )
    model = ModelConfig(name=options.model.name, weights=options.model.weights, head="keep")
    try:
        adapted = adapt(model, lora, classes, options.seed)
    except VisionLoraError as error:
        unknown = error.__cause__
        if not isinstance(unknown, UnknownClass):
            raise
        raise VisionLoraError(
            f"data.root: {unknown}; tasks need an output for every class: rename that folder or leave it out"
        ) from error
    adapted.network.to(memory_format=torch.channels_last)
    return adapted


def _learner(
    options: MetaOptions, adapted: AdaptedNetwork, images: Sequence[ImageFile], notices: Notices
) -> StartLearner:
    backbone, retention = adapted.backbone, options.retention
    anchors = anchor_images(retention.anchors, backbone.anchors, notices)
    with progress(notices.console, "reading images") as advance:
        refuse(find_bad([*images, *anchors], progress=advance))
    if not anchors:
        notices.warn("no anchors (retention.anchors): nothing keeps the start from forgetting")
    network = adapted.network.to(choose_device("auto")).eval()
    parts = split(network, whole_layers=True)
    targets = outputs_of_labels(images, backbone.categories, backbone.wnids)
    preprocessing = backbone.preprocessing
    augment = training_transform(AugmentConfig(), preprocessing)
    augmented = ImageDataset(anchors, preprocessing, transform=augment, seed=options.seed)
    problem = Problem(
        network,
        network if parts is None else parts.suffix,
        Features(ImageDataset(images, preprocessing, targets=targets), parts),
        Features(ImageDataset(anchors, preprocessing), parts, augmented) if anchors else None,
        retention.weight_for(len(backbone.categories)),
        retention.temperature,
    )
    parameters = {name: one for name, one in network.named_parameters() if one.requires_grad}
    assert len(parameters) == len(list(adapter_parameters(network)))
    return StartLearner(problem, parameters, options.meta, options.seed)


def _align(learner: StartLearner, classes: Mapping[str, Sequence[int]], notices: Notices) -> int:
    """Where tasks begin; how many layers begin Gaussian."""
    with progress(notices.console, "comparing gradients", "classes and anchors") as advance:
        starts = aligned_starts(learner.problem, classes, learner.options.classes, learner.seed, advance)
    set_starts(learner.problem.network, starts)
    left = len(learner.learned) - len(starts)
    notices.say(
        f"A starts in the directions that gradients of different images share, in "
        f"{counted(len(starts), 'layer')}" + (f"; {left} start Gaussian" if left else "")
    )
    return left


def _learn(
    learner: StartLearner,
    classes: Mapping[str, Sequence[int]],
    options: MetaOptions,
    output: Path,
    settings: str,
    notices: Notices,
) -> None:
    meta, count, recent = options.meta, options.meta.count, []
    with progress(notices.console, "learning the start", "tasks") as advance:
        while learner.done < count:
            task = sample_task(classes, meta.classes, meta.shots, options.seed, learner.done)
            recent.append(learner.learn(task))
            advance(learner.done, count)
            last = learner.done == count
            if learner.done % SAVE_EVERY == 0 or last:
                write_state(output / PROGRESS, {"settings": settings, "learner": learner.state()})
            if learner.done % SHOWN_EVERY == 0 or last:
                mean = sum(recent) / len(recent)
                notices.say(
                    f"task {learner.done} of {count}: top-1 {mean:.3f} on other images of a task's "
                    f"classes after its {meta.steps} steps (mean of the last {len(recent)} tasks)"
                )
                recent.clear()


def _on_held_out(
    learner: StartLearner,
    first: Mapping[str, torch.Tensor],
    classes: Mapping[str, Sequence[int]],
    options: MetaOptions,
    notices: Notices,
) -> dict[str, Any]:
    """Both starts on the held-out classes: the same images, the same steps."""
    if not classes:
        return {}
    meta = options.meta
    numbers = [f"held out {number}" for number in range(HELD_OUT_TASKS)]
    tasks = [sample_task(classes, len(classes), meta.shots, options.seed, number) for number in numbers]
    measured: dict[str, Any] = {"classes": len(classes), "tasks": len(tasks)}
    for name, start in (("gaussian", first), ("learned", learner.start())):
        found = [learner.after_steps(start, task, number) for number, task in enumerate(tasks)]
        measured[name] = {"top1": _mean([right for right, _ in found])}
        agreements = [agreement for _, agreement in found if agreement is not None]
        if agreements:
            measured[name]["anchors/agreement"] = _mean(agreements)
    words = [
        f"{name} start: top-1 {one['top1']:.3f}"
        + (f", {one['anchors/agreement']:.3f} of the anchors as before" if "anchors/agreement" in one else "")
        for name, one in measured.items()
        if isinstance(one, dict)
    ]
    notices.say(
        f"{len(classes)} held-out classes, {meta.shots} of each, {meta.steps} steps, mean of {len(tasks)} "
        "draws: " + "; ".join(words)
    )
    return measured


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _settings(options: MetaOptions, images: Sequence[ImageFile]) -> str:
    """What may not change while a start is learned, as text; the number of tasks may."""
    sections = {name: vars(getattr(options, name)) for name in ("meta", "model", "lora", "retention")}
    plain = {
        f"{name}.{key}": str(value)
        for name, section in sections.items()
        for key, value in section.items()
        if (name, key) != ("meta", "tasks")
    }
    return json.dumps([options.seed, plain, [str(image.path) for image in images]])


def progress_in_words(start: str) -> str:
    """What is left of a run that was stopped, and how it goes on."""
    path = Path(start) / PROGRESS
    if not path.is_file():
        return "nothing is saved yet: the same command begins again"
    return f"the same command continues after task {int(read_state(path)['learner']['done'])}"


def _progress(path: Path, settings: str, tasks: int) -> dict[str, Any] | None:
    """What an interrupted run left; None: nothing."""
    if not path.is_file():
        return None
    state = read_state(path)
    if state.get("settings") != settings:
        raise VisionLoraError(
            f"start: {path.parent} holds the progress of another run, with other options or images; give "
            "another folder, or remove that folder"
        )
    done = int(state["learner"]["done"])
    if done > tasks:
        raise VisionLoraError(
            f"start: {path.parent} holds a start after {done} tasks, and meta.tasks is {tasks}; set "
            f"meta.tasks={done} or more, or give another folder"
        )
    return state


def _save(
    output: Path,
    adapted: AdaptedNetwork,
    options: MetaOptions,
    unseen: Sequence[str],
    measured: Mapping[str, Any],
) -> None:
    about = {
        "model": adapted.backbone.name,
        "weights": adapted.backbone.weights,
        "meta": {**asdict(options.meta), "unseen": list(unseen), "measured": dict(measured)},
    }
    save_adapter(
        adapted.network.cpu(),
        output,
        base_model=adapted.backbone.name,
        fingerprint=adapted.fingerprint,
        extra=about,
    )
