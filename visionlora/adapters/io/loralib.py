"""loralib's state dicts (`lora_state_dict`): `NAME.lora_A`, `NAME.lora_B`, and biases as they are.

loralib keeps neither alpha nor rank. The rank is the rows of A; of a convolution, whose A is (r k, in k) and
B (out / groups * k, r k) for a kernel of k x k, the k-th part. B @ A is the update with its elements in the
weight's order, so that the loralib form of an update of rank r is A as (r k, in k) beside kron(B, I_k).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import DEFAULT
from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.errors import LoraError, NoFormError
from visionlora.adapters.families.bias import Bias, changed_bias
from visionlora.adapters.io.foreign import ForeignAdapter, attach_foreign, read_file
from visionlora.adapters.io.names import by_layer, resolve
from visionlora.adapters.io.no_form import advised, refuse_new_blocks
from visionlora.adapters.io.other_programs import own_forward_obstacle
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.network import require_adapters, unwrapped
from visionlora.adapters.recompress import factored
from visionlora.adapters.replaced_tensors import replaced
from visionlora.adapters.sites import sites_of
from visionlora.files import replacing
from visionlora.frozen.swap import plain_class
from visionlora.text import listed

_Network = TypeVar("_Network", bound=nn.Module)
LAYERS = (nn.Linear, nn.Embedding, nn.Conv2d)
PARTS = ("lora_A", "lora_B")


class _Factors(NamedTuple):
    rank: int
    A: Tensor
    B: Tensor


def load_loralib(
    model: _Network, file: str | Path, *, alpha: float | None = None, name: str = DEFAULT
) -> _Network:
    """Attach what loralib saved, in place.

    Args:
        model: the plain network, with the layers' usual names: loralib's `conv.` inside its convolutions is
            left out.
        file: .pt, .pth or .safetensors with `lora_state_dict(network)` or the network's whole state dict.
        alpha: `lora_alpha` of the layers, which the file does not hold.
        name: of the adapter.

    Returns:
        `model` itself.

    Raises:
        LoraError: no alpha, a damaged file, or a layer that the network lacks or that has another shape.
    """
    path = Path(file)
    layers, others = by_layer(read_file(path), PARTS)
    if not layers:
        raise LoraError(f"{path} has no lora_A and lora_B: give a state dict that loralib saved.")
    if alpha is None:
        raise LoraError(
            f"{path}: loralib's files don't hold alpha; give the lora_alpha of the training as alpha=NUMBER."
        )
    if not (math.isfinite(alpha) and alpha > 0):
        raise LoraError(f"alpha is {alpha!r}: give a positive number.")
    modules = dict(model.named_modules())
    named = resolve(list(layers), modules.keys(), path)
    read = ForeignAdapter()
    with torch.no_grad():
        for layer, tensors in layers.items():
            factors = _read_layer(modules[named[layer]], tensors, f"{path}: {named[layer]}")
            found = {"lora_A.weight": factors.A, "lora_B.weight": factors.B}
            rank = len(factors.A)
            settings = AdapterSettings("lora", rank, alpha * rank / factors.rank)
            read.add(named[layer], settings, found)
        _read_others(read, model, others, path)
    return attach_foreign(model, read, path, name)


def _read_layer(module: Any, tensors: Mapping[str, Tensor], where: str) -> _Factors:
    if not isinstance(module, LAYERS) or set(tensors) != set(PARTS):
        raise LoraError(f"{where} ({type(module).__name__}) has {listed(sorted(tensors))} of loralib.")
    obstacle = own_forward_obstacle(where, module, "loralib")
    if obstacle is not None:
        raise LoraError(f"{obstacle}: the adapter would compute something else here.")
    weight = sites_of(module)[0].view(module.weight)
    A, B = (tensors[part].to(torch.promote_types(weight.dtype, torch.float32)) for part in PARTS)
    if A.ndim != 2 or B.ndim != 2:
        raise LoraError(f"{where}: A is {tuple(A.shape)} and B {tuple(B.shape)}: loralib's are matrices.")
    if isinstance(module, nn.Conv2d):
        return _read_convolution(module, A, B, weight, where)
    (out, inputs), (rows, columns) = weight.shape, (len(A), B.shape[1])
    if rows == columns and A.shape[1] == inputs and len(B) == out:
        return _Factors(rows, A, B)
    parts = rows // columns if columns and rows % columns == 0 else 0
    if parts < 2 or A.shape[1] != inputs or out % parts or len(B) != out:
        more = " (MergedLinear with some parts switched off says not which)" if parts and len(B) < out else ""
        raise LoraError(
            f"{where}: A is {tuple(A.shape)} and B {tuple(B.shape)} for a weight {(out, inputs)}{more}."
        )
    # MergedLinear: part i of the outputs has its own r rows of A.
    return _Factors(columns, A, torch.block_diag(*B.view(parts, out // parts, columns)))


def _read_convolution(module: nn.Conv2d, A: Tensor, B: Tensor, weight: Tensor, where: str) -> _Factors:
    size, inputs = module.kernel_size[0], module.in_channels
    shapes = (A.shape[1], len(B), B.shape[1])
    wanted = (inputs * size, len(weight) // module.groups * size, len(A))
    if len(set(module.kernel_size)) > 1 or shapes != wanted or len(A) % size:
        raise LoraError(
            f"{where}: A is {tuple(A.shape)} and B {tuple(B.shape)}, which is not loralib's form for a "
            f"kernel {module.kernel_size} and {module.groups} groups."
        )
    rank = len(A) // size
    identity = torch.eye(size, dtype=B.dtype)
    if module.groups == 1:
        compact = B.view(-1, size, rank, size)[:, 0, :, 0]
        if torch.equal(torch.kron(compact, identity), B):
            return _Factors(rank, A.view(rank, *weight.shape[1:]), compact.reshape(*compact.shape, 1, 1))
    exact = factored((B @ A).view(weight.shape))
    return _Factors(rank, exact.A, exact.B)


def _read_others(read: ForeignAdapter, model: nn.Module, others: Mapping[str, Tensor], path: Path) -> None:
    """Biases that were trained; the rest of a whole state dict has to be the network's own."""
    state, modules = model.state_dict(), dict(model.named_modules())
    for key, tensor in others.items():
        own = key if key in state else key.replace(".conv.", ".").removeprefix("conv.")
        if own not in state or state[own].shape != tensor.shape:
            raise LoraError(f"{path}: {key} {tuple(tensor.shape)} is not a tensor of the network.")
        difference = tensor.to(state[own]) - state[own]
        if not bool(difference.any()):
            continue
        module, _, leaf = own.rpartition(".")
        if leaf == "bias" and isinstance(modules[module], (nn.Linear, nn.Conv2d)):
            read.add_bias(module, difference, tuple(modules[module].weight.shape))
        elif leaf == "bias":
            read.whole[own] = tensor
        else:
            raise LoraError(
                f"{path}: {key} differs from the network's: load its weights, without what loralib "
                f"merges into them in eval mode (save in training mode, or lora_state_dict alone)."
            )


