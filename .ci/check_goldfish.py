"""Holds the newest goldfish run against what the README promises of it."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Exit with 1 unless every figure is inside its bound."""
    newest = max(Path("outputs/goldfish").glob("*/*/metrics.json"), key=lambda path: path.stat().st_mtime)
    metrics = json.loads(newest.read_text())
    lost = metrics["retention"]["before/top1"] - metrics["retention"]["after/top1"]
    promises = {
        "frozen top-1 on unseen goldfish at most 0.3": metrics["before"]["val/top1"] <= 0.3,
        "top-1 on unseen goldfish at least 0.9": metrics["after"]["val/top1"] >= 0.9,
        "retention top-1 lost at most 0.03": lost <= 0.03,
        "contrast false-positive rate at most 0.10": metrics["contrast"]["after/false_positive_rate"] <= 0.10,
    }
    for promise, kept in promises.items():
        print("kept  " if kept else "BROKEN", promise)
    sys.exit(0 if all(promises.values()) else 1)


if __name__ == "__main__":
    main()
