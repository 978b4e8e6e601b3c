"""The file that ``visionlora predict`` writes: a record an image."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from visionlora.files import json_text
from visionlora.tasks.base import Prediction
from visionlora.text import csv_safe


@dataclass(frozen=True)
class ImagePrediction:
    """The prediction for one image, or why it could not be read.

    Attributes:
        path: of the image.
        now: the adapted network's.
        before: the frozen network's; None unless it was asked for.
        error: why the image could not be read.
        shown: the adapted network's, for a table: several labels are one name there.
    """

    path: Path
    now: Prediction
    before: Prediction | None = None
    error: str | None = None
    shown: Prediction = field(default_factory=list)


class PredictionWriter:
    """One record an image, as CSV or JSON lines.

    Args:
        path: of the file.
        suffix: ``.csv`` or ``.jsonl``.
        top: classes of each image; None: any number of labels, which CSV has in one cell with a bar (``|``)
            between them, as ``data.root`` reads them.
        compare: whether the frozen network's predictions are there too.

    JSON lines keep every name exactly: ``json.loads`` gives back the bytes that are not UTF-8 too, as
    ``os.fsencode`` wants them. CSV is for spreadsheets, so its texts are :func:`csv_safe`.
    """

    def __init__(self, path: Path, suffix: str, top: int | None, compare: bool) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="")
        self._csv: Any = None
        if suffix == ".csv":
            self._csv = csv.writer(self._file)
            ranks = range(1, (top or 0) + 1)
            now = [part for rank in ranks for part in (f"name_{rank}", f"probability_{rank}")]
            now = ["labels", "probabilities"] if top is None else now
            before = ["before_name", "before_probability"] if compare else []
            self._csv.writerow(["path", *now, *before, "error"])
        self._top = top
        self._compare = compare

    def write(self, one: ImagePrediction) -> None:
        """Append one image."""
        if self._csv is None:
            record: dict[str, Any] = {"path": str(one.path), "predictions": _records(one.now)}
            if self._compare:
                record["before"] = _records(one.before or [])
            if one.error is not None:
                record["error"] = one.error
            self._file.write(json_text(record) + "\n")
            return
        if self._top is None:
            now: list[Any] = [
                "|".join(column) for column in ([name for name, _ in one.now], _rounded(one.now))
            ]
        else:
            now = [part for pair in one.now for part in pair]
            now += [""] * (2 * self._top - len(now))
        before = list(one.before[0]) if one.before else ["", ""]
        cells = [str(one.path), *now, *(before if self._compare else []), one.error or ""]
        self._csv.writerow(map(csv_safe, cells))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _records(prediction: Prediction) -> list[dict[str, Any]]:
    return [{"name": name, "probability": round(value, 6)} for name, value in prediction]


def _rounded(prediction: Prediction) -> list[str]:
    return [f"{value:.6f}" for _, value in prediction]
