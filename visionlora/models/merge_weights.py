"""Write merged weights, which ``torchvision.models.get_model(name).load_state_dict`` reads."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text
from safetensors.torch import save_file

from visionlora.adapters import merge
from visionlora.errors import VisionLoraError
from visionlora.files import replacing, require_writable, write_json
from visionlora.frozen.growth import growths
from visionlora.models import WeightsMetadata, plain_head
from visionlora.models.restore import TrainedModel, restore
from visionlora.text import printable

FORMATS = (".safetensors", ".pth", ".pt")


def write_merged(
    adapter: str,
    output: str,
    model: str | None = None,
    weights: str | None = None,
    console: Console | None = None,
) -> Path:
    """Write the merged state dict to ``output``, and the names of the outputs to ``<output>.classes.json``.

    Args:
        adapter: a run folder or an adapter directory.
        output: a path that ends in .safetensors, .pth or .pt.
        model, weights: as for :func:`restore`.
        console: where to report.

    Returns:
        ``output`` as a path.

    Raises:
        VisionLoraError: ``output`` has another suffix or cannot be written, or the adapter cannot be loaded.
    """
    path = Path(output)
    if path.suffix.lower() not in FORMATS:
        raise VisionLoraError(f"output: {output} has an unknown suffix; use {', '.join(FORMATS)}")
    names = path.with_suffix(".classes.json")
    for file in (path, names):
        require_writable(file, "output")
    trained = restore(adapter, model, weights)
    if growths(trained.network):
        raise VisionLoraError(
            f"output: {adapter} has new blocks (model.expand), and torchvision has no network with them; use "
            "visionlora export with output=NAME.pt2 or NAME.onnx, or visionlora.load in Python"
        )
    network = plain_head(merge(trained.network))
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    about = {
        "model": trained.backbone.name,
        "num_classes": len(trained.head.outputs),
        "trained": list(trained.classes),
        "classes": list(trained.head.outputs),
    }
    with replacing(path) as beside:
        if path.suffix.lower() == ".safetensors":
            description = WeightsMetadata(
                trained.head.outputs, _wnids(trained), trained.backbone.preprocessing
            )
            save_file(state, beside, description.as_text())
        else:
            torch.save(state, beside)
    write_json(names, about, indent=1)
    (console or Console()).print(
        Text(
            f"{printable(path)}: {about['model']} with {about['num_classes']} outputs; "
            f"their names are in {printable(names.name)}"
        )
    )
    return path


def _wnids(trained: TrainedModel) -> tuple[str, ...]:
    """The outputs' WordNet ids, "" for new classes."""
    known = () if trained.head.kind == "new" else trained.backbone.wnids
    return (*known, *[""] * (len(trained.head.outputs) - len(known)))
