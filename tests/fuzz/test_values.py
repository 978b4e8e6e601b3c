"""Whatever values and texts a file has, readers take them or refuse them with an error of ours."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tests.fuzz.mutations import HOSTILE_VALUES
from tests.fuzz.readers import _defaults
from visionlora.data.images.decode import open_image
from visionlora.data.tables.table import labels_in, read_table
from visionlora.errors import VisionLoraError
from visionlora.models import WeightsMetadata
from visionlora.settings import keys_of
from visionlora.text import csv_safe
from visionlora.training.config import RunConfig, read_config

STARTS = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"P6 ")
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.sampled_from("abc/\\.,;|\t\"' \n\r\0\ufeff\udce4=1金"), max_size=40)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(HOSTILE_VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)


@quick
@given(rows=st.lists(texts, max_size=6), suffix=st.sampled_from([".csv", ".tsv", ".txt", ".jsonl"]))
def test_a_table_of_any_text_is_read_or_refused(tmp_path: Path, rows: list[str], suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_text("\n".join(["path,label", *rows]), encoding="utf-8", errors="surrogateescape")
    with suppress(VisionLoraError):
        labels_in(path)
        read_table(path)


@quick
@given(key=st.sampled_from(sorted(keys_of(RunConfig))), value=plain)
def test_any_value_of_any_option_is_taken_or_refused(key: str, value: Any) -> None:
    with suppress(VisionLoraError):
        config = _defaults().copy()
        OmegaConf.update(config, key, value, merge=False, force_add=True)
        read_config(config)


@quick
@given(key=st.sampled_from(["categories", "wnids", "preprocessing"]), value=plain, text=st.booleans())
def test_any_metadata_of_a_weight_file_is_read_or_refused(key: str, value: Any, text: bool) -> None:
    about = WeightsMetadata.of_imagenet("squeezenet1_1").with_outputs(3)
    with suppress(VisionLoraError):
        about.updated({key: str(value) if text else json.dumps(value)}, "it")


@quick
@given(
    content=st.binary(max_size=64),
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"P6 "]),
)
def test_any_bytes_of_an_image_are_decoded_or_refused(tmp_path: Path, content: bytes, start: bytes) -> None:
    (tmp_path / "image").write_bytes(start + content)
    with suppress(VisionLoraError):
        open_image(tmp_path / "image")


@given(st.text(max_size=9), st.sampled_from("=+-@\t\r＝＋－＠"))  # noqa: RUF001
def test_no_cell_of_a_table_is_a_formula(text: str, start: str) -> None:
    assert csv_safe(start + text)[0] == "'"


@pytest.mark.parametrize("text", ["5", "a=b", "x-1", "", "名"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert csv_safe(text) == text
