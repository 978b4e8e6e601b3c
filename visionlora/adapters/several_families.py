"""One configuration of several families: an adapter for each, on the weights that it is for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import nn

from visionlora.adapters.base import Adapter, AdapterSettings
from visionlora.adapters.config import LoraConfig
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.families.bias import Bias
from visionlora.adapters.families.norm import Norm
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.adapters.network import named_sites
from visionlora.adapters.norms import named_norms


def part_name(name: str, family: str) -> str:
    """What the adapter of a further family is called, beside one called `name`."""
    return family if name == "default" else f"{name}_{family}"


def fitting_sites(model: nn.Module, config: LoraConfig, sites: Sequence[str]) -> list[str]:
    """Those of the weights that one of their families can be attached to; all of them where none is."""
    layers = {name: module for name, (module, _) in named_sites(model).items()}

    def fits(site: str) -> bool:
        return any(_is_for(FAMILIES[one], layers[site], False, False) for one in config.families_of(site))

    return [site for site in sites if fits(site)] or list(sites)


def settings_by_family(
    model: nn.Module, config: LoraConfig, sites: Sequence[str], trained_whole: Collection[str] = ()
) -> dict[str, dict[str, AdapterSettings]]:
    """The settings of every adapter by its family and the weight's full name.

    A family that is a module of its own (Conv-Adapter, bias) leaves out layers that it can't be attached to,
    as long as it is not alone; a prompt is for the first layer alone.

    Args:
        model: plain or adapted.
        config: families, patterns, `bias`, `train_norms`.
        sites: the weights that are targeted.
        trained_whole: layers that get no adapter.

    Raises:
        LoraError: a family is left without any layer.
    """
    layers = {name: module for name, (module, _) in named_sites(model).items()}
    found: dict[str, dict[str, AdapterSettings]] = {family: {} for family in config.families}
    alone = len(config.families) == 1
    for site in sites:
        for family in config.families_of(site):
            if family != Norm.family and _is_for(FAMILIES[family], layers[site], alone, bool(found[family])):
                found[family][site] = config.settings_of(site, family)
    if config.bias != "none":
        biased = [name for name in layers if name not in trained_whole] if config.bias == "all" else sites
        settings = {
            site: config.settings_of(site, Bias.family) for site in biased if Bias.can_attach_to(layers[site])
        }
        found.setdefault(Bias.family, {}).update(settings)
    if config.train_norms or Norm.family in found:
        found[Norm.family] = {
            norm: config.settings_of(norm, Norm.family)
            for norm in named_norms(model)
            if norm not in trained_whole
        }
    empty = [family for family, settings in found.items() if not settings]
    if empty and sites:
        raise LoraError(_left_without(empty[0], config))
    return {family: settings for family, settings in found.items() if settings} or found


def _left_without(family: str, config: LoraConfig) -> str:
    """The error of a family, or of an option that stands for one, that no layer is left for."""
    if family == Bias.family and family not in config.families:
        where = "no layer" if config.bias == "all" else "no adapted layer"
        return f"bias={config.bias}: {where} with a bias is left to train: use bias=none."
    none = "the network has no normalization with weight and bias"
    if family != Norm.family:
        return f"family {family} is left without a layer: choose other targets or families."
    if family not in config.families:
        return f"train_norms=true: {none}: use train_norms=false."
    return f"family {family} is left without a layer: {none}."


def _is_for(family: type[Adapter], layer: nn.Module, alone: bool, has_one: bool) -> bool:
    """Whether a family gets an adapter of a targeted layer.

    Args:
        family: the family.
        layer: the module.
        alone: whether there is no other family; then a layer that it can't be attached to is a mistake.
        has_one: whether it has an adapter of a layer before.
    """
    if not issubclass(family, ModuleAdapter):
        return True
    return not (family.one_layer and has_one) and (alone or family.can_attach_to(layer))
