"""One adapter in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from torch import nn

from visionlora.adapters import read_adapter_config
from visionlora.adapters.errors import NoFormError
from visionlora.adapters.io.formats import format_of, load_file
from visionlora.adapters.io.loralib import save_loralib
from visionlora.adapters.io.lycoris_write import save_lycoris
from visionlora.adapters.io.peft_export import save_peft
from visionlora.errors import VisionLoraError
from visionlora.files import require_writable
from visionlora.models import load_backbone
from visionlora.models.adapter_files import about_network, require_new_folder, whole_modules, write_directory
from visionlora.models.alternatives import Named
from visionlora.models.arithmetic_config import ConvertConfig
from visionlora.models.conversions import instead_of, require_form
from visionlora.models.heads import relu_is_removed
from visionlora.models.quantise import copy_corrections
from visionlora.models.restore import TrainedModel, adapter_directory, restore, unchanged_head
from visionlora.text import counted, listed, printable

_SUFFIXES = {"lycoris": (".safetensors",), "loralib": (".pt", ".pth")}


def convert_adapter(options: ConvertConfig, console: Console | None = None) -> Path:
    """Read an adapter in whatever format it has, and write it in another.

    Raises:
        VisionLoraError: the source is no adapter, or the output can't be written; before any work.
        visionlora.adapters.LoraError: the adapter does not fit the network, or the format has no place for
        it.
    """
    output, console = _checked_output(options), console or Console()
    was, trained = _read(options)
    try:
        said = _write(options.to, trained, output)
    except NoFormError as error:
        named = Named([options.source], model=options.model, weights=options.weights)
        instead = instead_of(options.to, trained, named, options.alpha)
        raise VisionLoraError(f"to={options.to}: {error.reason}; {instead}") from error
    quantised = trained.about.get("quantise")
    if quantised is not None and quantised.get("corrected") and output.is_dir():
        copy_corrections(adapter_directory(options.source), output)
    if quantised is not None and options.to != "visionlora":
        said += f"; it was trained on a base of {quantised['scheme']}, and {options.to} has dense weights"
    console.print(Text(f"{printable(output)}: written as {options.to}, from {was}{said}"))
    return output


def _write(to: str, trained: TrainedModel, output: Path) -> str:
    """Write the adapter in a format; what there is to say about it.

    Raises:
        NoFormError: the format has no place for it.
    """
    network, head = trained.network, trained.head
    if to == "visionlora":
        write_directory(output, network, trained.backbone, head, trained.classes, _own(trained.about))
        return ""
    if to == "peft":
        written = save_peft(
            network,
            output,
            base_model=trained.backbone.name,
            modules_to_save=whole_modules(network, head),
            extra={**_own(trained.about), **about_network(trained.backbone, head, trained.classes)},
        )
        removed = "; its network has no ReLU behind the last layer" if relu_is_removed(network) else ""
        return _merged(written.merged, "PEFT", "merged weight") + removed
    require_form(to, trained)
    return _write_file(network, to, output)


def _checked_output(options: ConvertConfig) -> Path:
    suffixes = _SUFFIXES.get(options.to)
    if suffixes is None:
        return require_new_folder(options.output)
    path = Path(options.output)
    if path.suffix.lower() not in suffixes:
        raise VisionLoraError(
            f"output is {str(path)!r}; to={options.to} writes a file ending in {' or '.join(suffixes)}"
        )
    require_writable(path, "output", options.source, options.weights)
    return path


def _read(options: ConvertConfig) -> tuple[str, TrainedModel]:
    """The format's name, and the network with the adapter."""
    path = Path(options.source)
    if path.is_dir() or not path.exists():
        if options.alpha is not None:
            raise VisionLoraError("alpha is for files of loralib; an adapter directory holds its own")
        own = read_adapter_config(adapter_directory(path))["visionlora"]
        return "visionlora" if own else "peft", restore(path, options.model, options.weights)
    if options.model is None:
        raise VisionLoraError(f"from: {path} does not name the network it adapts; add model=NAME")
    was = format_of(path)
    backbone = load_backbone(options.model, options.weights or "imagenet")
    network = load_file(backbone.model, path, alpha=options.alpha)
    return was, TrainedModel(network.eval(), backbone, unchanged_head(backbone), (), {})


def _write_file(network: nn.Module, to: str, output: Path) -> str:
    if to == "lycoris":
        return _merged(save_lycoris(network, output), "LyCORIS", "whole difference")
    ranks = save_loralib(network, output)
    layers = [f"{name}={rank}" for name, rank in ranks.items()]
    if len(set(ranks.values())) == 1:
        return f"; build its {counted(len(ranks), 'layer')} with r and lora_alpha {max(ranks.values())}"
    return f"; build its layers with these numbers as r and lora_alpha: {listed(layers, len(layers))}"


def _merged(layers: list[str], library: str, what: str) -> str:
    """What was not written as it is."""
    return f"; {library} has no form for {listed(layers)}, whose {what} was written" if layers else ""


def _own(about: dict[str, Any]) -> dict[str, Any]:
    """Keys that are not about the file's format."""
    formats = ("family", "fingerprint", "parts", "settings", "strength", "not_for_peft")
    return {key: value for key, value in about.items() if key not in formats}
