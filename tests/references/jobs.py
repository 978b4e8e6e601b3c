"""What the reference files hold, computed again: three short runs, and the logits of 20 adapted networks.

`python -m tests.references.record` writes the files; `test_references.py` compares with them. Everything is
computed in a process of its own with one thread, kernels chosen by rule, and the instruction set that all
supported processors share, so that machines differ as little as they can.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / "recorded"

ENVIRONMENT = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OMP_NUM_THREADS": "1",
    "VISIONLORA_CACHE": "",
    "PYTHONPATH": str(ROOT),
}

COMMON = (
    "data=goldfish", "seed=0", "trainer.kernel=rule", "trainer.threads=1", "trainer.precision=32-true",
    "trainer.progress=false", "cache.features=false",
)  # fmt: skip
SMALL = (
    "model.weights=none", "trainer.max_steps=10", "trainer.validations=1", "data.batch_size=4",
    "retention.generated=16", "retention.per_step=2", "retention.budget=null", "contrast.budget=null",
    "contrast.generated=4", "retention.inverted=0",
)  # fmt: skip
RUNS: Mapping[str, tuple[str, ...]] = {
    "pocket": ("model=pocket", "trainer.max_steps=15", *COMMON),
    "vgg11": ("model=vgg11", *SMALL, *COMMON),
    "mobilenet_v2": ("model=mobilenet_v2", *SMALL, *COMMON),
}
NETWORKS = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet",
    "inception_v3", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf",
    "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11_bn",
    "vit_b_16",
)  # fmt: skip


def machine() -> str:
    """What the last bits of a result depend on: processor and versions."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    kinds = ("vendor_id", "cpu family", "model", "stepping", "cache size")
    about = dict(line.split(":", 1) for line in lines if line.startswith(kinds))
    processor = hashlib.sha256(repr(sorted(about.items())).encode()).hexdigest()[:12]
    return f"{platform.machine()} {processor} torch {torch.__version__}"


def python(module: str, *arguments: str) -> str:
    """What a module prints in a process with the settings of the references."""
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise RuntimeError(f"{module} {arguments} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return ended.stdout


def run(name: str, folder: Path) -> dict[str, Any]:
    """The adapter that a run leaves: its bytes' hash, and the norm of each tensor."""
    from safetensors.torch import load_file

    arguments = (*RUNS[name], f"hydra.run.dir={folder}")
    python("visionlora.train", *arguments)
    path = folder / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    norms = {key: float(tensor.double().norm()) for key, tensor in sorted(tensors.items())}
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "norms": norms}


def logits() -> dict[str, Any]:
    """The first logits and a hash of all of them, for each network with random weights and adapters."""
    return json.loads(python("tests.references.logits", *NETWORKS).splitlines()[-1])
