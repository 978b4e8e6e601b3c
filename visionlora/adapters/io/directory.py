"""Saving and loading what a network has learned: its active adapters, in a directory of PEFT's format.

Several adapters that act together have one directory: the first lies in it, each of the others in a folder of
its name, and `visionlora.parts` in the first one's configuration names them.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from visionlora.adapters.attaching import DEFAULT, activate
from visionlora.adapters.errors import LoraError
from visionlora.adapters.io.config_file import CONFIG_FILE
from visionlora.adapters.io.fingerprint import fingerprint as base_fingerprint
from visionlora.adapters.io.peft import put_into, read_one, save_one
from visionlora.adapters.io.peft_config import AdapterInfo
from visionlora.adapters.io.tensor_file import TENSOR_FILE
from visionlora.adapters.learned_start import is_learned
from visionlora.adapters.network import (
    active_names,
    adapter_state,
    group_adapters,
    require_adapters,
    unwrapped,
)
from visionlora.adapters.replaced_tensors import frozen_tensors, replaced_by_module
from visionlora.frozen.growth import growths
from visionlora.text import brief, listed

MOST_PARTS = 16
_Network = TypeVar("_Network", bound=nn.Module)


def save_adapter(
    model: nn.Module,
    directory: str | Path,
    *,
    name: str | None = None,
    base_model: str = "",
    fingerprint: str | None = None,
    modules_to_save: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write adapters of a network, each file beside its place and then renamed into it.

    Norms and other tensors that a loaded adapter replaced are saved too. Warns of modules that are trained
    beside the adapters and are not saved.

    Args:
        model: an adapted network; one that `torch.compile`, `DataParallel`, `DistributedDataParallel` or
            `AveragedModel` wraps is saved as the network inside.
        directory: made where it is missing.
        name: of the adapter; None: all that are active.
        base_model: the name of the plain network, for readers.
        fingerprint: what `fingerprint(model, exclude=modules_to_save)` gives, where it is known already.
        modules_to_save: full names of modules that were trained whole (a new head) and are saved whole.
        extra: further keys of our own, as JSON; `read_adapter_config(directory)["visionlora"]` has them.

    Returns:
        The directory.

    Raises:
        LoraError: no adapters, a strength of 0 or less, names that cannot be those of folders, a module that
            does not exist or is adapted too, `extra` that is not JSON, or values that are NaN or infinite.
    """
    model = unwrapped(model)
    require_adapters(model)
    directory = Path(directory)
    modules_to_save, tensors = replaced_by_module(model, modules_to_save)
    _warn_of_what_is_left_out(model, [*modules_to_save, *tensors, *growths(model)])
    with frozen_tensors(model):
        base = fingerprint or base_fingerprint(model, modules_to_save)
    own = {**(extra or {}), "fingerprint": base}
    if tensors:
        own["tensors"] = tensors
    names = active_names(model) if name is None else (name,)
    for part in names[1:]:
        if not part.isidentifier() or len(names) > MOST_PARTS + 1:
            raise LoraError(
                f"{directory}: of at most {MOST_PARTS + 1} adapters saved together, all but the first "
                f"need names of letters, digits and _, and not {brief(part)}: save each alone with name=..."
            )
    # PEFT loads one adapter from a directory.
    obstacle = "it is one of several adapters that act together" if len(names) > 1 else None
    of_part = AdapterInfo(base_model, own={"fingerprint": base}, obstacle=obstacle)
    for part in names[1:]:
        save_one(model, directory / part, part, of_part)
    if len(names) > 1:
        own["parts"] = list(names[1:])
    info = AdapterInfo(base_model, modules_to_save, own, obstacle=obstacle)
    return save_one(model, directory, names[0] if names else None, info)


def _warn_of_what_is_left_out(model: nn.Module, saved: Sequence[str]) -> None:
    """Warn of modules that are trained and not saved, which a loaded adapter would lack.

    Args:
        model: an adapted network.
        saved: names of the modules and tensors that are saved with the adapters.
    """
    kept, adapters = tuple(f"{one}." for one in saved), adapter_state(model)
    trained = [name for name, one in model.named_parameters() if one.requires_grad and name not in adapters]
    left_out = {name.rpartition(".")[0] or name for name in trained if not f"{name}.".startswith(kept)}
    if left_out:
        warnings.warn(
            f"Trained, but not saved with the adapter: {listed(sorted(left_out), 5)}. Name what the adapter "
            "needs in modules_to_save=[...] of save_adapter; freeze the rest (requires_grad_(False)).",
            stacklevel=3,
        )


def start_digest(init: str) -> str | None:
    """The SHA-256 of a learned start's tensors; None where `lora.init` is another start."""
    return hashlib.sha256(Path(init, TENSOR_FILE).read_bytes()).hexdigest() if is_learned(init) else None


def load_adapter(
    model: _Network, directory: str | Path, *, name: str = DEFAULT, check_fingerprint: bool = True
) -> _Network:
    """Load an adapter directory, from here or from PEFT, into a network, in place.

    A network without an adapter of that name gets one, as `attach` would attach it; one that has it must have
    it at the same layers with the same ranks, and takes over the file's alpha. Nothing is changed unless
    everything fits. No pickle is read.

    Args:
        model: the network that the adapter was made for; a trained head must be in place with the same shape.
        directory: holds adapter_config.json and adapter_model.safetensors.
        name: of the adapter in the network; of several that act together, that of the first.
        check_fingerprint: whether the base tensors must be exactly those that the adapter was trained on.

    Returns:
        `model` itself.

    Raises:
        LoraError: a file is missing or broken, or the adapter does not fit; every mismatch is named.
    """
    network, directory = unwrapped(model), Path(directory)
    saved = [read_one(network, directory, name, check_fingerprint)]
    parts = saved[0].config["visionlora"].get("parts") or []
    for part in parts:
        inside = part if name == DEFAULT else f"{name}_{part}"
        if len(parts) > MOST_PARTS or not part.isidentifier() or part == name:
            raise LoraError(
                f"{directory / CONFIG_FILE}: parts is {brief(parts)}: give the names of at most {MOST_PARTS} "
                f"folders beside it."
            )
        # The head is the first one's, and so it is left out of every one's fingerprint.
        saved.append(read_one(network, directory / part, inside, check_fingerprint=False))
    names = [called for one in saved for called in put_into(network, one)]
    if len(names) > 1:
        group_adapters(network, name, tuple(names))
        activate(network, *names)
    return model
