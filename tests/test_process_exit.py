from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import atexit, sys, threading, time
from visionlora.process_exit import end_command

class Freed:
    def __del__(self):
        print("freed", end=" ")

def work():
    time.sleep(0.3)
    print("thread", end=" ")

kept = Freed()
atexit.register(lambda: print("handler", end=" "))
threading.Thread(target=work).start()
print("result", end=" ")
end_command(3)
print("went on", end=" ")
"""


@pytest.mark.parametrize(
    ("name", "printed", "code"),
    [
        ("visionlora", "result thread handler", 3),  # the console script
        ("mine.py", "result went on thread handler freed", 0),
    ],
)
def test_a_command_waits_for_threads_and_handlers_and_frees_nothing(
    tmp_path: Path, name: str, printed: str, code: int
) -> None:
    script = tmp_path / name
    script.write_text(SCRIPT, encoding="utf-8")
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (ended.stdout.split(), ended.returncode) == (printed.split(), code), ended.stderr
