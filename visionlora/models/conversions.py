"""Which formats have a form for an adapter, and what to do where the one that was asked for has none."""

from __future__ import annotations

import shlex
from pathlib import Path

import torch

from visionlora.adapters import AdapterSettings, activate, named_adapters
from visionlora.adapters.attaching import attach_layers
from visionlora.adapters.errors import NoFormError
from visionlora.adapters.io.loralib import loralib_tensors
from visionlora.adapters.io.lycoris_write import lycoris_tensors
from visionlora.adapters.io.no_form import refuse_new_blocks
from visionlora.adapters.io.peft_export import peft_contents
from visionlora.adapters.merging import is_mergeable
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.adapters.network import active_names
from visionlora.models.adapter_files import whole_modules
from visionlora.models.alternatives import Named, delivered
from visionlora.models.restore import TrainedModel
from visionlora.text import listed, printable

_PROBE = "low_rank_probe"


def require_form(to: str, trained: TrainedModel) -> None:
    """Check that a format has a form for all of an adapter; nothing is written.

    Args:
        to: peft, lycoris or loralib.
        trained: the network with the adapter.

    Raises:
        NoFormError: it has none, and why.
    """
    network, head = trained.network, trained.head
    if to == "peft":
        peft_contents(network, modules_to_save=whole_modules(network, head))
        return
    refuse_new_blocks(network, to)
    if head.trained:
        names = listed(list(head.trained))
        raise NoFormError(f"the adapter has new outputs ({names}), which only adapter directories hold")
    if to == "lycoris":
        lycoris_tensors(network)
    else:
        loralib_tensors(network)


def instead_of(to: str, trained: TrainedModel, named: Named, alpha: float | None) -> str:
    """What to do with an adapter that a format has no form for: what is known to work, as a clause.

    Args:
        to: the format.
        trained: the network with the adapter, which is changed and of no use afterwards.
        named: the adapter on the command line.
        alpha: as convert was given it.
    """
    before = ""
    if Path(named.adapters[0]).is_file():
        before = f"make an adapter directory of it ({_directory(named, alpha)}), then "
        named = Named(["FOLDER"], model=named.model, weights=named.weights)
    ways = ["to=peft"] if to != "peft" and _has_form("peft", trained) else []
    last = delivered(trained, named)
    if _has_low_rank_form(to, trained):
        given = {"model": named.model, "base": named.weights}
        more = [f"{key}={value}" for key, value in given.items() if value is not None]
        words = ["visionlora", "combine", f"adapters=[{named.adapters[0]}]", "rank=8", "output=LOW_RANK"]
        ways.append(f"{printable(shlex.join([*words, *more]))} and then from=LOW_RANK")
    return f"{before}use {', or '.join([*ways, last])}"


def _directory(named: Named, alpha: float | None) -> str:
    """The command that makes an adapter directory of a file."""
    given = {"from": named.adapters[0], "model": named.model, "weights": named.weights, "alpha": alpha}
    words = [f"{key}={value}" for key, value in given.items() if value is not None]
    return printable(shlex.join(["visionlora", "convert", *words, "output=FOLDER"]))


def _has_form(to: str, trained: TrainedModel) -> bool:
    try:
        require_form(to, trained)
    except NoFormError:
        return False
    return True


def _has_low_rank_form(to: str, trained: TrainedModel) -> bool:
    """Whether the format has a form for what `combine` with a rank makes of the adapter: LoRA in the place of
    every change of a weight. The network is changed."""
    network, about = trained.network, trained.about
    if any(about.get(key) for key in ("expand", "quantise", "task")) or not is_mergeable(network):
        return False  # combine refuses it
    changed: dict[str, AdapterSettings] = {}
    beside: list[str] = []
    for name in active_names(network):
        adapters = named_adapters(network, name)
        weights = {site for site, one in adapters.items() if not isinstance(one, ModuleAdapter)}
        changed |= {site: AdapterSettings("lora", rank=1) for site in weights}
        beside += [] if weights else [name]
    if not changed:
        return False
    attach_layers(network, changed, name=_PROBE, generator=torch.Generator())
    activate(network, _PROBE, *beside)
    return _has_form(to, trained)
