"""Where the library alone is installed, every way to start a command says what to install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from visionlora.cli import COMMANDS, MODULES
from visionlora.installed import COMMANDS_NEED

ROOT = Path(__file__).resolve().parents[1]
BLOCK = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in {absent!r} else real(name, *more)
"""


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs Python where the given packages are not installed."""

    def run(absent: set[str], *words: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "sitecustomize.py").write_text(BLOCK.format(absent=absent))
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
        return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=tmp_path)

    return run


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("start", [["-m", "visionlora.{module}"], ["-m", "visionlora", "{name}"]])
def test_a_command_of_the_library_alone_says_what_to_install(without, name: str, start: list[str]) -> None:
    words = [word.format(module=MODULES.get(name, name), name=name) for word in start]
    left = without(set(COMMANDS_NEED), *words, "data=goldfish")
    assert left.returncode == 2
    assert left.stderr.count("\n") == 1
    assert "hydra, lightning, " in left.stderr and "pip install 'visionlora[train]'" in left.stderr
    assert left.stdout == ""


def test_one_package_that_is_missing_is_named(without) -> None:
    left = without({"torchmetrics"}, "-m", "visionlora.train", "data=goldfish")
    assert left.returncode == 2
    assert "(torchmetrics is not installed)" in left.stderr


def test_what_the_library_offers_and_the_commands_need_says_what_to_install(without) -> None:
    left = without({"torchvision"}, "-c", "import visionlora; visionlora.load")
    assert left.returncode == 1
    assert "ModuleNotFoundError: visionlora.load needs torchvision: pip install" in left.stderr


def test_another_program_of_minus_m_is_not_taken_for_a_command(without, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("import visionlora")
    (tmp_path / "mine" / "program.py").write_text("print('runs')")
    left = without(set(COMMANDS_NEED), "-m", "mine.program", "visionlora.train")
    assert (left.returncode, left.stdout) == (0, "runs\n")


def test_the_packages_looked_for_are_those_of_the_extra() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (extra,) = re.findall(r"^train = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    names = {"pillow": "PIL", "hydra-core": "hydra"}
    required = {names.get(name, name) for name in re.findall(r'"([\w-]+)>=', extra)}
    assert required == set(COMMANDS_NEED) - {"omegaconf", "yaml"}, "Hydra brings these two"
