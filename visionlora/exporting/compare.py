"""Whether a file gives what the network gives: top-1 and logits on real images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visionlora.errors import VisionLoraError
from visionlora.exporting.images import Batch
from visionlora.models.classes import UnknownClass, find_class
from visionlora.text import counted

Runner = Callable[[Tensor], Tensor]
"""What an opened file computes: logits (images, outputs) of its own kind of input."""

SAME = 1e-3
"""The largest difference of logits, as a share of the largest logit, of a file in float32."""
RESIZED = 0.05
"""Share of images whose top-1 may differ where the file resizes them with another library's rounding."""
MAP = 0.999
"""Share of pixels that have to have the same class for a map of classes to be the same."""
NOTABLE = 0.02
"""Loss of top-1, or share of images with another top-1, that is worth a warning."""


@dataclass(frozen=True)
class Comparison:
    """What a file gives on real images, beside what the network gives.

    Attributes:
        images: how many.
        same: on how many of them top-1 is the same output.
        difference: the largest difference between two logits.
        scale: the largest of the network's logits, by amount.
        labelled: how many images have a class of the network's.
        top1: shares of these that the network and the file name rightly; None without any.
    """

    images: int
    same: int
    difference: float
    scale: float
    labelled: int
    top1: tuple[float, float] | None

    def in_words(self) -> str:
        """One line for the terminal."""
        line = (
            f"top-1 is the same on {self.same:,} of {counted(self.images, 'image')}, logits differ by "
            f"at most {self.difference:.2g} (of {self.scale:.3g})"
        )
        if self.top1 is None:
            return line
        of = "" if self.labelled == self.images else f" on the {self.labelled:,} with a known class"
        return f"{line}; top-1 accuracy{of} {self.top1[0]:.3f} in PyTorch, {self.top1[1]:.3f} in the file"

    def notable(self) -> bool:
        """Whether the file is worse than rounding explains."""
        if self.top1 is not None:
            return self.top1[0] - self.top1[1] > NOTABLE
        return self.same < (1 - NOTABLE) * self.images


@torch.inference_mode()
def compare(
    network: nn.Module, run: Runner, batches: Iterable[Batch], outputs: Sequence[str], wnids: Sequence[str]
) -> Comparison:
    """Run both over the same images.

    Args:
        network: plain, in eval mode, on the CPU.
        run: the opened file.
        batches: of images.
        outputs: the name of each output.
        wnids: their WordNet ids, "" where there is none.

    Raises:
        VisionLoraError: logits of the file that are not numbers, or a label that several outputs have.
    """
    of_network, of_file, targets = [], [], []
    for batch in batches:
        of_network.append(network(batch.normalised).float())
        of_file.append(run(batch.inputs).float())
        targets += [_output(one, outputs, wnids) for one in batch.labels]
    expected, got, labels = torch.cat(of_network), torch.cat(of_file), torch.tensor(targets)
    if got.shape != expected.shape or not bool(torch.isfinite(got).all()):
        raise VisionLoraError(
            "output: the file gives logits that are not numbers; use precision=float32 "
            "(half precision ends at 65,504)"
        )
    known = labels >= 0
    same = (expected.argmax(1) == got.argmax(1)).float().reshape(len(labels), -1).mean(1) >= MAP
    top1 = None
    if bool(known.any()) and expected.dim() == 2:
        top1 = tuple(float((one.argmax(1) == labels)[known].float().mean()) for one in (expected, got))
    return Comparison(
        len(labels),
        int(same.sum()),
        float((expected - got).abs().max()),
        float(expected.abs().max()),
        int(known.sum()),
        top1,  # type: ignore[arg-type]
    )


def _output(label: str | None, outputs: Sequence[str], wnids: Sequence[str]) -> int:
    """The output of a class; -1 where the image has none, or one that the network does not know."""
    if label is None:
        return -1
    try:
        return find_class(label, outputs, wnids)
    except UnknownClass:
        return -1


def require_same(found: Comparison, precision: str, preprocess: str) -> None:
    """Refuse a file that does not compute what the network computes.

    Raises:
        VisionLoraError: a file in float32 has other logits or another top-1 on some image.
    """
    if precision != "float32":
        return
    if preprocess == "all":
        fits = found.same >= (1 - RESIZED) * found.images
    else:
        fits = found.same == found.images and found.difference <= SAME * max(1.0, found.scale)
    if not fits:
        raise VisionLoraError(
            f"output: the file does not compute what PyTorch does ({found.in_words()}), so it is not kept; "
            "try another format, and report it with the network's name"
        )
