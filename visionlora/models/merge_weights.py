"""Write merged weights, which ``torchvision.models.get_model(name, **options).load_state_dict`` reads."""

from __future__ import annotations

import shlex
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
from visionlora.frozen.growth import growths
from visionlora.frozen.packed import PackedWeight
from visionlora.frozen.quantised import dequantise
from visionlora.models import Backbone, WeightsMetadata, final_layer, plain_head
from visionlora.models.config import FIRST, HEAD, MergeConfig
from visionlora.models.factory import is_factory
from visionlora.models.heads import relu_is_removed
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
    if growths(trained.network):
        raise VisionLoraError(
            f"output: {first} has new blocks (model.expand), and torchvision has no network with them. "
            f"This writes it with its code: {_export_command(first, path, options.model, options.weights)} "
            "(or .onnx instead of .pt2); visionlora.load builds it in Python"
        )
    require_plain(trained.network, first)
    said = [] if trained.backbone.notice is None else [trained.backbone.notice]
    recipe, more = _write_network(path, trained, options.quantise)
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
    path: Path, trained: TrainedModel, quantise: str | None
) -> tuple[Mapping[str, Any], list[str]]:
    """Merge the network and write its weights; (how to build it, what to say)."""
    shared = _shared_tensors(trained.network)
    network = plain_head(merge(trained.network))
    _require_shared(network, shared)
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


def _shared_tensors(network: nn.Module) -> list[list[str]]:
    """The names of each tensor that has several in a network's state dict."""
    names: dict[tuple[int, torch.Size], list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if not isinstance(parameter.data, PackedWeight) and parameter.numel():
            names.setdefault((parameter.data_ptr(), parameter.shape), []).append(name)
    return [several for several in names.values() if len(several) > 1]


def _require_shared(network: nn.Module, shared: list[list[str]]) -> None:
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
                "different ways, and a file of weights cannot give it both; use visionlora export with "
                "output=NAME.pt2 or NAME.onnx, or visionlora.load in Python"
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


def _export_command(adapter: str, output: Path, model: str | None, weights: str | None) -> str:
    """The command that writes a network with new blocks, quoted for the shell."""
    given = {"adapter": adapter, "output": output.with_suffix(".pt2"), "model": model, "weights": weights}
    words = [f"{key}={value}" for key, value in given.items() if value is not None]
    return printable(shlex.join(["visionlora", "export", *words]))


def require_plain(network: nn.Module, adapter: str) -> None:
    """Refuse a network that differs from its library's where a file of weights does not say so.

    Raises:
        VisionLoraError: the ReLU behind its head was removed.
    """
    if relu_is_removed(network):
        raise VisionLoraError(
            f"output: {adapter} gives an image several labels, for which the ReLU behind this network's last "
            "layer was removed, and a file of weights does not hold that; use visionlora export with "
            "output=NAME.pt2 or NAME.onnx, or visionlora.load in Python"
        )


def get_model_recipe(backbone: Backbone, network: nn.Module, outputs: int) -> dict[str, Any]:
    """The call that builds the network which a file of weights fits.

    Args:
        backbone: that the weights are for.
        network: a plain network with these weights.
        outputs: how many it has.

    Returns:
        ``call``: the function; ``network``: its first argument; ``options``: the further ones; and where the
        network's code asks for it, ``version``: of the state dict, which is lost in safetensors files.
    """
    if is_factory(backbone.name):
        return {"call": backbone.name, "network": None, "options": {}}
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
    return f"{recipe['call']}({given}){needs}"


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
