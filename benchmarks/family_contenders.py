"""The contenders of the family comparison: every adapter family here, and PEFT's and LyCORIS's own versions.

A family's contenders are called `ours dora`, `PEFT dora` and `LyCORIS dora`. Each has its authors' defaults
beside the rank.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from benchmarks.contenders import Contender, Ready, in_training, lycoris, trained_by
from visionlora.adapters import LoraConfig, adapted_layers, adapter_parameters, attach

FAMILIES = (
    "lora", "dora", "loha", "lokr", "oft", "boft", "ia3", "vera", "adalora", "dylora", "glora", "full",
    "bias", "conv_adapter",
)  # fmt: skip
OPTIONS: Mapping[str, Mapping[str, Any]] = {"oft": {"side": "output"}, "boft": {"side": "output"}}
"""Rotations turn outputs, as LyCORIS does: turning the flattened kernels of PEFT costs more."""

PEFT: dict[str, Callable[[Any, int, str], Any]] = {
    "lora": lambda peft, rank, targets: peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=targets),
    "dora": lambda peft, rank, targets: peft.LoraConfig(
        r=rank, lora_alpha=rank, use_dora=True, target_modules=targets
    ),
    "loha": lambda peft, rank, targets: peft.LoHaConfig(r=rank, alpha=rank, target_modules=targets),
    "lokr": lambda peft, rank, targets: peft.LoKrConfig(r=rank, alpha=rank, target_modules=targets),
    "oft": lambda peft, rank, targets: peft.OFTConfig(r=0, oft_block_size=rank, target_modules=targets),
    "boft": lambda peft, rank, targets: peft.BOFTConfig(
        boft_block_size=rank, boft_n_butterfly_factor=1, target_modules=targets
    ),
    "ia3": lambda peft, rank, targets: peft.IA3Config(target_modules=targets, feedforward_modules=[]),
}
"""PEFT's configuration of a family, given the package, the rank and the targets. Its VeRA and AdaLoRA refuse
convolutions."""

LYCORIS: dict[str, Mapping[str, Any]] = {
    "lora": {"algo": "locon"},
    "dora": {"algo": "locon", "dora_wd": True},
    "loha": {"algo": "loha"},
    "lokr": {"algo": "lokr"},
    "oft": {"algo": "diag-oft"},
    "boft": {"algo": "boft"},
    "ia3": {"algo": "ia3"},
    "dylora": {"algo": "dylora"},
    "glora": {"algo": "glora"},
    "full": {"algo": "full"},
}
"""The arguments of LyCORIS's `create_lycoris` for a family."""


def build_ours(family: str, network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """`attach`, then `fold_batch_norm`, as `python -m visionlora.train lora.family=...` does it."""
    targets = [f"(?<!.){re.escape(name)}" for name in layers]
    options = dict(OPTIONS.get(family, {}))
    attach(network, LoraConfig(family=family, rank=rank, alpha=float(rank), targets=targets, options=options))
    trained = list(adapter_parameters(network))
    return Ready(in_training(network), trained, len(adapted_layers(network)), folds=True)


def build_peft(family: str, network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """PEFT's own version, as it documents it for custom models."""
    import peft
    from peft.tuners.tuners_utils import BaseTunerLayer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = PEFT[family](peft, rank, "|".join(re.escape(name) for name in layers))
        model = peft.get_peft_model(network, config)
    count = sum(isinstance(module, BaseTunerLayer) for module in model.modules())
    return Ready(in_training(model), trained_by(model), count)


def build_lycoris(family: str, network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """LyCORIS's own version with its standalone wrapper."""
    return lycoris(network, layers, rank, block_size=rank, **LYCORIS[family])


def _dense(layer: nn.Module, rank: int) -> bool:
    return not isinstance(layer, nn.Conv2d) or layer.groups == 1


def _spatial(layer: nn.Module, rank: int) -> bool:
    """Where Conv-Adapter's authors put it: beside convolutions of more than a pixel."""
    return isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1


def _whole_blocks(layer: nn.Module, rank: int) -> bool:
    """PEFT's BOFT refuses inputs that its blocks don't divide, LyCORIS's such outputs."""
    weight: Any = layer.weight
    return _dense(layer, rank) and weight[0].numel() % rank == 0 and len(weight) % rank == 0


def _biased(layer: nn.Module, rank: int) -> bool:
    return layer.bias is not None


CAN = {"conv_adapter": _spatial, "boft": _whole_blocks, "bias": _biased}
"""Which layers a family's contenders adapt, where it is not every dense one."""


def _contenders() -> list[Contender]:
    found = []
    for family in FAMILIES:
        versions: list[tuple[str, Callable[..., Ready], str | None]] = [("ours", build_ours, None)]
        versions += [("PEFT", build_peft, "peft")] if family in PEFT else []
        versions += [("LyCORIS", build_lycoris, "lycoris")] if family in LYCORIS else []
        for whose, build, package in versions:
            bound = functools.partial(build, family)
            found.append(Contender(f"{whose} {family}", bound, CAN.get(family, _dense), package, usual=False))
    return found


FAMILY_CONTENDERS = tuple(_contenders())
