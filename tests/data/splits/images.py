"""Images that are not there: splitting reads none of them."""

from __future__ import annotations

from pathlib import Path

from visionlora.data.images.decode import ImageFile

ROOT = Path("/images")


def images(counts: dict[str, int], root: Path = ROOT) -> list[ImageFile]:
    return [
        ImageFile(root / label / f"{i}.png", label) for label, count in counts.items() for i in range(count)
    ]
