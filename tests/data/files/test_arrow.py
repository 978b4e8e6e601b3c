"""Tables of Arrow are refused with commands that unpack them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from visionlora.data.layout.folders import scan
from visionlora.errors import VisionLoraError

LIBRARY = '''
"""What the commands use of Hugging Face's datasets; the commands were tried with the library itself."""
import os
from PIL import Image as Pictures

class Image: pass
class ClassLabel:
    int2str = staticmethod(lambda number: ["cat", "a/dog"][number])
class Split(list):
    features = {"id": object(), "img": Image(), "fine": ClassLabel()}
def rows():
    return Split({"img": Pictures.new("L", (20, 20), 9 * n), "fine": n % 2} for n in range(8))
def load_dataset(kind, data_files=None):
    assert os.path.exists(data_files or kind)
    return {"train": rows(), "test": rows()}
def load_from_disk(folder):
    return {"train": rows()} if os.path.exists(os.path.join(folder, "dataset_dict.json")) else rows()
'''


@pytest.mark.parametrize(
    ("files", "root"),
    [
        (["data/train-00000-of-00001.parquet", "README.md"], "my \"set's"),
        (["cifar10/0000.parquet"], "set"),
        (["a.parquet"], "set/a.parquet"),
        (["a.arrow"], "set/a.arrow"),
        (["data-00000-of-00001.arrow", "state.json", "dataset_info.json"], "set"),
        (["train/data-00000-of-00001.arrow", "train/state.json", "dataset_dict.json"], "set"),
    ],
)
def test_the_commands_that_unpack_a_data_set_are_named_and_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], root: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in files:
        path = Path(root.partition("/")[0]) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1")
    with pytest.raises(VisionLoraError) as caught:
        scan(root)
    assert len(str(caught.value).splitlines()) == 1
    command = str(caught.value).partition("pip install datasets; ")[2].partition("; and then data.root=")[0]
    (tmp_path / "datasets.py").write_text(LIBRARY)
    command = command.replace("python", sys.executable, 1)
    subprocess.run(command, shell=True, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert scan("unpacked").classes == ("a_dog", "cat")
