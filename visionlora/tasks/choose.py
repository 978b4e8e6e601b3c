"""Which task: as a run is configured, or as an adapter says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor

from visionlora.data import ImageFile
from visionlora.models.restore import TrainedModel, has_several_labels, saved_thresholds
from visionlora.notices import Notices
from visionlora.tasks.base import Chosen, Task
from visionlora.tasks.multi_label import MultiLabel, positive_weights
from visionlora.tasks.single_label import SingleLabel, class_weights


def new_task(name: str, smoothing: float, weights: Tensor | None) -> Task:
    """The task of a run.

    Args:
        name: ``single_label`` or ``multi_label``.
        smoothing: of the labels in the loss.
        weights: of :func:`loss_weights`; None: all alike.
    """
    kind = MultiLabel if name == MultiLabel.name else SingleLabel
    return kind(smoothing, weights)


def loss_weights(name: str, images: Sequence[ImageFile], targets: Mapping[str, int], outputs: int) -> Tensor:
    """What makes rare classes count as much as frequent ones in the loss, shape (outputs,).

    Args:
        name: of the task.
        images: to learn.
        targets: class -> output.
        outputs: of the network.
    """
    counts = Counter(targets[label] for image in images for label in image.names)
    if name == MultiLabel.name:
        return positive_weights(counts, len(images), outputs)
    return class_weights(counts, outputs)


def task_of(trained: TrainedModel) -> Task:
    """The task that an adapter was trained for, with the thresholds that were chosen."""
    return (
        MultiLabel(thresholds=saved_thresholds(trained))
        if has_several_labels(trained.about)
        else SingleLabel()
    )


def predicted_names(
    task: Task, logits: Tensor, labels: Tensor, outputs: Sequence[str]
) -> list[tuple[str | None, str, float]]:
    """For each image its class, and the name that the network gives it with its probability."""
    names = [prediction[0] for prediction in task.shown(logits, outputs, 1)]
    return [(truth, *name) for truth, name in zip(task.truths(labels, outputs), names, strict=True)]


def choose(
    task: Task, judged: tuple[Tensor, Tensor] | None, names: Mapping[int, str], notices: Notices
) -> Chosen:
    """The task with what validation images choose for it.

    Args:
        task: as it was trained.
        judged: logits and labels of the validation images; None: there are none, so nothing is chosen.
        names: the trained classes by their outputs.
        notices: where the choice is announced.
    """
    chosen = Chosen(task) if judged is None else task.chosen_on(*judged, names)
    if chosen.words is not None:
        notices.say(chosen.words)
    return chosen
