"""An installed wheel works from any directory, with the user's own configuration on top."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def call(*arguments: str, cwd: Path, path: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else dict(os.environ)
    left = subprocess.run(
        [sys.executable, "-P", *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert left.returncode == 0, left.stderr
    return left.stdout


@pytest.mark.slow
def test_an_installed_wheel_works_anywhere_with_ones_own_configuration(tmp_path: Path) -> None:
    options = "--quiet", "--no-deps", "--wheel-dir"
    call("-m", "pip", "wheel", *options, str(tmp_path), str(ROOT), cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    options = "--quiet", "--no-deps", "--target"
    call("-m", "pip", "install", *options, str(site), str(wheel), cwd=tmp_path)
    mine = tmp_path / "work" / "my" / "data"
    mine.mkdir(parents=True)
    (mine / "mine.yaml").write_text("defaults:\n  - goldfish\nname: mine\nbatch_size: 3\n")
    out = call(
        "-m", "visionlora.train", "--config-dir", "my", "data=mine", "model=pocket", "trainer.max_steps=1",
        "trainer.validations=1", "retention.per_step=2", "hydra.run.dir=run", cwd=mine.parents[1], path=site,
    )  # fmt: skip
    assert re.search(r"120 old +top-1", out)
    config = (tmp_path / "work" / "run" / "config.yaml").read_text()
    assert "batch_size: 3" in config
    assert str(site) in config, "the images come with the wheel"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("dist")
    call("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    return folder


@pytest.mark.slow
def test_wheel_and_sdist_are_what_an_index_takes(built: Path) -> None:
    for tool in ("build", "twine", "check_wheel_contents"):
        pytest.importorskip(tool)
    files = [str(path) for path in built.iterdir()]
    assert "FAILED" not in call("-m", "twine", "check", "--strict", *files, cwd=built)
    call("-m", "check_wheel_contents", *[file for file in files if file.endswith(".whl")], cwd=built)


@pytest.mark.slow
def test_the_wheel_is_under_5_mb(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.stat().st_size < 5_000_000


@pytest.mark.slow
def test_the_same_sources_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    call("-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT), cwd=tmp_path)
    for path in built.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_the_library_needs_torch_and_safetensors_alone(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith("dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
        assert "visionlora/py.typed" in archive.namelist()
    needed = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    names = re.findall(r"^Requires-Dist: ([\w-]+)", "\n".join(needed), re.MULTILINE)
    assert sorted(names) == ["safetensors", "torch"]


PROGRAM = """
from torch import nn
from visionlora import Classifier, load
from visionlora.adapters import LoraConfig, adapter_parameters, attach, merge

network = nn.Sequential(nn.Conv2d(3, 8, 3))
reveal_type(attach(network, LoraConfig(rank=4)))
reveal_type(merge(network))
reveal_type(adapter_parameters(network))
reveal_type(load("RUN").predict("a.jpg"))
LoraConfig(rank="many")
"""


@pytest.mark.slow
def test_a_program_against_the_wheel_sees_types(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    options = "--quiet", "--no-deps", "--target"
    call("-m", "pip", "install", *options, str(tmp_path / "site"), str(wheel), cwd=tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "MYPYPATH": str(tmp_path / "site")}
    words = [sys.executable, "-P", "-m", "mypy", "--config-file=", "--follow-imports=silent", "program.py"]
    left = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    found = re.findall(r'Revealed type is "([^"]+)"', left.stdout)
    assert len(found) == 4, left.stdout + left.stderr
    assert found[0] == found[1] and "Sequential" in found[0]
    assert "Parameter" in found[2]
    assert "tuple[" in found[3] and "str" in found[3] and "float" in found[3]
    assert 'Argument "rank" to "LoraConfig" has incompatible type' in left.stdout
    assert "expected \"int | Literal['auto']\"" in left.stdout
