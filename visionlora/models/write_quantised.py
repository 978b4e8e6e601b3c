"""What ``visionlora quantise`` does."""

from __future__ import annotations

from pathlib import Path

from visionlora.errors import VisionLoraError
from visionlora.files import require_writable
from visionlora.frozen.quantised import packed_weights
from visionlora.models import WeightsMetadata, final_layer, load_backbone
from visionlora.models.config import ModelConfig
from visionlora.models.merge_weights import file_metadata, get_model_recipe
from visionlora.models.quantise import quantise_base
from visionlora.models.quantised_file import write_quantised
from visionlora.text import printable


def write_quantised_weights(model: ModelConfig, output: str) -> str:
    """Write a network's quantised weights.

    Args:
        model: which network and weights, and how they are quantised.
        output: a path that ends in .safetensors.

    Returns:
        What was done, in a sentence.

    Raises:
        VisionLoraError: the network cannot be loaded, is quantised already, or the file cannot be written.
    """
    assert model.quantise is not None
    path = Path(output)
    require_writable(path, "output", model.weights)
    backbone = load_backbone(model.name, model.weights, option="model.weights")
    if packed_weights(backbone.model):
        raise VisionLoraError(f"model.weights={model.weights} is quantised; name a file with dense weights")
    last = final_layer(backbone.model, len(backbone.categories))
    size = backbone.preprocessing.crop
    base = quantise_base(backbone.model, model.quantise, model.quantise_skip, last, size)
    recipe = get_model_recipe(backbone, backbone.model, len(backbone.categories))
    about = WeightsMetadata(backbone.categories, backbone.wnids, backbone.preprocessing, backbone.thresholds)
    write_quantised(path, backbone.model, file_metadata(recipe, about))
    notice = f"{backbone.notice}\n" if backbone.notice else ""
    return f"{notice}{printable(path)}: {backbone.name}; {base.in_words()}"
