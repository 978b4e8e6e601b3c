"""The frozen network as a teacher: its logits on unlabelled anchor images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visionlora.adapters import adapters_off
from visionlora.frozen.features import FeatureCache
from visionlora.memory import computed
from visionlora.phases import phase
from visionlora.retention.anchor_views import Anchor, View
from visionlora.retention.drift import Drift
from visionlora.retention.stream import AnchorStream
from visionlora.this_process import this_process

FEWEST_HELD_OUT = 16
"""Fewer images than that estimate forgetting too coarsely to choose a strength."""
MOST_HELD_OUT = 128
VIEWS_HELD_OUT = 6
"""Views of each image that forgetting is estimated on, as far as :data:`MOST_HELD_OUT` of all allow. How many
of so few photos change is chance: over six views of each the estimate varies half as much."""
FEWEST_TO_DIVIDE = 64
"""None of fewer anchors are held out: training needs them all."""
VALIDATION_ANCHORS = 32
"""Anchors, unaugmented, that validation compares both networks on."""
DRIFT_ANCHORS = 128
"""From so many the drift penalty takes its layers' inputs."""
IMPROBABLE = 20.0
"""How far below every other logit that of an excluded class lies: a probability of at most 2e-9."""

Parts = list[tuple[Tensor, ...]]
"""A network's inputs, a part of the rows at a time."""


@dataclass(frozen=True)
class AnchorBatch:
    """Anchors of one step.

    Attributes:
        inputs: what the network is called with: images (n, 3, height, width), or features of n rows.
        logits: the frozen network's (n, old outputs), replaced for ``excluded`` outputs on negatives.
        negatives: which of the n are negatives.
        excluded: outputs.
        share: by how much a mean over them is multiplied, so that the mean over several processes is the one
            over the whole step.
    """

    inputs: list[Tensor]
    logits: Tensor
    negatives: Sequence[bool]
    excluded: Sequence[int]
    share: float = 1.0

    def kept(self) -> Tensor:
        """Which logits are as the frozen network gave them, (n, old outputs)."""
        return ~_mask(self.logits, self.negatives, self.excluded)


def hold_out(
    sources: Sequence[Sequence[Anchor]],
) -> tuple[list[Sequence[Anchor]], list[Anchor]]:
    """Set a share of the anchors aside: forgetting is estimated on images that training never saw.

    An eighth of them, evenly spaced, at least 16 and at most 128; none of fewer than 64.

    Returns:
        The sources without them, and them.
    """
    total = sum(map(len, sources))
    if total < FEWEST_TO_DIVIDE:
        return list(sources), []
    every = total // min(max(FEWEST_HELD_OUT, total // 8), MOST_HELD_OUT)
    held = [anchor for source in sources for anchor in source[every - 1 :: every]]
    kept = [[one for index, one in enumerate(source) if (index + 1) % every] for source in sources]
    return list(kept), held


