"""The weight that an adapted layer computes with, as others read it: a result, not a parameter.

Changing it in place would change a temporary tensor and nothing else, so that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.adapters.errors import LoraError

_MESSAGE = (
    "the weight of an adapted layer is computed from the frozen weight and the adapters, so {what} would be "
    "lost: change layer.base_weight (frozen) or the parameters of layer.adapters, or merge the adapters first"
)

_VIEWS = {
    "detach", "view", "view_as", "reshape", "flatten", "unflatten", "t", "transpose", "permute", "movedim",
    "squeeze", "unsqueeze", "narrow", "select", "expand", "__getitem__",
}  # fmt: skip


class ComputedWeight(Tensor):
    """A tensor that refuses to be changed, as do views of it; what is computed from it is a plain tensor."""

    @classmethod
    def of(cls, tensor: Tensor) -> Tensor:
        """The tensor as one of these; a compiler, which may have a class of its own, gets it as it is."""
        is_traced = torch.compiler.is_compiling() or type(tensor) not in (Tensor, nn.Parameter)
        return tensor if is_traced else tensor.as_subclass(cls)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        keywords = dict(kwargs or {})
        changed = args[:1] or tuple(keywords.values())  # torch.nn.init hands its tensor over by keyword
        if isinstance(keywords.get("out"), cls):
            raise LoraError(_MESSAGE.format(what=f"the output of {name}()"))
        if any(isinstance(value, cls) for value in changed):
            if name.endswith("_") and not name.endswith("__"):
                raise LoraError(_MESSAGE.format(what=f"{name}()"))
            if name in ("__setitem__", "__set__"):
                raise LoraError(_MESSAGE.format(what="a change in place"))
            if getattr(func, "__self__", None) is Tensor.data:
                raise LoraError(_MESSAGE.format(what="a change of its data"))
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **keywords)
        # One that is its own view (flatten) is one already, and PyTorch 2.6 can't make it one again.
        plain = isinstance(result, Tensor) and not isinstance(result, cls)
        return result.as_subclass(cls) if name in _VIEWS and plain else result


def refuse_assignment(name: str, new: object, frozen: Tensor | None) -> None:
    """Refuse a trainable parameter in the place of the frozen weight: what the layer computed with would get
    the adapters' update once more. A checkpoint that is assigned is frozen, as what it replaces."""
    if (
        isinstance(new, nn.Parameter)
        and new.requires_grad
        and frozen is not None
        and not frozen.requires_grad
    ):
        raise LoraError(
            f"the adapters change the frozen {name} of an adapted layer, and would change a new parameter "
            f"too: merge the adapters first, or assign one with requires_grad=False as another frozen {name}"
        )
