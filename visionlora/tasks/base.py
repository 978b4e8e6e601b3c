"""What a task is: everything that training and evaluation ask about labels and logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor

Prediction = list[tuple[str, float]]
"""(class name, probability), most probable first."""


class Task(Protocol):
    """Loss, distillation, metrics and decoding of one kind of labels.

    Logits have the shape (images, outputs, ...). What labels are is the task's own business: the data makes
    them, and nobody else looks into them.
    """

    name: ClassVar[str]
    """As the configuration calls it (``task=``)."""
    figures: ClassVar[tuple[str, ...]]
    """The figures of :meth:`scores`."""
    relative: ClassVar[bool]
    """Whether a constant added to all logits of an image changes no answer."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What training minimises on labelled images: a scalar, computed in float32."""

    def head_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What a new head starts with the least of: a scalar without smoothing and weights, summed over
        outputs that have nothing to do with each other."""

    def head_in_words(self, logits: Tensor, labels: Tensor) -> str:
        """How good that start is on training images."""

    def step_figures(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What a training step logs: scalars by name, ``loss`` among them."""

    def distillation(self, student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """How far the adapted network's answers are from the frozen one's: a scalar, 0 where they agree."""

    def scores(self, logits: Tensor, labels: Tensor) -> dict[str, float]:
        """The figures of validation images."""

    def objective(self, scores: Mapping[str, float]) -> float:
        """What chooses between checkpoints, made of :meth:`scores`: the smaller the better."""

    def metrics(self, logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> dict[str, Any]:
        """The figures of labelled images for ``metrics.json``, with their intervals, and those of each class.

        Args:
            logits: of the images.
            labels: of the images.
            names: the trained classes by their outputs.
        """

    def decode(self, logits: Tensor, outputs: Sequence[str], top: int) -> list[Prediction]:
        """What the network says about each image.

        Args:
            logits: of the images.
            outputs: the name of each output.
            top: classes of an image where the task itself does not decide how many.
        """

    def shown(self, logits: Tensor, outputs: Sequence[str], top: int) -> list[Prediction]:
        """The same for places that hold one name: the first one is all that the network says."""

    def mean_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits whose probabilities are the mean of those of ``first`` and ``second``, in float32."""

    def mistakes(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Which images the network is wrong about: bool, shape (images,)."""

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each image without smoothing and weights, shape (images,)."""

    def truths(self, labels: Tensor, outputs: Sequence[str]) -> list[str | None]:
        """What each image's labels say, as the first name of :meth:`shown` would; None: it has none."""

    def chosen_on(self, logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> Chosen:
        """What validation images choose for decoding, once training is over.

        Args:
            logits: of the validation images.
            labels: of these images.
            names: the trained classes by their outputs.
        """

    def about(self, outputs: Sequence[str]) -> dict[str, Any]:
        """What decoding needs, as keys of our own in the adapter's configuration."""


@dataclass(frozen=True)
class Chosen:
    """A task with what validation images chose for it.

    Attributes:
        task: the task.
        what: that was chosen, in words for "selected on these images".
        words: the choice for the user; None: there was none.
        cross_fitted: figures of each half of the images with what the other half chose, for ``metrics.json``.
    """

    task: Task
    what: tuple[str, ...] = ()
    words: str | None = None
    cross_fitted: dict[str, Any] = field(default_factory=dict)
