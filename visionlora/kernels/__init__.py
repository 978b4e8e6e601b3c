"""How one adapted layer is computed fast: functions of tensors."""

from visionlora.kernels.convolution import Geometry, conv
from visionlora.kernels.layers import adapted_conv, adapted_linear, conv_branch, linear_branch
from visionlora.kernels.tensors import FrozenWeight, LayerTensors, merged_weight

__all__ = [
    "FrozenWeight", "Geometry", "LayerTensors", "adapted_conv", "adapted_linear", "conv", "conv_branch",
    "linear_branch", "merged_weight",
]  # fmt: skip
