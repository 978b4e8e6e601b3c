"""Giving a module another class for a while, so that the object and its tensors' names stay what they are.

`swapped(kind, base)` is the class of a module that was a `base` and is a `kind` now. The class is made at run
time, so it cannot be found by name: copies and pickles make it again.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn


class Replicable(nn.Module):
    """A module that finds its parameters under their names in the copies that `DataParallel` makes: these get
    tensors as attributes, in the place of parameters."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and "_is_replica" in vars(self) and name not in self._buffers:
            self._parameters[name] = value  # type: ignore[assignment]
        else:
            super().__setattr__(name, value)


class Swapped(Replicable):
    """A module whose class stands in for `base_class`.

    Attributes:
        base_class: the class that the module had before, and gets back.
        kind: what it is now, a subclass of `Swapped`.
        prefix: what the name of the new class begins with.
    """

    base_class: ClassVar[type[nn.Module]]
    kind: ClassVar[type[Swapped]]
    prefix: ClassVar[str] = ""

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return _new_instance, (_recipe(type(self)),), self.__dict__

    @classmethod
    def members(cls, base: type[nn.Module]) -> dict[str, Any]:
        """Further attributes of the class that stands in for `base`."""
        return {}


_CLASSES: dict[tuple[type, type], Any] = {}


def swapped(kind: type[Swapped], base: type[nn.Module]) -> Any:
    """The class of a `base` that is a `kind` now; always the same object for the same two."""
    if (kind, base) not in _CLASSES:
        members = {"base_class": base, "kind": kind, "__module__": base.__module__, **kind.members(base)}
        _CLASSES[kind, base] = type(f"{kind.prefix}{base.__name__}", (kind, base), members)
    return _CLASSES[kind, base]


def swap(module: nn.Module, kind: type[Swapped]) -> Any:
    """Make a module a `kind`, in place; returns it."""
    module.__class__ = swapped(kind, type(module))
    return module


def swap_back(module: nn.Module) -> Any:
    """Give a swapped module its former class back, in place; returns it."""
    assert isinstance(module, Swapped)
    back: Any = module
    back.__class__ = module.base_class
    return back


def plain_class(module: nn.Module) -> Any:
    """The class that a module had before anything was swapped."""
    kind: Any = type(module)
    while issubclass(kind, Swapped):
        kind = kind.base_class
    return kind


def _recipe(cls: type) -> Any:
    """A class as nested pairs of what can be found by name."""
    return (cls.kind, _recipe(cls.base_class)) if issubclass(cls, Swapped) else cls


def _class_of(recipe: Any) -> Any:
    return swapped(recipe[0], _class_of(recipe[1])) if isinstance(recipe, tuple) else recipe


def _new_instance(recipe: Any) -> nn.Module:
    cls = _class_of(recipe)
    return cls.__new__(cls)
