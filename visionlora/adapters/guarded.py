"""What PyTorch's own functions do to the parameters of a layer, and an adapted one refuses in a sentence."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from visionlora.adapters.computed_weight import ComputedWeight, refuse_assignment
from visionlora.adapters.errors import LoraError
from visionlora.frozen.swap import Swapped

_TRAINED = (
    "A frozen weight under an adapter requires a gradient (requires_grad_(True) of the whole network?), so "
    "an optimizer of network.parameters() trains it too: give it adapter_parameters(network), or freeze "
    "layer.base_weight again."
)

_LOADING = "_is_loading"


class KeptParameters(dict[str, nn.Parameter | None]):
    """The parameters of a layer, of which one can't be deleted: the old weight norm does that here, where
    `__delattr__` sees nothing of it.

    Args:
        parameters: what the layer has.
        kept: the name of the one.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter | None], kept: str) -> None:
        super().__init__(parameters)
        self.kept = kept

    def __delitem__(self, name: str) -> None:
        if name == self.kept:
            raise LoraError(
                f"the {name} of an adapted layer can't be taken away (weight_norm, spectral_norm, pruning): "
                "merge the adapters first"
            )
        super().__delitem__(name)


class Guarded(Swapped):
    """A layer that keeps the parameter which its adapters change.

    Attributes:
        adapted_parameter: its name.
        fold: the batch norm that the layer does the work of, if any.
    """

    adapted_parameter: ClassVar[str]
    fold: Any

    def __setattr__(self, name: str, value: Any) -> None:
        is_new = name == self.adapted_parameter and isinstance(value, nn.Parameter)
        if is_new and not vars(self).get(_LOADING):
            raise LoraError(
                f"the {name} of an adapted layer is computed from the frozen one and the adapters, which "
                "would change another one too (that of fuse_conv_bn_eval, say): merge the adapters first, or "
                "assign layer.base_weight to replace the frozen one"
            )
        if name == "base_weight":  # `layer.base_weight += ...` ends in an assignment
            name = self.adapted_parameter
        if name == self.adapted_parameter:
            refuse_assignment(name, value, self._parameters.get(name))
        super().__setattr__(name, value)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        vars(self)[_LOADING] = True  # with assign=True the frozen weight is assigned by its own name
        try:
            super()._load_from_state_dict(*arguments)
        finally:
            del vars(self)[_LOADING]

    def keep_parameter(self) -> None:
        """Let nothing take the adapted parameter away."""
        vars(self)["_parameters"] = KeptParameters(self._parameters, self.adapted_parameter)

    def release_parameter(self) -> None:
        """The reverse of :meth:`keep_parameter`."""
        vars(self)["_parameters"] = dict(self._parameters)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """As `nn.Module`'s; not for the computed weight, nor for a parameter that gets another name."""
        own = {id(one): key for key, one in self._parameters.items() if one is not None}
        if isinstance(param, ComputedWeight) or own.get(id(param), name) != name:
            raise LoraError(
                f"a parameter of an adapted layer can't become {name} (pruning): merge the adapters first"
            )
        if name in self._parameters:  # an assigned checkpoint; hasattr would compute it
            self._parameters[name] = param
        else:
            super().register_parameter(name, param)

    def __prepare_scriptable__(self) -> Any:
        # What torch.jit.script asks for in the place of a module.
        raise LoraError(
            "torch.jit.script can't compile adapted layers: merge the adapters first, or use torch.export or "
            "torch.jit.trace"
        )

    def _replicate_for_data_parallel(self) -> Any:
        if self.fold is not None:
            raise LoraError(
                "DataParallel can't copy folded batch norms: call unfold_batch_norm(network) first, or use "
                "DistributedDataParallel"
            )
        return super()._replicate_for_data_parallel()

    def warn_if_trained(self) -> None:
        """Warn where the frozen weight would be trained in silence."""
        weight = self._parameters[self.adapted_parameter]
        if weight is None or not weight.requires_grad or not torch.is_grad_enabled():
            return
        if not (torch.compiler.is_compiling() or "_is_replica" in vars(self)):
            warnings.warn(_TRAINED, stacklevel=3)
