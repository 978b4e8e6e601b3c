"""Which library saved an adapter, and reading files of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import nn

from visionlora.adapters.attaching import DEFAULT
from visionlora.adapters.errors import LoraError
from visionlora.adapters.io import loralib, lycoris_layers
from visionlora.adapters.io.foreign import read_file
from visionlora.adapters.io.loralib import load_loralib
from visionlora.adapters.io.lycoris import load_lycoris
from visionlora.adapters.io.names import as_locon, by_layer

_Network = TypeVar("_Network", bound=nn.Module)


def format_of(file: str | Path) -> str:
    """`lycoris` or `loralib`, by the names of a file's tensors.

    Raises:
        LoraError: it is neither, damaged, or no file.
    """
    path = Path(file)
    tensors = read_file(path)
    if by_layer(tensors, loralib.PARTS)[0]:
        return "loralib"
    if by_layer(as_locon(tensors), lycoris_layers.MARKS)[0]:
        return "lycoris"
    raise LoraError(
        f"{path} holds no adapter's tensors, neither LyCORIS's (lora_up, hada_w1_a, ...) nor A and B "
        f"(lora_A, lora_B): for whole weights there is visionlora extract."
    )


def load_file(
    model: _Network, file: str | Path, *, alpha: float | None = None, name: str = DEFAULT
) -> _Network:
    """Attach what LyCORIS or loralib saved, in place, or a LoRA with the names of PEFT, diffusers or ComfyUI.

    Args:
        model: the network that it was trained on.
        file: of either format.
        alpha: of a file that does not hold it.
        name: of the adapter.

    Raises:
        LoraError: it does not fit, or alpha is missing, or given for a file that has its own.
    """
    if format_of(file) == "loralib":
        return load_loralib(model, file, alpha=alpha, name=name)
    return load_lycoris(model, file, alpha=alpha, name=name)
