"""Every command refuses what is not there, or is something else, in one line that names its own option."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Command, Trained

CASES = (
    ("explain model=nope", "model 'nope' is not a classification network"),
    ("explain model=pocket output=taken", "output is 'taken'; it takes a path ending in .json"),
    ("explain model=pocket output=taken/x.json", r"output: .*taken/x.json cannot be written"),
    ("explain model=pocket data.batch_size=0", "data.batch_size is 0; it takes"),
    ("explain model=pocket model.weights=list.csv", "model.weights: .*list.csv ends in none of"),
    ("explain adapter=run", "there is no configuration key 'adapter'"),
    ("predict adapter=nope images=images", "adapter: nope does not exist"),
    ("predict adapter=run images=nope", "images: nothing matches nope"),
    ("predict adapter=run images=empty", "images: .*empty"),
    ("predict adapter=run images=run/metrics.json", "metrics.json is a table or a list; give the folder"),
    ("evaluate adapter=empty", "adapter: empty has no adapter_config.json"),
    ("evaluate adapter=run data.root=nope", "data.root: there is no folder nope"),
    ("evaluate adapter=run contrast.root=empty", "contrast.root: .*empty holds no images"),
    ("evaluate adapter=run contrast.root=nope", "contrast.root: "),
    ("merge output=m.pth", "adapter has no value; set adapter="),
    ("merge adapter=nope output=m.pth", "adapter: nope does not exist"),
    ("merge adapter=run/metrics.json output=m.pth", "metrics.json is a file; give its folder: run"),
    ("export adapter=images output=m.pt2", "adapter: images has no adapter_config.json"),
    ("export adapter=run output=m.foo", "output is 'm.foo'; it takes a path ending in .onnx"),
    ("quantise model=nope output=q.safetensors", "model 'nope' is not a classification network"),
    ("convert from=nope output=out", "from: nope does not exist"),
    ("convert from=images output=out", "from: images has no adapter_config.json"),
    ("convert from=run/metrics.json model=pocket output=out", "metrics.json ends in none of"),
    ("combine adapters=[nope] output=out", r"adapters: nope does not exist"),
    ("combine adapters=[run,images] output=out", "adapters: images has no adapter_config.json"),
    ("combine adapters=[] output=out", "adapters has 0 adapters"),
    ("extract model=resnet18 tuned=nope.pth output=out", "tuned: .*nope.pth"),
    ("extract model=pocket tuned=list.csv output=out", "tuned: .*list.csv ends in none of"),
    ("runs nope", "folder: there is no folder nope"),
    ("runs images", "folder: images holds no run"),
    ("runs list.csv", "folder: list.csv is a file"),
    ("adapters nope", "folder: nope is not a folder"),
    ("adapters empty", "folder: empty holds no adapter"),
    ("push adapter=nope repo=a/b", "adapter: nope does not exist"),
    ("push adapter=run repo=a", "repo is 'a'; it takes user/name"),
    ("meta data.root=nope", "data.root: there is no folder nope"),
    ("meta data.root=empty", "empty holds no images"),
    ("check data.root=nope", "data.root: there is no folder nope"),
    ("check data.root=empty", "empty holds no images"),
    ("train resume=nope", "resume: nope holds no run"),
    ("train resume=images", "resume: images holds no run"),
    ("train adapter=images data.root=images", "adapter: images has no adapter_config.json"),
    ("studio folder=list.csv", "folder: list.csv is a file"),
    ("studio port=99999", "port is 99999; it takes"),
)


@pytest.mark.parametrize(("line", "said"), CASES, ids=[line for line, _ in CASES])
def test_a_wrong_input_is_refused_in_one_line_and_nothing_is_written(
    line: str, said: str, trained: Trained, command: Command, tmp_path: Path
) -> None:
    shutil.copytree(trained.run, tmp_path / "run")
    shutil.copytree(trained.images, tmp_path / "images")
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("path,label\nimages/none.png,red\n")
    (tmp_path / "taken").write_text("no folder")
    before = sorted(tmp_path.rglob("*"))
    left = command(*line.split())
    (message,) = left.err.strip().splitlines()
    assert message.startswith("error: ") and left.code == 2
    assert re.search(said, message), message
    assert sorted(tmp_path.rglob("*")) == before
