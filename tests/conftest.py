"""What many tests share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"


class Left(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True, scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Timings of this session go to a folder of its own, those of subprocesses too, not to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLORA_CACHE", str(tmp_path_factory.mktemp("kernels")))
        yield


@pytest.fixture
def real() -> Path:
    """The folder of real weights and pictures; the test is skipped where it is missing."""
    if not REAL.is_dir():
        pytest.skip(f"no real material: {REAL} is missing")
    return REAL


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Left]:
    """Runs ``visionlora NAME ARGUMENTS`` in this process, in ``tmp_path``."""

    def run(name: str, *arguments: str) -> Left:
        from hydra.core.global_hydra import GlobalHydra

        from visionlora import cli

        GlobalHydra.instance().clear()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["visionlora", name, *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capfd.readouterr()
        for handler in logging.getLogger().handlers[:]:
            if isinstance(handler, logging.FileHandler):  # Hydra's, into a folder that may be gone
                logging.getLogger().removeHandler(handler)
                handler.close()
        code = left.value.code
        return Left(code if isinstance(code, int) else 0, out, err)

    return run
