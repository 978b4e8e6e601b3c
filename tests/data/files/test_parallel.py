"""Work in processes, and in threads where these cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from visionlora.data.files import parallel
from visionlora.data.files.parallel import in_background, in_batches, loading_processes
from visionlora.data.images.decode import BadImage
from visionlora.errors import MachineFault

MANY = range(1000)


@pytest.fixture(params=["threads", "processes"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "processes" and sys.platform != "linux":
        pytest.skip("processes are forked on Linux alone")
    monkeypatch.setattr(parallel, "_can_fork", lambda: request.param == "processes")
    monkeypatch.setattr(parallel, "_cores", lambda: 2)
    return str(request.param)


def wait_for(path: Path) -> None:
    """Until another process has made a file."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def doubled(numbers: Sequence[int]) -> tuple[int, list[int]]:
    return os.getpid(), [2 * number for number in numbers]


def test_results_come_in_order_with_what_they_are_of(way: str) -> None:
    found = list(in_batches(doubled, MANY))
    assert [number for batch, _ in found for number in batch] == list(MANY)
    assert [number for _, (_, numbers) in found for number in numbers] == [2 * number for number in MANY]
    workers = {process for _, (process, _) in found}
    assert (os.getpid() in workers, len(workers)) == ((True, 1) if way == "threads" else (False, 2))


def test_nothing_gives_nothing(way: str) -> None:
    assert list(in_batches(doubled, [])) == []


def test_an_error_reaches_whoever_asked(way: str) -> None:
    def fails(numbers: Sequence[int]) -> None:
        if 500 in numbers:
            raise BadImage(Path("a.png"), "damaged")

    with pytest.raises(BadImage, match=r"a\.png: damaged"):
        list(in_batches(fails, MANY))


def test_a_process_that_is_killed_is_a_fault_of_the_machine_and_not_a_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parallel, "_can_fork", lambda: sys.platform == "linux")
    monkeypatch.setattr(parallel, "_cores", lambda: 2)
    if sys.platform != "linux":
        pytest.skip("processes are forked on Linux alone")

    def dies(numbers: Sequence[int]) -> None:
        if 500 in numbers:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(MachineFault, match="ended with exit code -9"):
        list(in_batches(dies, MANY))


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("processes are forked on Linux alone")
    monkeypatch.setattr(parallel, "_can_fork", lambda: True)
    monkeypatch.setattr(parallel, "_cores", lambda: 2)


@pytest.mark.usefixtures("processes")
def test_what_is_done_by_the_time_it_is_asked_for_is_handed_over_with_what_it_is_of(tmp_path: Path) -> None:
    def slowly(numbers: Sequence[int]) -> list[int]:
        (tmp_path / str(numbers[0])).touch()
        time.sleep(0.05)
        return [2 * number for number in numbers]

    with in_background(slowly, MANY) as ended:
        wait_for(tmp_path / "0")
        done = list(ended(False))
    numbers = [number for batch, _ in done for number in batch]
    assert 0 < len(numbers) < len(MANY)
    assert numbers == [number for _, doubles in done for number in (double // 2 for double in doubles)]


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("begun", [False, True])
def test_the_rest_is_done_by_the_same_processes_where_it_is_wanted(begun: bool, tmp_path: Path) -> None:
    def said(numbers: Sequence[int]) -> tuple[int, list[int]]:
        (tmp_path / str(numbers[0])).touch()
        return doubled(numbers)

    with in_background(said, MANY) as results:
        if begun:
            wait_for(tmp_path / "0")
        found = list(results(True))
    assert sorted(number for batch, _ in found for number in batch) == list(MANY)
    assert all(numbers == [2 * number for number in batch] for batch, (_, numbers) in found)
    assert len({process for _, (process, _) in found} - {os.getpid()}) == 2


def test_nothing_is_done_meanwhile_where_there_are_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_can_fork", lambda: False)
    with in_background(doubled, MANY) as ended:
        assert list(ended(True)) == []


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize("how", ["an error", "a signal"])
def test_what_fails_meanwhile_is_left_to_whoever_needs_it(how: str, rest: bool, tmp_path: Path) -> None:
    def fails(numbers: Sequence[int]) -> tuple[int, list[int]]:
        if 0 in numbers:
            if how == "a signal":
                os.kill(os.getpid(), signal.SIGKILL)
            raise BadImage(Path("a.png"), "damaged")
        (tmp_path / str(numbers[0])).touch()
        return doubled(numbers)

    with in_background(fails, MANY) as ended:
        wait_for(tmp_path / "64")
        done = list(ended(rest))
    numbers = [number for batch, _ in done for number in batch]
    assert 64 in numbers and 0 not in numbers


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
@pytest.mark.parametrize(
    "asked", ["with in_background(work, MANY): leave()", "for _ in in_batches(work, MANY): leave()"]
)
def test_no_process_outlives_the_one_that_started_it(asked: str, tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "from pathlib import Path\n"
        "from visionlora.data.files import parallel\n"
        "from visionlora.data.files.parallel import in_batches, in_background\n"
        "parallel._cores = lambda: 2\n"
        "MANY = range(100_000)\n"
        "def work(numbers):\n"
        "    Path(str(os.getpid())).touch()\n"
        "    return 'of more than a pipe holds' * 10_000\n"
        "def leave():\n"
        "    while len(os.listdir()) < 2: time.sleep(0.01)\n"
        "    os._exit(0)\n"
        f"{asked}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    processes = [Path("/proc", path.name) for path in tmp_path.iterdir()]
    assert len(processes) == 2
    deadline = time.monotonic() + 20
    while any(map(Path.exists, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pytorch_is_not_imported_to_check_a_folder_and_threads_are_used_where_it_is() -> None:
    code = (
        "import sys; import visionlora.evaluation.folder_check; from visionlora.data.files import parallel\n"
        "print('torch' in sys.modules, parallel._can_fork()); sys.modules['torch'] = None\n"
        "print(parallel._can_fork())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", str(sys.platform == "linux"), "False"]


@pytest.mark.parametrize(
    ("device", "system", "cores", "processes"),
    [("cpu", "linux", 16, 0), ("cuda", "linux", 16, 4), ("cuda", "linux", 2, 1), ("mps", "darwin", 8, 0)],
)
def test_processes_load_images_where_an_accelerator_computes_and_starting_them_takes_a_moment(
    monkeypatch: pytest.MonkeyPatch, device: str, system: str, cores: int, processes: int
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cores)))
    assert loading_processes(device) == processes
