"""How near a quantised network with a start of the adapters is to the dense one, on photos.

    python -m benchmarks.quantised_start --weights WEIGHTS --images PHOTOS

Nothing is trained. For each number of bits and each start: the weights' error (mean of the layers), the share
of the photos on which the predicted class is the dense network's, and the relative difference of the logits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.command import new_parser, run_command
from visionlora.adapters import LoraConfig, attach
from visionlora.data import ImageDataset, ImageFile
from visionlora.data.loading.image_loader import make_loader
from visionlora.models import load_backbone
from visionlora.models.quantise import NewCorrections, absorbed_ranks, quantise_base
from visionlora.models.registry import final_layer

STARTS = ("default", "pissa", "loftq")


@torch.no_grad()
def _run(options: argparse.Namespace, command: str) -> None:
    paths = sorted(
        path for path in options.images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    console = Console()
    console.print("| bits | rank | start | weights' error | agreement | logits' difference |", markup=False)
    console.print("| --- | ---: | --- | ---: | ---: | ---: |")
    backbone = load_backbone(options.network, str(options.weights))
    images = [ImageFile(path, None) for path in paths]
    loader = make_loader(ImageDataset(images, backbone.preprocessing, targets=None), 32)
    batches = [batch["images"] for batch in loader]
    dense = torch.cat([backbone.model(batch) for batch in batches])
    for scheme in ("nf4", "int8"):
        for rank in options.ranks:
            for start in STARTS:
                model = load_backbone(options.network, str(options.weights)).model
                lora = LoraConfig(rank=rank, init=start)
                head = final_layer(model, dense.shape[1])
                base = quantise_base(
                    model, scheme, ("first", "head"), head, backbone.preprocessing.crop,
                    corrections=NewCorrections(absorbed_ranks(model, lora, ()), start),
                )  # fmt: skip
                attach(model, lora, generator=torch.Generator().manual_seed(0))
                logits = torch.cat([model(batch) for batch in batches])
                error = sum(one.left for one in base.errors.values()) / len(base.errors)
                agreement = float((logits.argmax(1) == dense.argmax(1)).float().mean())
                difference = float((logits - dense).norm() / dense.norm())
                console.print(
                    f"| {scheme} | {rank} | {start} | {error:.4f} | {agreement:.3f} | {difference:.3f} |",
                    markup=False,
                )


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("quantised_start", __doc__)
    add = parser.add_argument
    add("--network", default="squeezenet1_0")
    add("--weights", type=Path, required=True, help="a weight file")
    add("--images", type=Path, required=True, help="a folder of photos")
    add("--ranks", type=int, nargs="+", default=[8, 32])
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
