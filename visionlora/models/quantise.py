"""A pretrained network with a quantised base: which layers, with what correction, and how it is said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from visionlora.adapters import FAMILIES, LoraConfig
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.init.quantised import ABSORBING, correction
from visionlora.adapters.patterns import matches
from visionlora.adapters.targets import chosen_sites, instead_of
from visionlora.errors import VisionLoraError
from visionlora.files import replacing
from visionlora.frozen.freeze import freeze
from visionlora.frozen.nf4 import PYTORCH, Codec
from visionlora.frozen.packed import PackedWeight
from visionlora.frozen.quantised import (
    Correction,
    Factors,
    LayerError,
    norm_scales,
    quantisable,
    quantise,
    stored_bytes,
)
from visionlora.models.config import FIRST, HEAD
from visionlora.text import counted

CORRECTION_FILE = "base_correction.safetensors"
"""In an adapter directory: what makes up for the error of the base that the adapter was trained on."""
_FACTORS = ("subtracted_A", "subtracted_B", "added_A", "added_B")


@dataclass(frozen=True)
class QuantisedBase:
    """How a network's base is quantised.

    Attributes:
        scheme: "nf4" or "int8".
        skip: what stays dense, as it was configured.
        codec: who computes nf4.
        errors: by the name of the layer.
        corrections: by the name of the layer; empty where nothing makes up for the errors.
        dense_bytes, stored_bytes: what the network took before, and takes now.
    """

    scheme: str
    skip: tuple[str, ...]
    codec: str
    errors: Mapping[str, LayerError]
    corrections: Mapping[str, Correction]
    dense_bytes: int
    stored_bytes: int

    @property
    def as_metadata(self) -> dict[str, Any]:
        """For `adapter_config.json`: what `restore` needs to quantise the base in the same way."""
        return {"scheme": self.scheme, "skip": list(self.skip), "corrected": len(self.corrections)}

    def as_metrics(self) -> dict[str, Any]:
        """For `metrics.json`."""
        return {
            "scheme": self.scheme,
            "skip": list(self.skip),
            "bytes": self.stored_bytes,
            "dense_bytes": self.dense_bytes,
            "layers": {
                name: {"error": error.plain, "left": error.left} for name, error in self.errors.items()
            },
        }

    def in_words(self) -> str:
        """Two sentences: what it takes, and how far it is from the dense network."""
        mean = [sum(column) / len(self.errors) for column in zip(*self.errors.values(), strict=True)]
        by = f" by {self.codec}" if self.scheme == "nf4" else ""
        said = (
            f"the base is quantised to {self.scheme}{by}: {counted(len(self.errors), 'layer')}, "
            f"{self.stored_bytes / 1e6:.1f} MB instead of {self.dense_bytes / 1e6:.1f}; the weights' error "
            f"is {mean[0]:.4f} of their norm (mean of the layers)"
        )
        if not self.corrections:
            return said
        return f"{said}, {mean[1]:.4f} with what {len(self.corrections)} layers' starts make up for"


@dataclass(frozen=True)
class NewCorrections:
    """Which corrections are to be made.

    Attributes:
        ranks: by the name of the layer.
        init: how they are made, one of `ABSORBING`.
    """

    ranks: Mapping[str, int]
    init: str


def quantise_base(
    model: nn.Module,
    scheme: str,
    skip: Sequence[str],
    head: str,
    size: int,
    *,
    trained: Collection[str] = (),
    corrections: NewCorrections | Mapping[str, Correction] | None = None,
) -> QuantisedBase:
    """Quantise a network's weights, in place; batch norms are frozen, and folded before.

    Args:
        model: plain, in eval mode on the CPU, (n, 3, size, size) to logits.
        scheme: "nf4" or "int8".
        skip: "first", "head" and patterns of layers' names.
        head: the name of the last layer.
        size: pixels a side of its input.
        trained: names of layers that are trained whole (a new head), which stay dense whatever is skipped.
        corrections: what makes up for the error: to be made, or made before, by the name of the layer; None:
            nothing.

    Raises:
        VisionLoraError: a pattern matches no layer, or no layer is left to quantise.
    """
    layers = quantisable(model)
    dense = _dense_layers(layers, skip, head) | (layers.keys() & set(trained))
    if not layers.keys() - dense:
        raise VisionLoraError(f"model.quantise_skip={list(skip)} leaves no layer to quantise; skip fewer")
    before = stored_bytes(model)
    freeze(model, ())
    scales = norm_scales(model, torch.zeros(1, 3, size, size).normal_(generator=torch.Generator()))
    if isinstance(corrections, NewCorrections):
        packed = {name: layer for name, layer in layers.items() if name not in dense}
        corrections = _make_corrections(packed, scheme, scales, corrections)
    made = dict(corrections or {})
    codec = best_codec() if scheme == "nf4" else PYTORCH
    errors = quantise(model, scheme, dense, scales, made, codec)
    _leave_files(model)
    return QuantisedBase(scheme, tuple(skip), codec.name, errors, made, before, stored_bytes(model))


def _leave_files(model: nn.Module) -> None:
    """Copy what stays dense out of the file of the dense weights, which is mapped into memory as a whole for
    as long as one of its tensors is used."""
    for tensor in (*model.parameters(), *model.buffers()):
        if not isinstance(tensor.data, PackedWeight):
            tensor.data = tensor.data.clone()


def _make_corrections(
    layers: Mapping[str, Any], scheme: str, scales: Mapping[nn.Module, Tensor], new: NewCorrections
) -> dict[str, Correction]:
    """The corrections of those of the layers that have a rank; a transposed convolution has none."""
    made = {}
    for name, rank in new.ranks.items():
        layer = layers.get(name)
        if layer is None or isinstance(layer, _ConvTransposeNd):
            continue
        weight = layer.weight.detach().float()
        made[name] = correction(weight * scales.get(layer, 1.0), scheme, new.init, rank)
    return made


def best_codec() -> Codec:
    """bitsandbytes where it is installed and runs here; both compute the same bits."""
    if find_spec("bitsandbytes") is None:
        return PYTORCH
    try:
        from visionlora.models.bitsandbytes_codec import CODEC

        codes, scales = PYTORCH.quantise(torch.linspace(-1, 2, 130))
        works = torch.equal(*(one.dequantise(codes, scales, 130, torch.float32) for one in (PYTORCH, CODEC)))
    except Exception:  # built for another machine: it fails in whatever way its native code does
        return PYTORCH
    return CODEC if works else PYTORCH


def absorbed_ranks(model: nn.Module, lora: LoraConfig, trained_whole: Collection[str]) -> dict[str, int]:
    """The ranks of the adapters whose start makes up for the error, by the name of the layer."""
    if lora.init not in ABSORBING:
        return {}
    ranks = {}
    for site in chosen_sites(model, lora.targets, lora.exclude, trained_whole):
        families = [one for one in lora.families_of(site) if issubclass(FAMILIES[one], Lora)]
        if families:
            ranks[site] = lora.settings_of(site, families[0]).rank
    return ranks


def _dense_layers(layers: Mapping[str, nn.Module], skip: Sequence[str], head: str) -> set[str]:
    """The names of the layers that stay dense."""
    dense: set[str] = set()
    for one in skip:
        if one == FIRST:
            found = list(layers)[:1]
        elif one == HEAD:
            found = [name for name in layers if name == head or name.startswith(f"{head}.")]
        else:
            found = [name for name in layers if matches(one, name)]
            if not found:
                instead = instead_of(one, layers, (FIRST, HEAD))
                raise VisionLoraError(f"model.quantise_skip holds {one!r}, which matches no layer; {instead}")
        dense |= set(found)
    return dense


def write_corrections(directory: Path, base: QuantisedBase | None) -> None:
    """Write what makes up for the errors beside an adapter; without any there is no such file."""
    path = directory / CORRECTION_FILE
    if base is None or not base.corrections:
        path.unlink(missing_ok=True)
        return
    tensors: dict[str, Tensor] = {}
    for name, one in base.corrections.items():
        pairs = {"subtracted": one.subtracted, "added": one.added}
        if one.subtracted is one.added:  # PiSSA's
            pairs = {"subtracted": one.subtracted}
        for kind, factors in pairs.items():
            if factors is not None:
                tensors |= {f"{name}.{kind}_A": factors.A, f"{name}.{kind}_B": factors.B}
    with replacing(path) as beside:
        save_file({key: one.contiguous().clone() for key, one in tensors.items()}, beside)


def copy_corrections(source: Path, directory: Path) -> None:
    """Copy what :func:`write_corrections` wrote beside one adapter to another one, on the same base.

    Raises:
        VisionLoraError: the file cannot be written.
    """
    with replacing(directory / CORRECTION_FILE) as beside:
        beside.write_bytes((source / CORRECTION_FILE).read_bytes())


def read_corrections(directory: Path, model: nn.Module, count: int) -> dict[str, Correction]:
    """What :func:`write_corrections` wrote; {} where `count` is 0.

    Raises:
        VisionLoraError: there is no such file, it is damaged, or does not fit the network.
    """
    if not count:
        return {}
    path = directory / CORRECTION_FILE
    if not path.is_file():
        raise VisionLoraError(
            f"adapter: {path} is missing, which makes up for the error of the quantised base; copy it too"
        )
    try:
        tensors = load(path.read_bytes())
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise VisionLoraError(f"adapter: {path} is damaged ({error}); copy it again") from error
    layers, found = quantisable(model), dict[str, dict[str, Tensor]]()
    for key, tensor in tensors.items():
        name, _, part = key.rpartition(".")
        if name not in layers or part not in _FACTORS or not _fits(part, tensor, layers[name].weight):
            raise VisionLoraError(
                f"adapter: {path} holds {key!r}, {tensor.dtype} of {tuple(tensor.shape)}, which does not fit "
                "the network; copy the adapter again"
            )
        found.setdefault(name, {})[part] = tensor
    return {name: _paired(path, name, parts) for name, parts in found.items()}


def _fits(part: str, tensor: Tensor, weight: Tensor) -> bool:
    if tensor.dtype != torch.float16 or not bool(torch.isfinite(tensor).all()) or not tensor.ndim:
        return False
    if part.endswith("_A"):
        return tensor.shape[1:] == weight.shape[1:] and 1 <= len(tensor) <= weight[0].numel()
    return tensor.ndim == 2 and len(tensor) == len(weight)


def _paired(path: Path, name: str, parts: Mapping[str, Tensor]) -> Correction:
    pairs: dict[str, Factors] = {}
    for kind in ("subtracted", "added"):
        A, B = parts.get(f"{kind}_A"), parts.get(f"{kind}_B")
        if A is not None and B is not None and len(A) == B.shape[1]:
            pairs[kind] = Factors(A, B)
        elif A is not None or B is not None:
            raise VisionLoraError(f"adapter: {path} lacks a part of {name}.{kind}; copy the adapter again")
    subtracted = pairs.get("subtracted")
    added = pairs.get("added", subtracted)
    assert added is not None
    return Correction(subtracted, added)
