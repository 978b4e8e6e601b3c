"""What ``visionlora quantise`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visionlora.errors import VisionLoraError
from visionlora.files import require_writable
from visionlora.frozen.quantised import packed_weights
from visionlora.models import WeightsMetadata, final_layer, load_backbone
from visionlora.models.quantise import quantise_base
from visionlora.models.quantised_file import write_quantised
from visionlora.text import printable


def write_quantised_weights(model: str, output: str, weights: str, scheme: str, skip: Sequence[str]) -> str:
    """Write a network's quantised weights.

    Args:
        model, weights: as for `load_backbone`.
        output: a path that ends in .safetensors.
        scheme: "nf4" or "int8".
        skip: "first", "head" and patterns of layers' names, which stay dense.

    Returns:
        What was done, in a sentence.

    Raises:
        VisionLoraError: the network cannot be loaded, is quantised already, or the file cannot be written.
    """
    path = Path(output)
    require_writable(path, "output")
    backbone = load_backbone(model, weights)
    if packed_weights(backbone.model):
        raise VisionLoraError(f"weights: {weights} is quantised already; name a file with dense weights")
    last = final_layer(backbone.model, len(backbone.categories))
    base = quantise_base(backbone.model, scheme, skip, last, backbone.preprocessing.crop)
    about = WeightsMetadata(backbone.categories, backbone.wnids, backbone.preprocessing)
    write_quantised(path, backbone.model, about.as_text())
    notice = f"{backbone.notice}\n" if backbone.notice else ""
    return f"{notice}{printable(path)}: {backbone.name}; {base.in_words()}"
