"""The loss on anchors: the divergence from the frozen network, and how far its logits move."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from visionlora.adapters.base import Adapter
from visionlora.adapters.families.lora import Lora
from visionlora.retention.config import RetentionConfig
from visionlora.retention.teacher import AnchorBatch, AnchorTeacher
from visionlora.tasks.base import Task


def logit_distance(student: Tensor, teacher: Tensor, kept: Tensor, relative: bool) -> Tensor:
    """Half the mean over the kept outputs of the squared difference of the logits, the mean over images.

    Where logits are relative it is the limit of the divergence at a high temperature times its square
    (Hinton et al. 2015, section 2.1).

    Args:
        student: logits of the adapted network, shape (images, outputs); outputs that the teacher lacks come
            last and do not count.
        teacher: logits of the frozen network, shape (images, old outputs).
        kept: which of them count, shape (images, old outputs); at least one of each image.
        relative: whether a constant added to all logits of an image counts as no difference.
    """
    difference = torch.where(kept, student[:, : teacher.shape[1]].float() - teacher.float(), 0)
    count = kept.sum(1, keepdim=True)
    if relative:
        difference = torch.where(kept, difference - difference.sum(1, keepdim=True) / count, 0)
    return (difference.square() / count).sum(1).mean() / 2


def lora_rank(adapters: Iterable[Adapter]) -> int:
    """The largest rank of the adapters that are LoRA's; 0: none is."""
    return max((one.settings.rank for one in adapters if one.family == Lora.family), default=0)


@dataclass(frozen=True)
class Matching:
    """The loss on anchors.

    Attributes:
        task: measures both.
        weight: of the divergence.
        logits: weight of how far the logits move. The divergence says little where the frozen network is
            sure, and nothing about improbable outputs; each logit says something (docs/forgetting.md).
        temperature: of the divergence.
    """

    task: Task
    weight: float
    logits: float
    temperature: float

    @classmethod
    def of(
        cls, retention: RetentionConfig, teacher: AnchorTeacher, task: Task, adapters: Iterable[Adapter]
    ) -> Matching:
        """That of a run with these adapters."""
        logits = retention.logits_for(teacher.classes, task.name, lora_rank(adapters))
        return cls(task, retention.weight_for(teacher.old_outputs, logits), logits, retention.temperature)

    def loss(self, student: Tensor, anchors: AnchorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """What a step minimises, and its figures by name.

        Args:
            student: logits of the adapted network on the anchors, shape (anchors, outputs).
            anchors: of the step.
        """
        figures = {"distillation": self.task.distillation(student, anchors.logits, self.temperature)}
        loss = self.weight * anchors.share * figures["distillation"]
        if self.logits:
            figures["logits"] = logit_distance(student, anchors.logits, anchors.kept(), self.task.relative)
            loss = loss + self.logits * anchors.share * figures["logits"]
        return loss, figures
