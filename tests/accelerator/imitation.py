"""An accelerator that computes on the CPU, and behaves as a real one does where code goes wrong.

PyTorch keeps a device for backends outside its tree (PrivateUse1), and lets one be written in Python. Its
tensors here have their numbers on the CPU, so a whole job runs with true values. As on a GPU,

- a tensor on the CPU and one on the device cannot take part in one operation (0-dimensional ones can);
- a number is read by waiting: each time is counted, with the line that did it;
- only tensors on the CPU can be pinned.

As on MPS there are no numbers of double precision. It cannot be undone: a process of its own has it.
"""

from __future__ import annotations

import traceback
from collections import Counter
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

NAME = "imitation"
aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.is_nonzero.default, aten.nonzero.default}
MOVES = {aten.copy_.default, aten._to_copy.default, aten._has_compatible_shallow_copy_type.default}

waits: Counter[str] = Counter()
"""Where the device's numbers were read, and how often."""


class Stray(RuntimeError):
    """A tensor is on another device than those that it is computed with."""


class OnDevice(torch.Tensor):
    """A tensor of the device; ``numbers`` are on the CPU."""

    @staticmethod
    def __new__(cls, numbers: Tensor) -> OnDevice:
        if numbers.dtype in (torch.float64, torch.complex128):
            raise TypeError("the device has no double precision")
        return torch.Tensor._make_wrapper_subclass(
            cls, numbers.shape, numbers.stride(), numbers.storage_offset(), dtype=numbers.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(operation, args, kwargs or {})

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.numbers.untyped_storage()

    def set_(self, storage: Any, *place: Any) -> Tensor:
        return OnDevice(torch.empty(0, dtype=self.dtype).set_(storage, *place))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.cpu().__reduce_ex__(protocol)

    def __repr__(self, **options: Any) -> str:
        return f"{self.numbers!r} on {NAME}"


def computed(operation: Any, args: Any, kwargs: Any) -> Any:
    """What an operation gives, on the device unless it copies from there."""
    target = kwargs.get("device")
    leaves = tree_leaves((args, kwargs))
    there = any(isinstance(one, OnDevice) for one in leaves)
    if there and operation not in MOVES:
        for one in leaves:
            if isinstance(one, Tensor) and not isinstance(one, OnDevice) and one.dim():
                raise Stray(f"{operation}: a tensor {tuple(one.shape)} on the CPU among those on {NAME}")
    away = target is not None and torch.device(target).type != NAME
    if operation in READS or (there and away) or (operation is aten.copy_.default and not on(args[0])):
        waits[_line()] += 1
    given, named = tree_map(_on_cpu, (args, kwargs))
    result = operation(*given, **named)
    if operation is aten.copy_.default:
        return args[0]
    return tree_map(lambda one: OnDevice(one) if isinstance(one, Tensor) and not away else one, result)


def _new(factory: Any, *args: Any, **kwargs: Any) -> Tensor:
    return computed(factory, args, kwargs | {"device": torch.device(NAME)})


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    return computed(aten.copy_.default, (target, source), {})


def on(value: object) -> bool:
    """Whether a tensor is on the device."""
    return isinstance(value, OnDevice)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, OnDevice):
        return value.numbers
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == NAME else value


def _pinned(tensor: Tensor, device: object = None) -> Tensor:
    if on(tensor):
        raise RuntimeError("cannot pin: only dense CPU tensors can be pinned")
    return tensor


def _line() -> str:
    """The line of the project, else the nearest one, that asked."""
    frames = [frame for frame in traceback.extract_stack() if "tests/accelerator" not in frame.filename]
    ours = [frame for frame in frames if "/visionlora/" in frame.filename]
    frame = (ours or frames)[-1]
    return f"{frame.filename.rpartition('/visionlora/')[2]}:{frame.lineno} {frame.line}"


class _Module(backend_registration._DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def get_device_name(self, device: object = None) -> str:
        return "imitated accelerator"


def register() -> torch.device:
    """Make the device known to this process, as the accelerator that it has."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, _Module())
    for name in (
        "empty.memory_format",
        "empty_strided",
    ):
        # From these two PyTorch makes every other new tensor.
        made_by = getattr(aten, name.partition(".")[0])
        factory = getattr(made_by, name.partition(".")[2] or "default")
        torch.library.impl(f"aten::{name}", "PrivateUse1")(partial(_new, factory))
    torch.library.impl("aten::_copy_from", "PrivateUse1")(_copy_from)
    torch.accelerator.synchronize = lambda device=None: waits.update([_line()])
    torch.Tensor.pin_memory = _pinned  # type: ignore[method-assign]
    # Parameters of a tensor subclass cannot be changed in place: whole tensors are swapped.
    torch.__future__.set_swap_module_params_on_conversion(True)
    return torch.device(NAME)
