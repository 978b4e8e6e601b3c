"""The folder of a run from a stranger: resuming it refuses what no run writes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from visionlora.errors import VisionLoraError
from visionlora.files import read_json
from visionlora.report.metrics_file import read_metrics
from visionlora.run_folder.config_file import load_config
from visionlora.run_folder.earlier import take_options
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.record import Record
from visionlora.run_folder.state_file import read_state
from visionlora.settings import keys_of
from visionlora.train import in_its_folder
from visionlora.training.config import RunConfig

ALIASES = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"a: &a [x]\n{ALIASES}", "it has aliases"),
        ("x: " + "a" * 2**20, "more than 256 KiB"),
        ("x: " + "[" * 5000, "more than 1000 brackets"),
        ("x: !!python/object/apply:os.system ['touch /tmp/hacked']", "cannot be read"),
        ("", "it is empty"),
        ("[1, 2]", "not the configuration"),
        ("x: [", "cannot be read"),
        ("\xff", "cannot be read|not the configuration"),
    ],
)
def test_a_configuration_that_no_run_writes_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "config.yaml").write_text(content, encoding="latin-1")
    with pytest.raises(VisionLoraError, match=said):
        RunFolder.resume(tmp_path, {}, {}, force=False)
    assert not Path("/tmp/hacked").exists()


def test_a_reference_in_a_configuration_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "token")
    texts = [
        "${oc.env:SECRET}",
        "a ${x} \\\\${oc.env:SECRET}",
        "${oc.decode:${oc.env:SECRET}}",
        "${data.root}",
    ]
    (tmp_path / "config.yaml").write_text(json.dumps({"data": {"root": texts[0], "more": texts}}))
    _, config = RunFolder.resume(tmp_path, {}, {}, force=False)
    assert config.data.root == texts[0]
    assert list(config.data.more) == texts
    RunFolder(tmp_path, continues=True).write_config(config)
    assert list(RunFolder.resume(tmp_path, {}, {}, force=False)[1].data.more) == texts


REFERENCE = "${oc.env:SECRET}"


def test_a_reference_stays_text_where_paths_are_moved_and_options_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "token")
    keys = keys_of(RunConfig)
    values: dict[str, dict[str, Any]] = {}
    for name in keys:
        group, _, key = name.partition(".")
        values.setdefault(group, {})[key] = [REFERENCE] if key == "anchors" else REFERENCE
    stored = {group: own.get("", own) for group, own in values.items()}
    (tmp_path / REFERENCE).mkdir()  # a path that leads somewhere from where the run was begun
    (tmp_path / "run.json").write_text(json.dumps({"directory": str(tmp_path)}))
    (tmp_path / "config.yaml").write_text(json.dumps(stored))
    _, resumed = RunFolder.resume(tmp_path, {"data.class_name": f"a {REFERENCE}"}, keys, force=True)
    taken = OmegaConf.create(dict.fromkeys(("adapter", "seed")))
    taken.adapter = str(tmp_path)
    for name in keys:
        if name not in ("adapter", "seed"):
            OmegaConf.update(taken, name, "", force_add=True)
    take_options(taken, {}, keys)
    for config in (resumed, taken):
        assert "token" not in OmegaConf.to_yaml(config, resolve=True)
    assert resumed.data.root == str(tmp_path / REFERENCE)
    assert resumed.data.class_name == f"a {REFERENCE}"
    assert taken.logger == REFERENCE


@pytest.mark.parametrize("read", [read_json, load_config, read_metrics, read_state])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_is_not_waited_for_and_a_device_without_end_not_read(
    tmp_path: Path, read: Callable[[Path], Any], kind: str
) -> None:
    file = tmp_path / "run.json"
    os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")
    with pytest.raises((VisionLoraError, OSError), match="not an ordinary file"):
        read(file)


@pytest.mark.parametrize("name", ["train.log", "checkpoints", "adapter/README.md"])
def test_a_run_with_a_link_that_leads_out_of_it_is_not_resumed(tmp_path: Path, name: str) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    (run / "adapter").mkdir(parents=True)
    outside.mkdir()
    (run / "config.yaml").write_text("seed: 0")
    (run / "inside").symlink_to("adapter")
    assert in_its_folder([f"resume={run}"]) == [f"resume={run}", f"hydra.run.dir={run}"]
    (run / name).symlink_to(outside / "file" if "." in name else outside)
    with pytest.raises(VisionLoraError, match=f"{name} is a link that leads out of the run's folder"):
        in_its_folder([f"resume={run}"])


@pytest.mark.parametrize(
    "values",
    [
        [],
        3,
        {"directory": 3},
        {"directory": "\0"},
        {"inputs": []},
        {"inputs": {"the number of threads": 10**9}},
        {"inputs": {"torch": ["2"]}},
        {"forced": "x"},
        {"learning_rate_trials": [3]},
        {"learning_rate_trials": [{"lr": "x", "val/objective": 1}]},
        {"other": [float("inf")]},
    ],
)
def test_a_record_that_no_run_writes_is_refused(tmp_path: Path, values: Any) -> None:
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(VisionLoraError, match=r"run\.json"):
        Record(tmp_path / "run.json")


def test_checkpoints_of_a_run_whose_configuration_is_gone_are_no_start(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-4.safetensors").write_bytes(b"another run's")
    with pytest.raises(VisionLoraError, match=r"has checkpoints of a run whose config\.yaml is gone"):
        RunFolder.start(tmp_path, OmegaConf.create({}))
    assert not (tmp_path / "config.yaml").exists()
