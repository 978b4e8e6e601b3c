"""Write merged weights, which ``torchvision.models.get_model(name, **options).load_state_dict`` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.text import Text
from safetensors.torch import save_file
from torch import Tensor, nn

from visionlora.adapters import merge
from visionlora.errors import VisionLoraError
from visionlora.files import json_text, replacing, require_writable, write_json
from visionlora.frozen.quantised import dequantise
from visionlora.models import Backbone, WeightsMetadata, final_layer, plain_head
from visionlora.models.alternatives import IN_PYTHON, Named, exported, shared_tensors, weights_obstacle
from visionlora.models.config import FIRST, HEAD, MergeConfig
from visionlora.models.factory import is_factory
from visionlora.models.quantise import quantise_base
from visionlora.models.quantised_file import write_quantised
from visionlora.models.restore import MULTI_LABEL, TrainedModel, saved_thresholds
from visionlora.models.several_adapters import restore_adapters
from visionlora.models.sources import network_name
from visionlora.models.timm_networks import is_timm
from visionlora.text import counted, listed, printable


def write_merged(options: MergeConfig, console: Console | None = None) -> None:
    """Write the merged state dict to ``output``, and the names of the outputs to ``<output>.classes.json``.

    Where the merged weights are quantised, the layers that the adapter's base has dense stay so.

    Raises:
        VisionLoraError: the file cannot be written, or the adapter cannot be loaded.
    """
    path = Path(options.output)
    names = path.with_suffix(".classes.json")
    for file in (path, names):
        require_writable(file, "output", options.weights)
    trained = restore_adapters(
        options.adapters, options.adapter_weights, options.strength, options.model, options.weights
    )
    first = options.adapters[0]
    shares = [options.strength * one for one in options.adapter_weights or [1.0] * len(options.adapters)]
    named = Named(options.adapters, shares, options.model, options.weights)
    instead = exported(trained, named, str(path.with_suffix(".pt2")))
    if instead != IN_PYTHON:
        instead += f" (.onnx is possible, too), or {IN_PYTHON}"
    obstacle = weights_obstacle(trained.network)
    if obstacle is not None:
        raise VisionLoraError(
            f"output: {first} {obstacle}, and a file of weights does not hold that; use {instead}"
        )
    said = [] if trained.backbone.notice is None else [trained.backbone.notice]
    recipe, more = _write_network(path, trained, options.quantise, instead)
    said += more
    outputs = trained.head.outputs
    write_json(names, _about(trained, recipe), indent=1)
    loaded = f"it fits {in_words(recipe)}"
    if options.quantise is not None:  # torchvision has no place for packed weights
        loaded = f"model={trained.backbone.name} model.weights={printable(path)} loads it"
    said += [
        f"{printable(path)}: {trained.backbone.name} with {counted(len(outputs), 'output')}; "
        f"their names are in {printable(names.name)}",
        loaded,
    ]
    for line in said:
        (console or Console()).print(Text(line))


def _write_network(
    path: Path, trained: TrainedModel, quantise: str | None, instead: str
) -> tuple[Mapping[str, Any], list[str]]:
    """Merge the network and write its weights; (how to build it, what to say)."""
    shared = shared_tensors(trained.network)
    network = plain_head(merge(trained.network))
    _require_shared(network, shared, instead)
    dequantise(network)
    outputs, preprocessing = trained.head.outputs, trained.backbone.preprocessing
    recipe = get_model_recipe(trained.backbone, network, len(outputs))
    description = WeightsMetadata(outputs, trained.wnids, preprocessing, saved_thresholds(trained))
    if quantise is None:
        write_weights(path, network, recipe, description)
        return recipe, []
    skip = trained.about.get("quantise", {}).get("skip", (FIRST, HEAD))
    last = final_layer(network, len(outputs))
    base = quantise_base(network, quantise, skip, last, preprocessing.crop)
    write_quantised(path, network, file_metadata(recipe, description))
    return recipe, [f"in the merged weights {base.in_words()}"]


def _require_shared(network: nn.Module, shared: list[list[str]], instead: str) -> None:
    """Refuse a merged network whose state dict does not fit the network that it was.

    Raises:
        VisionLoraError: adapters gave the places of one tensor different values.
    """
    state = network.state_dict()
    for names in shared:
        kept = [name for name in names if name in state]
        if any(not torch.equal(state[kept[0]], state[name]) for name in kept[1:]):
            raise VisionLoraError(
                f"output: {listed(kept)} are one tensor in this network, which the adapter changes in "
                f"different ways, and a file of weights cannot give it both; use {instead}"
            )


def _about(trained: TrainedModel, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What ``NAME.classes.json`` holds."""
    outputs, thresholds = trained.head.outputs, saved_thresholds(trained)
    about = {
        "model": trained.backbone.name,
        "num_classes": len(outputs),
        **recipe,
        "trained": list(trained.classes),
        "classes": list(outputs),
    }
    if thresholds:
        about |= {"task": MULTI_LABEL, "thresholds": dict(zip(outputs, thresholds, strict=True))}
    return about


