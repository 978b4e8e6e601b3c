"""The images that forgetting is measured on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.data.corpus.case import files
from visionlora.errors import VisionLoraError
from visionlora.notices import Notices
from visionlora.retention.anchors import retention_loader


def test_of_several_unknown_classes_the_first_is_named_in_every_process(tmp_path: Path) -> None:
    files(*(f"{name}/1.png" for name in "kjihgfedcba"))(tmp_path)
    backbone = cast(Any, SimpleNamespace(categories=("goldfish",), wnids=("n01443537",), retention_root=None))
    with pytest.raises(VisionLoraError, match=r"retention\.root .*: class 'a' is not one of the network's"):
        retention_loader(str(tmp_path), backbone, cast(Any, None), Notices())
