"""The process of one training, which imports what takes seconds before it knows what to train.

Standard input: a line of JSON, the path of a log and the arguments of ``visionlora train``. Where none comes
the process ends.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Import, wait for the arguments, train."""
    import visionlora.training.cross_validation
    import visionlora.training.run  # noqa: F401
    from visionlora import train

    given = sys.stdin.readline()
    if not given:
        return
    path, arguments = json.loads(given)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for own, new in ((0, nothing), (1, log), (2, log)):
        os.dup2(new, own)
    sys.argv[1:] = arguments
    train.main()


if __name__ == "__main__":
    main()
