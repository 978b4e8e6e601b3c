"""Render photos, pretrain the pocket network on them and write visionlora/models/pocket.safetensors.

    python scripts/pretrain_pocket.py

The same settings give the same images and, on the same kind of processor, the same weights.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from render import CLASSES, render
from safetensors.torch import save
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.files import replacing
from visionlora.models.metadata import WeightsMetadata

WEIGHTS = Path(__file__).parents[1] / "visionlora" / "models" / "pocket.safetensors"
PREPROCESSING = Preprocessing(
    resize=144, crop=128, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear"
)
HELD_OUT = 1_000_000  # first seed of the images for measuring accuracy
SMALL = 96  # side of the images in the first part of training: cheaper, and enough for coarse shapes


def main() -> None:
    options = _options()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    images, labels = photos(0, options.per_class, options.workers, options.cache)
    held_out = photos(HELD_OUT, options.held_out_per_class, options.workers, options.cache)
    print(f"{len(images)} + {len(held_out[0])} photos after {time.perf_counter() - start:.0f} s", flush=True)
    model = squeezenet1_1(num_classes=len(CLASSES)).to(memory_format=torch.channels_last)
    train(model, images, labels, held_out, options)
    model = model.half().float()  # measure the weights that are written
    is_correct = correct(model, *held_out)
    per_class = {name: is_correct[held_out[1] == i].float().mean().item() for i, name in enumerate(CLASSES)}
    settings = {
        k: v for k, v in vars(options).items() if k in ("seed", "per_class", "epochs", "batch", "rate")
    }
    write(model, is_correct.float().mean().item(), per_class, settings, options.output)
    print(
        f"held-out accuracy {is_correct.float().mean():.4f}, {time.perf_counter() - start:.0f} s", flush=True
    )
    print(json.dumps(per_class, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-class", type=int, default=600, help="training photos per class")
    parser.add_argument("--held-out-per-class", type=int, default=50, help="held-out photos per class")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate of the cycle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes for rendering")
    parser.add_argument("--threads", type=int, default=1, help="threads for training")
    parser.add_argument("--cache", type=Path, help="folder to keep the photos in between runs")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    return parser.parse_args()


def photos(first: int, count: int, workers: int, cache: Path | None = None) -> tuple[Tensor, Tensor]:
    """``count`` photos of each class with seeds from ``first``: (photos, 3, 144, 144) uint8, and labels."""
    kept = cache and cache / f"{first}-{count}.npy"
    if kept and kept.exists():
        images = np.load(kept)
    else:
        with ProcessPoolExecutor(workers) as pool:
            jobs = [(name, first + i) for name in CLASSES for i in range(count)]
            images = np.stack(list(pool.map(_photo, jobs, chunksize=25)))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, images)
    labels = torch.arange(len(CLASSES)).repeat_interleave(count)
    return torch.from_numpy(images).permute(0, 3, 1, 2), labels


def _photo(job: tuple[str, int]) -> NDArray[np.uint8]:
    return render(*job, size=PREPROCESSING.resize)


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    held_out: tuple[Tensor, Tensor],
    options: argparse.Namespace,
) -> None:
    """AdamW through one cycle of learning rates; small images first."""
    steps = len(images) // options.batch
    optimizer = torch.optim.AdamW(model.parameters(), options.rate, weight_decay=1e-3)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, options.epochs * steps, pct_start=0.2
    )
    for epoch in range(options.epochs):
        start, total = time.perf_counter(), 0.0
        side = SMALL if epoch < options.epochs * 0.7 else PREPROCESSING.crop
        model.train()
        for batch in torch.randperm(len(images))[: steps * options.batch].split(options.batch):
            pixels = augment(images[batch], side).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(pixels)
            loss = nn.functional.cross_entropy(logits.float(), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimizer.step()
            cycle.step()
            total += loss.item()
        accuracy = correct(model, held_out[0][::5], held_out[1][::5]).float().mean()
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch + 1}: loss {total / steps:.3f}, held-out {accuracy:.3f}, {seconds:.0f} s",
            flush=True,
        )


def augment(images: Tensor, side: int) -> Tensor:
    """Crops (0.7 to 1 of the area), flips, some brightness, contrast, tint; normalised (n, 3, side, side)."""
    n = len(images)
    scale = torch.empty(n).uniform_(0.7, 1).sqrt()
    ratio = torch.exp(torch.empty(n).uniform_(-0.15, 0.15))
    width, height = (scale * ratio.sqrt()).clamp(max=1), (scale / ratio.sqrt()).clamp(max=1)
    flip = torch.randint(0, 2, (n,)) * 2 - 1
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width * flip, height
    theta[:, 0, 2] = (1 - width) * torch.empty(n).uniform_(-1, 1)
    theta[:, 1, 2] = (1 - height) * torch.empty(n).uniform_(-1, 1)
    grid = nn.functional.affine_grid(theta, [n, 3, side, side], align_corners=False)
    pixels = nn.functional.grid_sample(
        images.float() / 255, grid, "bilinear", "reflection", align_corners=False
    )
    gain = torch.exp(0.15 * torch.randn(n, 1, 1, 1) + 0.04 * torch.randn(n, 3, 1, 1))
    contrast = torch.exp(0.15 * torch.randn(n, 1, 1, 1))
    mean = pixels.mean((2, 3), keepdim=True)
    return normalise(((pixels - mean) * contrast + mean).mul(gain).clamp(0, 1))


def normalise(pixels: Tensor) -> Tensor:
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PREPROCESSING.mean, PREPROCESSING.std))
    return (pixels - mean) / std


@torch.inference_mode()
def correct(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """For each photo, whether the network classifies its centre crop correctly."""
    model.eval()
    edge = (images.shape[-1] - PREPROCESSING.crop) // 2
    centre = images[..., edge : edge + PREPROCESSING.crop, edge : edge + PREPROCESSING.crop]
    predictions = [
        model(normalise(part.float() / 255).contiguous(memory_format=torch.channels_last)).argmax(1)
        for part in centre.split(64)
    ]
    return torch.cat(predictions) == labels


def write(
    model: nn.Module, accuracy: float, per_class: dict[str, float], settings: dict[str, float], path: Path
) -> None:
    """Write the weights in half precision, with their metadata."""
    about = WeightsMetadata(tuple(CLASSES), tuple(wnid for wnid, _ in CLASSES.values()), PREPROCESSING)
    metadata = {
        **about.as_text(),
        "architecture": "squeezenet1_1",
        "accuracy": f"{accuracy:.4f}",
        "accuracy_per_class": json.dumps({k: round(v, 4) for k, v in per_class.items()}),
        "settings": json.dumps(settings),
        "description": "Pretrained on rendered photos by scripts/pretrain_pocket.py, for trying things out.",
    }
    state = {k: v.half().contiguous() for k, v in model.state_dict().items()}
    with replacing(path) as beside:
        beside.write_bytes(save(state, metadata))  # unlike save_file, follows the umask


if __name__ == "__main__":
    main()