def save_loralib(model: nn.Module, file: str | Path) -> dict[str, int]:
    """Write the active adapters of a network as `lora_state_dict(network, bias="lora_only")` gives them.

    The scaling is in B: build loralib's layers with `r` as returned and `lora_alpha=r`.

    Args:
        model: an adapted network.
        file: .pt or .pth, which `torch.load` reads with `weights_only=True`.

    Returns:
        r of each layer.

    Raises:
        LoraError: a layer or an update that loralib has no form for.
    """
    path = Path(file)
    if path.suffix.lower() not in (".pt", ".pth"):
        raise LoraError(f"{path}: give a file that ends in .pt or .pth, as loralib's do.")
    model = unwrapped(model)
    with advised(model):
        tensors, ranks = loralib_tensors(model)
    with replacing(path) as beside:
        torch.save({key: one.detach().cpu().contiguous().clone() for key, one in tensors.items()}, beside)
    return ranks


@torch.no_grad()
def loralib_tensors(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, int]]:
    """What `save_loralib` writes, and r of each layer.

    Raises:
        NoFormError: a layer or an update that loralib has no form for.
    """
    refuse_new_blocks(model, "loralib")
    if replaced(model):
        names = listed(sorted({key.rpartition(".")[0] for key in replaced(model)}))
        raise NoFormError(f"{names} was trained whole, which loralib has no place for")
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    for name, layer in require_adapters(model).items():
        dot = f"{name}." if name else ""
        biases = [one for one in layer.module_adapters() if isinstance(one, Bias)]
        if len(biases) < len(layer.module_adapters()):
            raise NoFormError(f"{name}: loralib has no modules beside a layer")
        if layer.weight_adapters() or isinstance(layer, nn.MultiheadAttention):
            A, B, ranks[name] = _written(name, layer)
            tensors |= {f"{dot}lora_A": A, f"{dot}lora_B": B}
        if biases:
            inner = "conv." if isinstance(layer, nn.Conv2d) else ""
            tensors[f"{dot}{inner}bias"] = changed_bias(layer, biases).detach()
    return tensors, ranks


def _written(name: str, layer: AdaptedLayer) -> tuple[Tensor, Tensor, int]:
    if not isinstance(layer, LAYERS):
        kind = plain_class(layer).__name__
        raise NoFormError(
            f"{name} is a {kind}: loralib adapts only linear layers, embeddings and 2d convolutions"
        )
    obstacle = own_forward_obstacle(name, layer, "loralib")
    if obstacle is not None:
        raise NoFormError(obstacle)
    low_rank = layer.low_rank()
    if low_rank is None:
        families = ", ".join(one.family for one in layer.weight_adapters())
        raise NoFormError(f"{name}: its update ({families}) is not low-rank, and loralib has only A and B")
    A, B, scaling = low_rank
    if not isinstance(layer, nn.Conv2d):
        return A, scaling * B, len(A)
    size = layer.kernel_size[0]
    if len(set(layer.kernel_size)) > 1 or layer.padding_mode != "zeros":
        raise NoFormError(f"{name}: loralib supports only square kernels and zero padding")
    identity = torch.eye(size, dtype=A.dtype, device=A.device)
    if layer.groups == 1:
        return A.reshape(len(A) * size, -1), torch.kron(scaling * B.flatten(1), identity), len(A)
    rows = layer.out_channels // layer.groups * size
    exact = factored(layer.update().reshape(rows, -1))
    rank = -(-len(exact.A) // size)
    more = rank * size - len(exact.A)
    return nn.functional.pad(exact.A, (0, 0, 0, more)), nn.functional.pad(exact.B, (0, more)), rank
