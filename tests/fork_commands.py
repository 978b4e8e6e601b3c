"""Starts commands, each in a process of its own; libraries are imported once for all.

Standard input: a JSON list a line, [directory for its output, *arguments of ``visionlora``]. For each line
two lines of standard output: the process's id, and at its end [exit code, seconds of processor time].
"""

import json
import os
import sys
from pathlib import Path

import visionlora.evaluation.evaluate
import visionlora.training.run  # noqa: F401
from visionlora import cli

for line in sys.stdin:
    directory, *arguments = json.loads(line)
    process = os.fork()
    if process == 0:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(Path(directory, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        sys.argv = ["visionlora", *arguments]
        cli.main()
    print(process, flush=True)
    _, status, usage = os.wait4(process, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime]), flush=True)
