from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import visionlora.adapters
from visionlora.adapters import api

ALONE = """
import importlib.abc, importlib.metadata, sys

third_party = {name for name, owners in importlib.metadata.packages_distributions().items()}
required = "torchgen functorch typing_extensions sympy mpmath filelock jinja2 markupsafe networkx fsspec"
needed = {"visionlora", "torch", *required.split()}  # torch and what torch requires

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in third_party - needed - set(sys.stdlib_module_names):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Block())
import torch
from torch import nn
import visionlora.adapters as lora

network = lora.attach(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
network(torch.zeros(1, 3, 5, 5)).sum().backward()
lora.fingerprint(network)
lora.merge(network)
for name in ("numpy", "safetensors", "torchvision", "lightning", "hydra"):
    assert name not in sys.modules, name
"""


def test_every_name_is_what_it_says_and_no_module_of_that_name():
    for name in api.__all__:
        assert getattr(visionlora.adapters, name) is getattr(api, name), name


@pytest.mark.parametrize("package", ["visionlora.adapters", "visionlora.models", "visionlora.data"])
def test_import_star_and_a_consoles_completion_have_every_name(package: str) -> None:
    names: dict[str, object] = {}
    exec(f"from {package} import *", names)
    offered = set(importlib.import_module(f"{package}.api").__all__)
    assert offered <= set(names)
    assert offered <= set(dir(sys.modules[package]))


def test_the_mathematics_needs_torch_alone():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
