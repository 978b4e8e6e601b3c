"""The LightningModule: new images are learned, the frozen network is distilled on anchors."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from visionlora.adapters import active_adapters, adapted_layers, adapter_regularizer, merged
from visionlora.adapters.network import start_adapters, step_adapters, uses_dropout
from visionlora.adapters.parameter_groups import trained_groups
from visionlora.adapters.restart import restart
from visionlora.data.files.seeds import mixed
from visionlora.data.images.augment import BatchMixing
from visionlora.device import give_back_freed_memory, reading_interval, seeded
from visionlora.errors import Diverged
from visionlora.evaluation.budget import largest_plausible
from visionlora.evaluation.predictions import Predictions, of_all_processes
from visionlora.frozen.features import network_inputs
from visionlora.frozen.split import DROPOUTS
from visionlora.memory import Parts, StepLoss, computed
from visionlora.optimizers.config import OptimizerConfig
from visionlora.optimizers.make import make_optimizer, make_schedule
from visionlora.phases import phase
from visionlora.processes import agreed
from visionlora.retention.config import RetentionConfig
from visionlora.retention.drift import Drift
from visionlora.retention.matching import Matching
from visionlora.retention.teacher import AnchorTeacher
from visionlora.tasks.base import Task
from visionlora.tasks.single_label import SingleLabel
from visionlora.this_process import this_process

log = logging.getLogger(__name__)

MOST = 1e6
"""A loss of this size, or parameters so many times as long as at the start, are as good as infinite."""


@dataclass(frozen=True)
class StepOptions:
    """How a step is computed.

    Attributes:
        dropout: whether the network's own dropout layers are active while training.
        seed: dropout masks, and what adapters restart from, are a function of it and of the step alone.
        restart_every: steps after which the adapters restart (ReLoRA); None: never.
        mixing: mixes the images of a step and their labels; None: each image stays by itself.
        task: what is learned; the label smoothing and the weights of the classes are its own.
        parts: that a batch is computed in: more where memory does not suffice.
    """

    dropout: bool = False
    seed: int = 0
    restart_every: int | None = None
    mixing: BatchMixing | None = None
    task: Task = field(default_factory=SingleLabel)
    parts: Parts = field(default_factory=lambda: Parts(log.warning))


class LoraModule(lightning.LightningModule):
    """Trains whatever in ``network`` requires a gradient; everything else stays as it is.

    Args:
        network: an adapted network, (batch, 3, height, width) to logits (batch, outputs).
        total_steps: optimizer steps of the run; the learning rate reaches zero there.
        optimizer: its settings.
        retention: weight and temperature of the distillation.
        teacher: the frozen network on anchors; None trains without distillation.
        suffix: the part of the network that is left to compute where batches hold ``features``; None: batches
            hold images.
        step_options: how a step is computed.
    """

    def __init__(
        self, network: nn.Module, total_steps: int, optimizer: OptimizerConfig, retention: RetentionConfig,
        teacher: AnchorTeacher | None = None, suffix: nn.Module | None = None,
        step_options: StepOptions | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.step_options = step_options or StepOptions()
        self.task, self.parts = self.step_options.task, self.step_options.parts
        self.network = network
        self.suffix = network if suffix is None else suffix
        self.total_steps = total_steps
        self.optimizer_options = optimizer
        self.retention = retention
        self.teacher = teacher
        adapters = active_adapters(network)
        self.matching = Matching.of(retention, teacher, self.task, adapters) if teacher else None
        self.drift_weight = retention.drift_for(teacher.old_outputs, teacher.classes) if teacher else 0.0
        self.drift: Drift | None = None
        self.draws_dropout = self.step_options.dropout or uses_dropout(network)
        """Whether a training step draws random numbers."""
        self.has_hooks = any(adapter.has_hooks for adapter in adapters)
        """Whether an adapter's family has a regularizer or a schedule (AdaLoRA, DyLoRA)."""
        self._step: StepLoss | None = None
        self._images: Tensor | None = None
        self._validation: list[tuple[Tensor, Tensor, Tensor]] = []
        self.validated: tuple[Tensor, Tensor] | None = None
        """Logits and labels of the last validation, in the order of the images."""
        self._validating = ExitStack()
        self._most_norm = MOST

    @cached_property
    def trainable(self) -> list[nn.Parameter]:
        """The parameters that the optimizer moves: adapters, and the rows of a new head."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def train(self, mode: bool = True) -> LoraModule:
        """Only adapters, and with ``dropout`` the network's dropout layers, ever enter training mode."""
        super().train(mode)
        self.network.eval()
        for layer in adapted_layers(self.network).values():
            layer.train(mode)
        for module in self.network.modules() if self.step_options.dropout else ():
            if isinstance(module, DROPOUTS):
                module.train(mode)
        return self

    def training_step(self, batch: Mapping[str, Tensor], batch_index: int) -> Tensor:
        """The task's loss on the new images plus weighted distillation on this step's anchors and the
        adapters' weighted drift, a scalar; :meth:`backward` computes its gradients."""
        self._images = batch.get("indices")
        self._step = StepLoss(lambda: self._loss(batch), self.parts, self.global_step)
        if self._reads_now():
            # Of several processes one alone must not end here: the others would wait for its gradients.
            if this_process().count == 1:
                self._require_sense(self._step.value, "the loss is")
            for name, figure in self._step.figures.items():
                self.log(f"train/{name}", figure)
        return self._step.value

    def _loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """What a step minimises, and its figures by name."""
        inputs, labels, count = network_inputs(batch), batch["labels"], len(batch["labels"])
        if self.step_options.mixing is not None:  # then batches hold images
            inputs[0], labels = self.step_options.mixing(inputs[0], labels, self.global_step)
        anchors = self.teacher.batch(self.suffix, self.global_step) if self.teacher else None
        if anchors is not None:
            inputs = [torch.cat(parts) for parts in zip(inputs, anchors.inputs, strict=True)]
        with self._seeded_dropout():
            logits = self.parts.compute(self.suffix, inputs)
        loss = self.task.loss(logits[:count], labels) * batch.get("share", 1)
        figures: dict[str, Tensor] = {}
        if anchors is not None and self.matching is not None:
            kept, figures = self.matching.loss(logits[count:], anchors)
            loss = loss + kept
        if self.drift is not None:
            figures["drift"] = self.drift()
            loss = loss + self.drift_weight * figures["drift"]
        regularizer = adapter_regularizer(self.network) if self.has_hooks else None
        if regularizer is not None:
            loss = loss + regularizer
            figures["regularizer"] = regularizer
        return loss, {**figures, **self.task.step_figures(logits[:count], batch["labels"])}

    def backward(self, loss: Tensor, *arguments: Any, **options: Any) -> None:
        """The gradients of :meth:`training_step`'s loss, which may come scaled (precision 16-mixed)."""
        assert self._step is not None
        step, self._step = self._step, None
        step.backward(loss, self.trainable, self.trainer.precision_plugin.train_step_context)

    def _reads_now(self) -> bool:
        """Whether this step's numbers are read, for which an accelerator has to be waited for."""
        step = self.global_step + 1
        return step % reading_interval(self.device) == 0 or step >= self.total_steps

    def _require_sense(self, value: Tensor, what: str, most: float = MOST) -> None:
        """Raise Diverged for NaN, infinity, and what is as good as that."""
        if not value.detach().abs() < most:
            raise Diverged(
                f"{what} {value.item():g} at step {self.global_step}",
                f"lower optimizer.lr (now {self.optimizer_options.lr}) or set trainer.precision=32-true",
                [] if self._images is None else self._images.tolist(),
            )

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Take the step and tell the adapters about it while its gradients are still there; what it leaves
        has to be numbers.

        Not in ``on_train_batch_end``: there callbacks come first, which average and save what it leaves.
        """
        super().optimizer_step(*arguments, **options)
        if self._reads_now():
            norm = torch.nn.utils.get_total_norm(self.trainable)
            self._require_sense(norm, "the parameters' norm is", self._most_norm)
        if self.has_hooks:
            step_adapters(self.network, self.global_step + 1, self.total_steps)
        if self.restarts_after(self.global_step + 1):
            restart(self.network, self.trainer.optimizers[0], self.step_options.seed, self.global_step + 1)

    def restarts_after(self, step: int) -> bool:
        """Whether the adapters restart after optimizer step ``step``; nothing would follow the last one."""
        every = self.step_options.restart_every
        return every is not None and step % every == 0 and step < self.total_steps

    def _seeded_dropout(self) -> AbstractContextManager[None]:
        """Inside, dropout masks are a function of seed and step."""
        if not self.draws_dropout:
            return nullcontext()
        rank = this_process().rank  # each process has other images, and so other masks
        seed = mixed("dropout", self.step_options.seed, self.global_step, *([rank] if rank else []))
        return seeded(self.device, seed)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient's L2 norm before it is clipped."""
        if self._reads_now():
            gradients = [parameter.grad for parameter in self.trainable if parameter.grad is not None]
            self.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))

    def on_fit_start(self) -> None:
        """Run the frozen network once on the anchors that validation and the drift penalty need."""
        if self.teacher is not None:
            self.teacher.prepare(self.suffix)
            if self.drift_weight:
                self.drift = self.teacher.drift(self.suffix)
            give_back_freed_memory()  # what a step needs has other sizes
        # A new head is long where the frozen features hardly differ (random weights).
        self._most_norm = MOST * max(1.0, float(torch.nn.utils.get_total_norm(self.trainable)))
        self.train()  # Lightning does not change the mode of any module by itself

    def on_validation_start(self) -> None:
        """Validate with merged weights, which are used after training, and at no cost for the adapters."""
        self._validating.enter_context(phase("validation"))
        self._validating.enter_context(merged(self.network))
        self._validation.clear()

    def validation_step(self, batch: Mapping[str, Tensor], batch_index: int) -> None:
        """Collect the logits."""
        logits = computed(self.suffix, *network_inputs(batch))
        self._validation.append((logits.float(), batch["labels"], batch["indices"]))

    def on_validation_epoch_end(self) -> None:
        """Log the figures; the checkpoint with the smallest ``val/objective`` is the run's.

        It is the task's, and the top-1 estimated to be lost on anchors as far as so few images establish that
        it exceeds ``retention.budget``: within the budget nothing is held against a checkpoint that has
        learned.
        """
        logits, labels, indices = (torch.cat(parts).cpu() for parts in zip(*self._validation, strict=True))
        predictions = of_all_processes(Predictions(logits, labels), indices)
        self.validated = predictions.logits, predictions.labels
        figures = self.task.scores(*self.validated)
        scores = {f"val/{name}": value for name, value in figures.items()}
        objective = self.task.objective(figures)
        if self.teacher is not None:
            student, frozen = self.teacher.compare(self.suffix)
            scores["val/distillation"] = float(
                self.task.distillation(student, frozen, self.retention.temperature)
            )
            unlabelled = torch.full((len(student),), -1)
            now, before = (Predictions(of.float().cpu(), unlabelled) for of in (student, frozen))
            lost = now.estimated_lost(before)
            scores |= {"val/agreement": now.agreement(before), "val/estimated_lost": lost}
            if self.retention.budget is not None:
                objective += max(0.0, lost - largest_plausible(self.retention.budget, len(student)))
        self.log_dict(agreed({**scores, "val/objective": objective}))

    def on_validation_end(self) -> None:
        """Give the base tensors back."""
        self._validating.close()

    def on_exception(self, exception: BaseException) -> None:
        """After an interrupted validation the weights must not stay merged."""
        self.on_validation_end()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store what was decided while training."""
        checkpoint["parts"] = self.parts.count

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore it, and what adapters keep outside their tensors, which are those of the checkpoint."""
        self.parts.count = checkpoint["parts"]
        start_adapters(self.network, checkpoint["step"], self.total_steps)

    def configure_optimizers(self) -> Any:
        """The optimizer; the learning rate rises linearly, then follows its schedule, step by step."""
        options = self.optimizer_options
        assert isinstance(options.lr, (int, float)), "for_head() and select_learning_rate() come first"
        first, second = options.betas
        parts = trained_groups(self.network, options.lr, options.adapter_factor, options.b_factor)
        optimizer = make_optimizer(
            options.name, parts, options.lr, options.weight_decay, (first, second), options.options
        )
        schedule = make_schedule(optimizer, options, self.total_steps, self.step_options.restart_every)
        stepped = {"scheduler": schedule, "interval": "step", "name": "train/lr"}
        return {"optimizer": optimizer, "lr_scheduler": stepped}