def views_of_held_out(anchors: Sequence[Anchor]) -> int:
    """In how many views each held-out anchor is looked at; generated ones in one, as they were measured."""
    if any(isinstance(anchor, Tensor) for anchor in anchors):
        return 1
    return max(1, min(VIEWS_HELD_OUT, MOST_HELD_OUT // len(anchors)))


class AnchorTeacher:
    """Serves anchors with the frozen network's logits, those of each view of an image computed once.

    The frozen network is the adapted one with its adapters off: no second copy is in memory.

    Args:
        stream: where the anchors of a step come from.
        old_outputs: how many outputs the frozen network has (an extended head has more).
        anchors: how many of the stream's images, from the first, may show anything; None: all. Those after
            them are negatives, known to show none of the trained classes: there the frozen network's logits
            of these classes are replaced, so that its own false positives are not taught again. What is also
            an anchor is a negative all the same.
        targets: the outputs of the trained classes.
    """

    def __init__(
        self,
        stream: AnchorStream,
        old_outputs: int,
        anchors: int | None = None,
        targets: Sequence[int] = (),
    ) -> None:
        self.stream = stream
        self.old_outputs = old_outputs
        self.anchors = len(stream.anchors) if anchors is None else anchors
        self.classes = len(targets)
        """How many classes are trained."""
        old_targets = [target for target in targets if target < old_outputs]
        # Where every output is trained, there is no other class to give the probability to.
        self.excluded = old_targets if len(old_targets) < old_outputs else []
        self._negatives = frozenset(stream.identities[self.anchors :])
        self.logits: dict[View, Tensor] = {}
        """The frozen network's logits (old outputs,) of each view of an image that was needed so far."""
        self.features: FeatureCache | None = None
        """Where the frozen prefix's values are cached; the network is then its suffix."""
        self._validation: tuple[Parts, Tensor] | None = None

    def batch(self, network: nn.Module, step: int) -> AnchorBatch | None:
        """The anchors of ``step`` on the network's device; of several processes this one's, None where it has
        none."""
        keys = self.stream.drawn(step)
        if not keys:
            return None
        inputs = self._inputs(network, keys)
        if this_process().count > 1:  # what is drawn again may have been another process's
            self._compute(
                network, keys, inputs, [row for row, key in enumerate(keys) if key not in self.logits]
            )
        else:
            self._answer(network, step, inputs)
        for key in keys:
            if key not in self.logits:  # of an earlier step, before the run was interrupted
                self._answer(network, self.stream.first_step(key))
        self.stream.decode_ahead(step + 1)
        share = len(keys) * this_process().count / self.stream.per_step
        logits = torch.stack([self.logits[key] for key in keys])
        return AnchorBatch(inputs, logits, self._are_negatives(key[0] for key in keys), self.excluded, share)

    def _answer(self, network: nn.Module, step: int, inputs: list[Tensor] | None = None) -> None:
        """Compute the logits of what ``step`` is the first to draw; in one batch, always the same, because in
        another one they could differ in the last bit."""
        keys, places = self.stream.drawn(step), self.stream.new_in(step)
        if all(keys[place] in self.logits for place in places):
            return
        inputs = self._inputs(network, keys) if inputs is None else inputs
        self._compute(network, keys, inputs, places)

    def _compute(self, network: nn.Module, keys: list[View], inputs: list[Tensor], rows: list[int]) -> None:
        """Keep the logits of some of the inputs' rows."""
        if rows:
            images = [keys[row][0] for row in rows]
            logits = self._frozen_logits(network, self._parts([value[rows] for value in inputs]), images)
            self.logits.update(zip([keys[row] for row in rows], logits, strict=True))

    def _inputs(self, network: nn.Module, keys: list[View]) -> list[Tensor]:
        device = next(network.parameters()).device

        def images(places: Sequence[int]) -> Tensor:
            return self.stream.images([keys[place] for place in places])

        if self.features is None:
            values = [images(range(len(keys)))]
        else:
            values = self.features.get([("anchor", *key) for key in keys], images)
        return [value.to(device, non_blocking=True) for value in values]

    @phase("teacher")
    def prepare(self, network: nn.Module) -> None:
        """Compute the frozen network's logits that :meth:`compare` needs; not while weights are merged."""
        indices, images = self.stream.plain(VALIDATION_ANCHORS)
        inputs = self._float32_inputs(network, images)
        shown = [self.stream.identities[index] for index in indices]
        parts = self._parts(inputs)
        self._validation = parts, self._frozen_logits(network, parts, shown)

    @phase("teacher")
    def drift(self, network: nn.Module) -> Drift:
        """The drift penalty, with layer inputs from anchors that may show anything."""
        _, images = self.stream.plain(DRIFT_ANCHORS, among=self.anchors or None)
        return Drift(network, (self._float32_inputs(network, batch) for batch in images.split(16)))

    def _float32_inputs(self, network: nn.Module, images: Tensor) -> list[Tensor]:
        """What the network is called with, in single precision: nothing is cast where these are used."""
        device = next(network.parameters()).device
        values = [images] if self.features is None else self.features.compute(images)
        return [value.to(device, torch.float32) for value in values]

    def compare(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Logits of the network as it is now and of the frozen one, on a fixed set of unaugmented anchors.

        Raises:
            RuntimeError: :meth:`prepare` was not called.
        """
        if self._validation is None:
            raise RuntimeError("call prepare() before compare()")
        parts, frozen = self._validation
        return _logits(network, parts), frozen

    def _parts(self, inputs: list[Tensor]) -> Parts:
        """Inputs in parts of twice as many rows as a step has anchors: with as many new images as its default
        that is fewer than a step computes. All at once took more memory than a step."""
        return list(zip(*(value.split(2 * self.stream.per_step) for value in inputs), strict=True))

    @phase("teacher")
    @torch.no_grad()
    def _frozen_logits(self, network: nn.Module, parts: Parts, images: Sequence[str]) -> Tensor:
        # Dropout must not change the teacher's logits.
        was_training = [module for module in network.modules() if module.training]
        network.eval()
        with adapters_off(network):
            logits = _logits(network, parts)[:, : self.old_outputs].float()
        for module in was_training:
            module.training = True
        improbable = logits.amin(dim=1, keepdim=True) - IMPROBABLE
        return torch.where(_mask(logits, self._are_negatives(images), self.excluded), improbable, logits)

    def _are_negatives(self, images: Iterable[str]) -> list[bool]:
        return [image in self._negatives for image in images]


def _logits(network: nn.Module, parts: Parts) -> Tensor:
    return torch.cat([computed(network, *part) for part in parts])


def _mask(logits: Tensor, rows: Sequence[bool], outputs: Sequence[int]) -> Tensor:
    """True at these outputs of these rows of the logits."""
    mask = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    if outputs:
        mask[:, list(outputs)] = torch.tensor(rows, device=logits.device)[:, None]
    return mask
