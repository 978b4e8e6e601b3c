"""Checkpoint files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.errors import VisionLoraError
from visionlora.run_folder.state_file import read_state, write_state

STATE: dict[str, Any] = {
    "step": 3,
    "tensors": {"a": torch.arange(6.0).view(2, 3).t(), "b/c": torch.tensor(True), "empty": torch.zeros(0, 2)},
    "optimizer": {"state": {0: {"step": torch.tensor(2.0), "exp_avg": torch.ones(2, dtype=torch.bfloat16)}}},
    "list": [None, True, 1.5, float("inf"), "text", [], {}],
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    write_state(tmp_path / "s", STATE)
    assert same(STATE, read_state(tmp_path / "s"))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(value=PLAIN)
def test_any_nested_state_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("state") / "s"
    write_state(path, {"value": value})
    assert same({"value": value}, read_state(path))


def test_what_json_does_not_have_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="/a/0 of a checkpoint is a object"):
        write_state(tmp_path / "s", {"a": [object()]})
    assert list(tmp_path.iterdir()) == []


def test_the_file_has_the_permissions_that_the_user_wants(tmp_path: Path) -> None:
    (tmp_path / "like").touch()
    write_state(tmp_path / "s", STATE)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("like", "s")}
    assert len(modes) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_flipped_bit_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("state") / "s"
    write_state(path, STATE)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = read_state(path)
    except VisionLoraError as error:
        assert str(path) in str(error)
    else:
        assert same(STATE, found)  # a space of the header's padding


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04", bytes(64), b"\x08" + bytes(7) + b'{"a":{}}'])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(VisionLoraError, match=f"{tmp_path / 's'} is damaged, or no checkpoint"):
        read_state(tmp_path / "s")


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    write_state(tmp_path / "s", STATE)
    content = (tmp_path / "s").read_bytes()
    for length in (9, len(content) // 2, len(content) - 1):
        (tmp_path / "s").write_bytes(content[:length])
        with pytest.raises(VisionLoraError, match="is damaged"):
            read_state(tmp_path / "s")