def get_model_recipe(backbone: Backbone, network: nn.Module, outputs: int) -> dict[str, Any]:
    """The call that builds the network which a file of weights fits.

    Args:
        backbone: that the weights are for.
        network: a plain network with these weights.
        outputs: how many it has.

    Returns:
        ``call``: the function; ``network``: its first argument; ``options``: the further ones; and where the
        network's code asks for it, ``version``: of the state dict, which is lost in safetensors files; of a
        network that code makes with another number of them, ``outputs``.
    """
    if is_factory(backbone.name):
        changed = {} if outputs == len(backbone.categories) else {"outputs": outputs}
        return {"call": backbone.name, "network": None, "options": {}, **changed}
    call = "timm.create_model" if is_timm(backbone.name) else "torchvision.models.get_model"
    options = {"num_classes": outputs, **backbone.options}
    if "aux_logits" in options:
        options["init_weights"] = False  # torchvision warns when it is missing
    version = {"version": network._version} if network._version != 1 else {}
    return {"call": call, "network": network_name(backbone.name), "options": options, **version}


def in_words(recipe: Mapping[str, Any]) -> str:
    """The call that builds the network."""
    first = [] if recipe["network"] is None else [repr(recipe["network"])]
    given = ", ".join(first + [f"{key}={value!r}" for key, value in recipe["options"].items()])
    version = recipe.get("version")
    needs = f", whose state dict needs _metadata {{'': {{'version': {version}}}}}" if version else ""
    outputs = f" with {recipe['outputs']} outputs in its last layer" if "outputs" in recipe else ""
    return f"{recipe['call']}({given}){outputs}{needs}"


def write_weights(
    path: Path, network: nn.Module, recipe: Mapping[str, Any], description: WeightsMetadata
) -> None:
    """Write a plain network's state dict; a safetensors file has the description and the recipe in it.

    Args:
        path: ends in .safetensors, .pth or .pt.
        network: without adapters.
        recipe: from :func:`get_model_recipe`.
        description: of its outputs and input.
    """
    state = network.state_dict()
    for key, tensor in separate(state).items():
        state[key] = tensor
    with replacing(path) as beside:
        if path.suffix.lower() == ".safetensors":
            save_file(state, beside, file_metadata(recipe, description))
        else:
            torch.save(state, beside)  # with the versions of its modules


def separate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, contiguous, each with memory of its own, as safetensors asks for: those of a layer
    that stands in two places share theirs."""
    found, seen = {}, set()
    for name, tensor in state.items():
        found[name] = tensor.contiguous()
        place = found[name].untyped_storage().data_ptr()
        if place in seen:
            found[name] = found[name].clone()
        seen.add(place)
    return found


def file_metadata(recipe: Mapping[str, Any], description: WeightsMetadata) -> dict[str, str]:
    """The description and the recipe, for a safetensors file."""
    about = {key: value if isinstance(value, str) else json_text(value) for key, value in recipe.items()}
    return description.as_text() | about
