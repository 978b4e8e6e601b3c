"""A quantised weight in the place of a layer's parameter.

It is a tensor without memory of its own: it has the dense weight's shape and type, and what is computed with
it computes with the dense weight, made for that one operation. Autograd keeps the quantised one for the
backward pass, since it stands above this. So layers, adapted or not, need not know of it, and the dense
weight exists only while its layer computes. Large matrix products make it a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import gcd
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from visionlora.errors import VisionLoraError
from visionlora.frozen import nf4

SCHEMES = ("nf4", "int8")
PIECE = 2**20  # numbers of a matrix that are dense at a time in a product
_aten = torch.ops.aten
_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)
"""PyTorch 2.6 does not say it."""


class PackedWeight(Tensor):
    """`rows * (dequantised + added_B @ added_A)`, in the shape of the weight.

    Attributes:
        scheme: "nf4" or "int8".
        parts: its tensors. Of nf4: `codes`, `scale_codes`, `scale_scales` and `scale_offset` (`nf4.Scales`).
            Of int8: `codes` and `scales`. Either may have `rows` (out, 1...), and `added_A` (r, in...) and
            `added_B` (out, r) in half precision, which make up for the error of the quantisation.
        codec: the implementation of nf4.
        transposed: whether this is the transpose of a matrix.
    """

    scheme: str
    parts: dict[str, Tensor]
    codec: nf4.Codec
    transposed: bool
    is_stored = False

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(
        cls, scheme: str, shape: Sequence[int], parts: Mapping[str, Tensor], codec: nf4.Codec = nf4.PYTORCH,
        dtype: torch.dtype = torch.float32, transposed: bool = False,
    ) -> PackedWeight:  # fmt: skip
        own = tuple(reversed(shape)) if transposed else tuple(shape)
        made = Tensor._make_wrapper_subclass(cls, own, dtype=dtype, device=parts["codes"].device)
        made.scheme, made.parts, made.codec, made.transposed = scheme, dict(parts), codec, transposed
        return made

    @property
    def stored_bytes(self) -> int:
        """What it takes in memory."""
        return sum(part.nbytes for part in self.parts.values())

    def dense(self, dtype: torch.dtype | None = None) -> Tensor:
        """The numbers in this type, by default its own: computed at every call."""
        dtype, shape = dtype or self.dtype, self._shape
        weight = self._rows(0, shape[0], dtype).view(shape)
        return weight.t() if self.transposed else weight

    def operand(self) -> PackedWeight:
        """Itself: autograd keeps the quantised weight."""
        return self

    def product(self, x: Tensor, bias: Tensor | None = None, transposed: bool = False) -> Tensor:
        """x W' + bias for x (M, in), or, transposed, x W for x (M, out); the weight a few rows at a time."""
        outputs, inputs = self._shape[0], self._shape[1:].numel()
        rows = self._rows_at_once(inputs)
        if transposed:
            y = x.new_zeros(x.shape[0], inputs)
            for first in range(0, outputs, rows):
                last = min(first + rows, outputs)
                y.addmm_(x[:, first:last], self._rows(first, last, x.dtype))
        else:
            y = x.new_empty(x.shape[0], outputs)
            for first in range(0, outputs, rows):
                last = min(first + rows, outputs)
                y[:, first:last] = F.linear(x, self._rows(first, last, x.dtype))
        return y if bias is None else y.add_(bias)

    def pieces(self) -> Iterator[tuple[slice, Tensor]]:
        """The dense weight a few rows at a time, (rows, in * kernel...)."""
        outputs, rows = self._shape[0], self._rows_at_once(self._shape[1:].numel())
        for first in range(0, outputs, rows):
            last = min(first + rows, outputs)
            yield slice(first, last), self._rows(first, last, self.dtype)

    def scaled(self, scale: Tensor) -> PackedWeight:
        """The weight with each output times its scale, (out,). A batch norm's that was folded before the
        weight was quantised is no factor any more."""
        rows = self.parts.get("rows")
        if rows is None:
            return self._with_rows(scale)
        folded = torch.equal(rows, 1 / torch.where(scale == 0, 1.0, scale))
        if not folded:
            return self._with_rows(rows * scale)
        return self._with_rows(None if bool(scale.all()) else (scale != 0).to(rows.dtype))

    def _with_rows(self, rows: Tensor | None) -> PackedWeight:
        parts = {name: part for name, part in self.parts.items() if name != "rows"}
        return self._like(parts if rows is None else {**parts, "rows": rows})

    @property
    def _shape(self) -> torch.Size:
        return torch.Size(reversed(self.shape)) if self.transposed else self.shape

    def _rows_at_once(self, inputs: int) -> int:
        """Rows of about PIECE numbers; where one ends, a block does."""
        step = nf4.BLOCK * nf4.SCALE_BLOCK // gcd(nf4.BLOCK * nf4.SCALE_BLOCK, inputs)
        return max(1, PIECE // (inputs * step)) * step

    def _rows(self, first: int, last: int, dtype: torch.dtype) -> Tensor:
        """Some rows of the weight as a matrix, (last - first, in * kernel...). The first number of them is
        the first of a block of scales."""
        if torch.jit.is_tracing() or _is_exporting():
            raise VisionLoraError(
                "A program (torch.jit.trace, torch.export) can't hold quantised weights: call "
                "visionlora.frozen.quantised.dequantise on a copy of the network first."
            )
        inputs = self._shape[1:].numel()
        changed = {"rows", "added_A"} & self.parts.keys()
        made_in = torch.promote_types(dtype, torch.float32) if changed else dtype
        made = self._dequantised(first, last, inputs, made_in)
        if "added_A" in self.parts:
            A, B = self.parts["added_A"].flatten(1), self.parts["added_B"][first:last]
            made.addmm_(B.to(made_in), A.to(made_in))
        if "rows" in self.parts:
            made.mul_(self.parts["rows"][first:last].view(-1, 1))
        return made.to(dtype)

    def _dequantised(self, first: int, last: int, inputs: int, dtype: torch.dtype) -> Tensor:
        codes = self.parts["codes"]
        if self.scheme == "int8":
            scales = self.parts["scales"].to(dtype)
            if scales.ndim > len(self._shape):  # transposed convolution: (groups, 1, out/groups, 1...)
                grouped = codes.unflatten(0, (scales.shape[0], -1))
                return (grouped.to(dtype) * scales).view(codes.shape[0], -1)[first:last]
            return codes[first:last].flatten(1).to(dtype).mul_(scales[first:last].view(-1, 1))
        start, stop = first * inputs, last * inputs
        blocks = slice(start // nf4.BLOCK, -(-stop // nf4.BLOCK))
        stored = nf4.Scales(*(self.parts[f"scale_{name}"] for name in nf4.Scales._fields))
        scales = stored.dense(blocks.start, blocks.stop)
        codes = codes[start // 2 : (stop + 1) // 2]
        made = self.codec.dequantise(codes, scales, stop - start, dtype)
        return made.view(last - first, inputs)

    def _like(
        self, parts: Mapping[str, Tensor], dtype: torch.dtype | None = None, transposed: bool | None = None
    ) -> PackedWeight:
        turned = self.transposed if transposed is None else transposed
        return PackedWeight(self.scheme, self._shape, parts, self.codec, dtype or self.dtype, turned)

    # What PyTorch asks of a tensor without memory of its own.

    def __tensor_flatten__(self) -> tuple[list[str], Any]:
        return list(self.parts), (self.scheme, self._shape, self.codec, self.dtype, self.transposed)

    def __getattr__(self, name: str) -> Any:
        parts = self.__dict__.get("parts", {})
        if name in parts:
            return parts[name]
        raise AttributeError(name)

    @staticmethod
    def __tensor_unflatten__(parts: dict[str, Tensor], about: Any, size: Any, stride: Any) -> PackedWeight:
        scheme, shape, codec, dtype, transposed = about
        return PackedWeight(scheme, shape, parts, codec, dtype, transposed)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        about = self.scheme, self._shape, self.parts, self.codec, self.dtype, self.transposed
        return _rebuilt, (about, isinstance(self, torch.nn.Parameter))

    def __deepcopy__(self, memo: dict[int, Any]) -> PackedWeight:
        if id(self) not in memo:
            copied = self._like({name: part.clone() for name, part in self.parts.items()})
            parameter = isinstance(self, torch.nn.Parameter)
            memo[id(self)] = torch.nn.Parameter(copied, requires_grad=False) if parameter else copied
        return memo[id(self)]

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"PackedWeight({self.scheme}, {tuple(self.shape)}, {self.stored_bytes} bytes)"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        own = _OPERATIONS.get(func)
        made = own(*args, **kwargs) if own is not None else NotImplemented
        if made is not NotImplemented:
            return made
        if func._schema.is_mutable:
            written = [one for one, a in zip(args, func._schema.arguments, strict=False) if a.is_write]
            if any(isinstance(one, PackedWeight) for one in written):
                raise RuntimeError(
                    f"{func}: a quantised weight cannot be changed in place; quantise the changed weight"
                )
        dense = lambda one: one.dense() if isinstance(one, PackedWeight) else one  # noqa: E731
        args, kwargs = tree_map(dense, (tuple(args), kwargs))
        return func(*args, **kwargs)


def _rebuilt(about: tuple[Any, ...], parameter: bool) -> Tensor:
    made = PackedWeight(*about)
    return torch.nn.Parameter(made, requires_grad=False) if parameter else made


def _same(weight: PackedWeight, **_: Any) -> PackedWeight:
    return weight._like(weight.parts)


def _clone(weight: PackedWeight, **_: Any) -> PackedWeight:
    return weight._like({name: part.clone() for name, part in weight.parts.items()})


def _copy(weight: Tensor, source: Tensor, *_: Any, **__: Any) -> Any:
    """From a weight of the same form, part by part; from a dense tensor only the values that it has already:
    DistributedDataParallel gives each process those of the first one, which it has too."""
    if not isinstance(weight, PackedWeight):
        return NotImplemented
    if isinstance(source, PackedWeight):
        if _form(source) != _form(weight):
            return NotImplemented
        for name, part in source.parts.items():
            weight.parts[name].copy_(part)
        return weight
    return weight if torch.equal(weight.dense(), source.to(weight.device, weight.dtype)) else NotImplemented


def _form(weight: PackedWeight) -> tuple[Any, ...]:
    parts = {name: (part.shape, part.dtype) for name, part in weight.parts.items()}
    return weight.scheme, weight.transposed, weight.shape, parts


def _to(weight: PackedWeight, **options: Any) -> Any:
    dtype = options.get("dtype") or weight.dtype
    if not dtype.is_floating_point:
        return NotImplemented
    where = {key: options[key] for key in ("device", "non_blocking") if options.get(key) is not None}
    parts = {name: part.to(**where) if where else part for name, part in weight.parts.items()}
    return weight._like(parts, dtype)


def _to_dtype(weight: PackedWeight, dtype: torch.dtype, *_: Any, **__: Any) -> Any:
    """In inference mode autocast asks for this; otherwise for the copy that it consists of."""
    return _to(weight, dtype=dtype)


def _turn(weight: PackedWeight, *dims: int) -> Any:
    if weight.ndim != 2 or (dims and {dim % 2 for dim in dims} != {0, 1}):
        return NotImplemented
    return weight._like(weight.parts, transposed=not weight.transposed)


def _multiply(x: Tensor, weight: Tensor) -> Any:
    if not isinstance(weight, PackedWeight) or isinstance(x, PackedWeight):
        return NotImplemented
    return weight.product(x, transposed=not weight.transposed)


def _multiply_and_add(bias: Tensor, x: Tensor, weight: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    if beta != 1 or alpha != 1 or not isinstance(weight, PackedWeight) or isinstance(x, PackedWeight):
        return NotImplemented
    return weight.product(x, bias, transposed=not weight.transposed)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    """In inference mode PyTorch asks for this; otherwise for the product that it consists of."""
    if not isinstance(weight, PackedWeight) or isinstance(x, PackedWeight) or weight.ndim != 2:
        return NotImplemented
    y = weight.product(x.reshape(-1, x.shape[-1]), bias, transposed=weight.transposed)
    return y.view(*x.shape[:-1], -1)


_OPERATIONS: dict[Any, Callable[..., Any]] = {
    _aten.detach.default: _same,
    _aten.alias.default: _same,
    _aten.clone.default: _clone,
    _aten.copy_.default: _copy,
    _aten._to_copy.default: _to,
    _aten.to.dtype: _to_dtype,
    _aten.t.default: _turn,
    _aten.transpose.int: _turn,
    _aten.mm.default: _multiply,
    _aten.addmm.default: _multiply_and_add,
    _aten.linear.default: _linear,
}
