"""What is not of the type that a function takes is refused in words, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from visionlora.adapters import (
    LoraConfig,
    LoraError,
    activate,
    adapter_parameters,
    attach,
    fingerprint,
    load_adapter,
    merge,
    save_adapter,
)

NOTHING: Any = None

MISTAKES: dict[str, tuple[Callable[[nn.Module, Path], object], str]] = {
    "name": (lambda net, _: attach(net, name=3), "adapter name 3: give a name without dots"),
    "generator": (lambda net, _: attach(net, generator=0), "generator is 0: give a torch.Generator"),
    "options": (lambda *_: LoraConfig(options=["factor"]), "options is .'factor'.: give a mapping"),
    "no options": (lambda *_: LoraConfig(options=None), "options is None: give a mapping"),
    "family": (lambda *_: LoraConfig(family=[["lora"]]), "family is .'lora'.: give one of lora"),
    "activate": (lambda net, _: activate(attach(net), ["default"]), "adapter name .'default'.: give names"),
    "empty": (lambda *_: attach(nn.Sequential(nn.Conv2d(1, 0, 1))), "0: its weight has no element"),
    **{
        name: (
            lambda _, path, call=call: call(path),
            "model is None: give a network, an instance of torch.nn",
        )
        for name, call in {
            "merge": lambda _: merge(NOTHING),
            "save": lambda path: save_adapter(NOTHING, path),
            "load": lambda path: load_adapter(NOTHING, path),
            "fingerprint": lambda _: fingerprint(NOTHING),
            "parameters": lambda _: list(adapter_parameters(NOTHING)),
        }.items()
    },
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_value_of_a_wrong_type_is_refused_in_words(mistake: str, tmp_path: Path) -> None:
    call, said = MISTAKES[mistake]
    network = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(LoraError, match=said):
        call(network, tmp_path)
    assert type(network[0]) is nn.Linear or mistake == "activate"


def test_a_network_on_the_meta_device_is_merged_there() -> None:
    network = attach(nn.Sequential(nn.Linear(4, 2, device="meta")))
    assert merge(network)[0].weight.is_meta
