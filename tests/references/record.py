"""Writes the reference files: `python -m tests.references.record [pocket] [logits] ...` (all without names).

Only for a commit that changes a result on purpose and says why.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.references import jobs


def main() -> None:
    """Compute and write what is named."""
    names = sys.argv[1:] or [*jobs.RUNS, "logits"]
    jobs.FOLDER.mkdir(exist_ok=True)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found = jobs.logits() if name == "logits" else jobs.run(name, Path(folder) / "run")
        text = json.dumps({"machine": jobs.machine(), "found": found}, indent=1)
        (jobs.FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(name, "recorded")


if __name__ == "__main__":
    main()
