"""From an empty environment to a first result, by the README alone; and the wheel in that environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.snippets import PHOTOS, ROOT, blocks

pytestmark = pytest.mark.slow


class Newcomer(NamedTuple):
    """What following the README left: the checkout's folder, the commands, and their seconds."""

    checkout: Path
    commands: list[str]
    seconds: list[float]


def shell(script: str, folder: Path) -> str:
    """What a script prints, in an environment that does not know this one."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    # The networks' weights are nowhere: the run says so and takes the one that ships.
    environment["TORCH_HOME"] = str(folder / "torch")
    left = subprocess.run(
        ["bash", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert left.returncode == 0, left.stdout[-2000:] + left.stderr[-4000:]
    return left.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """The README's commands up to the first result on one's own images, run as they are written."""
    checkout = tmp_path_factory.mktemp("checkout")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    for place, source in enumerate(("soccer_ball", "teapot")):  # under names that no network knows
        shutil.copytree(PHOTOS / "val" / source, checkout / "my_images" / f"thing_{place}")
    (block,) = [text for language, text in blocks("README.md") if language == "sh" and "pip install" in text]
    commands = [line for line in block.splitlines() if line]
    seconds: list[float] = []
    for place, command in enumerate(commands):
        started = time.monotonic()
        active = commands[1:place] if not command.startswith("python3 -m venv") else []
        shell("\n".join([*[line for line in active if line.startswith(".")], command]), checkout)
        seconds.append(time.monotonic() - started)
    return Newcomer(checkout, commands, seconds)


def test_four_commands_lead_to_a_network_that_knows_ones_own_images(
    newcomer: Newcomer, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        for command, seconds in zip(newcomer.commands, newcomer.seconds, strict=True):
            print(f"\n  {seconds:6.1f} s  {command}", end="")
        print(f"\n  {sum(newcomer.seconds):6.1f} s  in all")
    assert len(newcomer.commands) <= 4
    (run,) = newcomer.checkout.glob("outputs/*/*/*")
    for name in ("report.html", "metrics.json", "adapter/adapter_model.safetensors"):
        assert (run / name).is_file()


def test_the_wheel_runs_the_readmes_command_from_another_folder(newcomer: Newcomer, tmp_path: Path) -> None:
    python = newcomer.checkout / ".venv" / "bin" / "python"
    shell(f"{python} -m pip wheel --quiet --no-deps --wheel-dir . '{newcomer.checkout}'", tmp_path)
    shell(f"{python} -m pip uninstall --quiet --yes visionlora", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    shell(f"{python} -m pip install --quiet '{wheel}[train]'", tmp_path)
    assert "No broken requirements" in shell(f"{python} -m pip check", tmp_path)
    command = "train data=goldfish trainer.max_steps=2 trainer.validations=1 hydra.run.dir=run"
    shell(f"{python.with_name('visionlora')} {command}", tmp_path)
    config = (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8")
    assert "site-packages" in config, "the images come with the wheel"
    assert (tmp_path / "run" / "report.html").is_file()
