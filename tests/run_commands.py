"""Runs commands one after another, each in a process of its own; libraries are imported once for all.

Standard input: a JSON list of [directory for its output, arguments of ``visionlora``].
"""

import json
import os
import sys
from pathlib import Path

import visionlora.evaluation.evaluate
import visionlora.evaluation.folder_check
import visionlora.evaluation.predict
import visionlora.models.merge_weights
import visionlora.training.explain
import visionlora.training.run  # noqa: F401
from visionlora import cli
from visionlora.process_exit import end_process

for directory, arguments in json.load(sys.stdin):
    if os.fork() == 0:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(Path(directory, name), os.O_WRONLY | os.O_CREAT), number)
        sys.argv = ["visionlora", *arguments]
        try:
            cli.main()
        except SystemExit as left:
            if isinstance(left.code, int):
                end_process(left.code)
            raise
    _, status = os.wait()
    Path(directory, "code").write_text(str(os.waitstatus_to_exitcode(status)))
