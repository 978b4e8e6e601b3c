"""Every example runs as it is."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The ``main`` of an example, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def main(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main

    return main


def test_the_page_of_the_examples_names_each_of_them() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    names = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert {name for name in names if f"({name})" not in page} == set()


def test_a_loop_of_ones_own_ends_in_a_plain_network(example: Callable[[str], Any]) -> None:
    assert example("plain_loop")() < 1e-3


def test_a_network_of_ones_own_trains_its_adapters_alone(example: Callable[[str], Any]) -> None:
    assert 0 < example("own_network")() < 2000


@pytest.mark.slow
def test_a_checkpoint_of_lightning_holds_the_adapter_alone(example: Callable[[str], Any]) -> None:
    assert example("lightning_module")() < 1_500_000, "the network alone has 2.9 MB"


@pytest.mark.slow
def test_accelerate_trains_an_adapter(example: Callable[[str], Any]) -> None:
    pytest.importorskip("accelerate")
    assert example("accelerate_loop")().is_file()


@pytest.mark.slow
def test_a_network_of_timm_merges(example: Callable[[str], Any]) -> None:
    pytest.importorskip("timm")
    assert example("timm_network")() < 1e-3


@pytest.mark.slow
def test_a_checkpoint_of_the_transformers_trainer_is_an_adapter_directory(
    example: Callable[[str], Any],
) -> None:
    pytest.importorskip("transformers")
    files = example("transformers_trainer")()
    assert {"adapter_config.json", "adapter_model.safetensors", "trainer_state.json"} <= set(files)
    assert not {"model.safetensors", "pytorch_model.bin"} & set(files)


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    cells = json.loads((EXAMPLES / "goldfish.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        assert not cell.get("outputs"), "outputs are not kept"
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("STEPS = 320", "STEPS = 2"), names)
    assert len(names["drawings"]) == 4
