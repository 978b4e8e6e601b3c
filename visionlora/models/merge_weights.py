"""Plain weights for ``torchvision.models.get_model(name).load_state_dict``, with the adapter merged in."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save_file

from visionlora.adapters import merge
from visionlora.errors import VisionLoraError
from visionlora.files import replacing
from visionlora.models import About, plain_head
from visionlora.models.restore import Restored, restore

FORMATS = (".safetensors", ".pth", ".pt")


def write_merged(
    adapter: str,
    output: str,
    model: str | None = None,
    weights: str | None = None,
    console: Console | None = None,
) -> Path:
    """Write the merged state dict to ``output``, the outputs' names to ``<output>.classes.json`` beside it.

    Raises:
        VisionLoraError: ``output`` has another suffix than .safetensors, .pth or .pt.
    """
    path = Path(output)
    if path.suffix not in FORMATS:
        raise VisionLoraError(f"output: {output} ends in none of {', '.join(FORMATS)}; choose one of them")
    restored = restore(adapter, model, weights)
    network = plain_head(merge(restored.network))
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    about = {
        "model": restored.backbone.name,
        "num_classes": len(restored.head.outputs),
        "trained": list(restored.classes),
        "classes": list(restored.head.outputs),
    }
    with replacing(path) as beside:
        if path.suffix == ".safetensors":
            names_too = About(restored.head.outputs, _wnids(restored), restored.backbone.preprocessing)
            save_file(state, beside, names_too.metadata())
        else:
            torch.save(state, beside)
    names = path.with_suffix(".classes.json")
    with replacing(names) as beside:
        beside.write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
    (console or Console()).print(
        f"{path}: {about['model']} with {about['num_classes']} outputs; their names are in {names.name}",
        highlight=False,
    )
    return path


def _wnids(restored: Restored) -> tuple[str, ...]:
    """The outputs' WordNet ids, "" for those that were added."""
    known = () if restored.head.kind == "new" else restored.backbone.wnids
    return (*known, *[""] * (len(restored.head.outputs) - len(known)))
