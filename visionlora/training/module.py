"""The LightningModule: new images are learned, the frozen network's answers on anchors are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import adapted_layers, merged
from visionlora.adapters.network import uses_dropout
from visionlora.data.augment import mixed
from visionlora.errors import VisionLoraError
from visionlora.evaluation.predictions import Answers
from visionlora.frozen.split import DROPOUTS
from visionlora.retention.config import RetentionConfig
from visionlora.retention.drift import Drift
from visionlora.retention.teacher import AnchorTeacher
from visionlora.tasks.losses import distillation, gradient_norm
from visionlora.training.config import OptimizerConfig
from visionlora.training.features import inputs_of


class LoraModule(lightning.LightningModule):
    """Trains whatever in ``network`` requires a gradient; everything else stays as it is.

    Args:
        network: an adapted network, (batch, 3, height, width) to logits (batch, outputs).
        total_steps: optimizer steps of the run; the learning rate reaches zero there.
        optimizer: AdamW's settings.
        retention: weight and temperature of the distillation.
        teacher: the frozen network's answers on anchors; None trains without distillation.
        dropout: whether the network's own dropout layers are active while training.
        rest: the part of the network that is left to compute where batches hold features (``features``);
            None: batches hold images.
        seed: what dropout drops is a function of it and of the step alone.
    """

    strict_loading = False

    def __init__(
        self,
        network: nn.Module,
        total_steps: int,
        optimizer: OptimizerConfig,
        retention: RetentionConfig,
        teacher: AnchorTeacher | None = None,
        dropout: bool = False,
        rest: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.seed = seed
        self.network = network
        self.rest = network if rest is None else rest
        self.total_steps = total_steps
        self.optimizer_options = optimizer
        self.retention = retention
        self.teacher = teacher
        self.retention_weight = retention.weight_for(teacher.old_outputs) if teacher else 0.0
        self.drift_weight = retention.drift_for(teacher.old_outputs, teacher.classes) if teacher else 0.0
        self.drift: Drift | None = None
        self.dropout = dropout
        self.drops = dropout or uses_dropout(network)
        """Whether anything is dropped at all."""
        self._validation: list[tuple[Tensor, Tensor]] = []
        self._merged: AbstractContextManager[Any] | None = None

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that the optimizer moves: adapters, and the rows of a new head."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def train(self, mode: bool = True) -> LoraModule:
        """Frozen means frozen: only adapters (and, if asked, the network's dropout) know training mode."""
        super().train(mode)
        self.network.eval()
        for layer in adapted_layers(self.network).values():
            layer.train(mode)
        if self.dropout:
            for module in self.network.modules():
                if isinstance(module, DROPOUTS):
                    module.train(mode)
        return self

    def training_step(self, batch: Mapping[str, Tensor], batch_index: int) -> Tensor:
        """Cross-entropy on the new images plus weighted distillation on this step's anchors and the
        adapters' weighted drift, a scalar."""
        inputs, count = inputs_of(batch), len(batch["labels"])
        anchors = self.teacher.batch(self.rest, self.global_step) if self.teacher else None
        if anchors is not None:
            inputs = [torch.cat(parts) for parts in zip(inputs, anchors.inputs, strict=True)]
        with self._dropping():
            logits = self.rest(*inputs)
        learning = F.cross_entropy(logits[:count].float(), batch["labels"])
        loss = learning
        if anchors is not None:
            keeping = distillation(logits[count:], anchors.logits, self.retention.temperature)
            loss = learning + self.retention_weight * keeping
            self.log("train/distillation", keeping.detach())
        if self.drift is not None:
            moved = self.drift()
            loss = loss + self.drift_weight * moved
            self.log("train/drift", moved.detach())
        if not torch.isfinite(loss):
            raise VisionLoraError(
                f"the loss is {loss.item()} at step {self.global_step}; lower optimizer.lr "
                f"(now {self.optimizer_options.lr}) or set trainer.precision=32-true"
            )
        accuracy = (logits[:count].argmax(1) == batch["labels"]).float().mean()
        self.log("train/loss", learning.detach(), prog_bar=True)
        self.log("train/top1", accuracy, prog_bar=True)
        return loss

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        """Inside, dropout is as in every run with this seed at this step; afterwards it is as if nothing had
        been drawn."""
        if not self.drops:
            yield
            return
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(mixed("dropout", self.seed, self.global_step))
            yield

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient's L2 norm before it is clipped."""
        self.log("train/gradient_norm", gradient_norm(self.trainable()))

    def on_fit_start(self) -> None:
        """Ask the frozen network about the anchors of every validation, and its layers' inputs, once."""
        if self.teacher is not None:
            self.teacher.prepare(self.rest)
            if self.drift_weight:
                self.drift = self.teacher.drift(self.rest)
        self.train()  # Lightning leaves every module in the mode that it finds it in

    def on_validation_start(self) -> None:
        """Validate with merged weights: that is what is used afterwards, and the adapter costs nothing."""
        self._merged = merged(self.network)
        self._merged.__enter__()
        self._validation.clear()

    def validation_step(self, batch: Mapping[str, Tensor], batch_index: int) -> None:
        """Collect the logits."""
        self._validation.append((self.rest(*inputs_of(batch)).float(), batch["labels"]))

    def on_validation_epoch_end(self) -> None:
        """Log the figures; the checkpoint with the smallest ``val/objective`` is the run's.

        It is the share of wrong answers, a tenth of the loss and the weighted distillation. The whole loss
        would let a single confident mistake choose an early checkpoint that has forgotten more.
        """
        logits, labels = (torch.cat(parts).cpu() for parts in zip(*self._validation, strict=True))
        scores = Answers(logits, labels).scores()
        objective = 1 - scores["val/top1"] + scores["val/loss"] / 10
        if self.teacher is not None:
            student, frozen = self.teacher.check(self.rest)
            keeping = float(distillation(student, frozen, self.retention.temperature))
            seen, nobody = student.float().cpu(), torch.full((len(student),), -1)
            now, then = Answers(seen, nobody), Answers(frozen.float().cpu(), nobody)
            scores["val/distillation"] = keeping
            scores["val/agreement"] = now.agreement(then)
            scores["val/estimated_lost"] = now.estimated_lost(then)
            objective += self.retention_weight * keeping
        self.log_dict({**scores, "val/objective": objective})
        self.log("top1", scores["val/top1"], prog_bar=True, logger=False)

    def on_validation_end(self) -> None:
        """Give the base tensors back."""
        if self._merged is not None:
            self._merged.__exit__(None, None, None)
            self._merged = None

    def on_exception(self, exception: BaseException) -> None:
        """An interrupted validation must not leave merged weights behind."""
        self.on_validation_end()

    def configure_optimizers(self) -> Any:
        """AdamW; the learning rate rises linearly, then falls as a cosine, step by step."""
        options = self.optimizer_options
        first, second = options.betas
        assert not isinstance(options.lr, str), "settle_lr() comes before training"
        optimizer = torch.optim.AdamW(
            self.trainable(), lr=options.lr, betas=(first, second), weight_decay=options.weight_decay
        )
        warmup = max(1, round(options.warmup * self.total_steps))

        def share(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self.total_steps - warmup)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was trained; the frozen tensors are a file of their own already."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        checkpoint["state_dict"] = {
            name: value for name, value in checkpoint["state_dict"].items() if name in trained
        }
        if self.teacher is not None:
            # Computed in other batches they could differ in the last bit, and so would a resumed run.
            checkpoint["frozen_answers"] = self.teacher.known

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the frozen network's answers back, so that a resumed run continues to the same bytes."""
        if self.teacher is not None:
            self.teacher.known.update(checkpoint.get("frozen_answers", {}))
