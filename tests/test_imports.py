"""Every module can be the first that is imported."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys

import pytest

import visionlora

ALONE = """
import os, sys, importlib
import torch, torchvision, lightning.pytorch, matplotlib, hydra  # once for all
for name in sys.argv[1:]:
    if os.fork() == 0:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"{name}: {error}", flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process for each module takes minutes without fork")
def test_no_module_needs_another_one_imported_before_it() -> None:
    found = [one.name for one in pkgutil.walk_packages(visionlora.__path__, "visionlora.")]
    names = [name for name in found if not name.endswith("__main__")]
    assert len(names) > 150
    left = subprocess.run(
        [sys.executable, "-c", ALONE, *names], capture_output=True, text=True, check=True, timeout=280
    )
    assert left.stdout == "", left.stdout
