"""A name for the exact base tensors of a network."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from visionlora.adapters.errors import LoraError
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.network import unwrapped
from visionlora.frozen.packed import PackedWeight


def fingerprint(model: nn.Module, exclude: Sequence[str] = ()) -> str:
    """sha256 over names, types, shapes and bytes of a network's base tensors, as 64 hexadecimal digits.

    The same for a plain network, for that network with adapters, and inside `merged`; independent of device
    and memory format. Batch norm's step counters, which no result depends on, are left out.

    Args:
        model: plain or adapted.
        exclude: modules whose tensors are left out, such as a head that was trained.

    Raises:
        LoraError: a tensor has no values yet.
    """
    model = unwrapped(model)
    digest = hashlib.sha256()
    left_out = tuple(f"{name}." for name in exclude)
    left_out += tuple(  # of a layer that stands in several places, under each of its names
        f"{name}.adapters.".removeprefix(".")
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, AdaptedLayer)
    )
    for name, tensor in sorted(model.state_dict().items()):
        if not isinstance(tensor, Tensor) or name.endswith("num_batches_tracked"):
            continue
        if name.startswith(left_out):
            continue
        if tensor.is_meta or is_lazy(tensor):
            raise LoraError(f"{name} has no values yet: load the network's weights first.")
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        parts = {"": tensor}
        if isinstance(tensor, PackedWeight):
            parts = dict(sorted(tensor.parts.items()))
            digest.update(f"{tensor.scheme} {list(parts)}\n".encode())
        for part in parts.values():
            _update(digest, part)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, tensor: Tensor) -> None:
    plain = tensor.detach().cpu().contiguous()
    # From memory, without a copy: PyTorch gives out a tensor's bytes only through NumPy, which may be absent.
    size = plain.numel() * plain.element_size()
    if size:
        digest.update((ctypes.c_char * size).from_address(plain.data_ptr()))
