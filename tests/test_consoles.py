"""Every command takes every name, in every encoding of the console, and writes files that can be read."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import torchvision
import yaml
from PIL import Image
from rich.cells import cell_len
from safetensors import safe_open
from safetensors.torch import save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import COLOURS
from tests.unusual_names import LATIN1, NAMES, write_classes, write_images
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.models import WeightsMetadata
from visionlora.text import printable

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="file names are text there, and no fork")

ENCODINGS = ("ascii", "cp1252", "utf-8:strict")
FOLDER = f"data {LATIN1} [/red] 金"
RUN = "run [/red] \x1b[31m 金 {x} #1"
NETWORK = ("model.name=squeezenet1_1", "model.weights=small.safetensors")

COMMANDS = {
    "train": (
        "train", f"data.root={FOLDER}", *NETWORK, "model.head=new", "trainer.max_steps=2",
        "trainer.validations=1", "data.batch_size=8", "lora.rank=1", "trainer.precision=32-true",
        "trainer.kernel=rule", f"hydra.run.dir={RUN}",
    ),
    "predict csv": ("predict", f"adapter={RUN}", "images=new", f"output={LATIN1}.csv", "sheet=[b]金.png"),
    "predict jsonl": ("predict", f"adapter={RUN}", "images=new", "output=:smile:.jsonl", "compare=true"),
    "evaluate": ("evaluate", f"adapter={RUN}", f"data.root={FOLDER}", "output=evaluate.json"),
    "merge": ("merge", f"adapter={RUN}", f"output=\x1b[31m{LATIN1}.safetensors"),
    "check": ("check", f"data.root={FOLDER}", *NETWORK, f"report={LATIN1}.html", "cache=false"),
    "explain": ("explain", *NETWORK, "data.batch_size=1", "trainer.kernel=rule", f"output={LATIN1}.json"),
}  # fmt: skip
COMMANDS["train into bytes"] = (*COMMANDS["train"][:-1], f"hydra.run.dir=run {LATIN1}")
COMMANDS["train on nothing"] = ("train", "data.root=图片 \x1b[31m→")
COMMANDS["help"] = ("train", "--help")
CODES = {"predict csv": 3, "predict jsonl": 3, "train into bytes": 2, "train on nothing": 2}
"""There is a broken image of each name. TensorBoard writes into no folder whose name is not UTF-8."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: bytes
    err: bytes


class Session(NamedTuple):
    """What the commands left in one console."""

    encoding: str
    folder: Path
    ended: dict[str, Ended]


@pytest.fixture(scope="module", params=ENCODINGS)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """All commands, run one after another in a console of that encoding."""
    folder = tmp_path_factory.mktemp("console")
    write_classes(folder / FOLDER)
    write_images(folder / "new")
    for name in NAMES:
        (folder / "new" / f"broken {name}.png").write_text("no image")
    torch.manual_seed(0)
    half = (0.5, 0.5, 0.5)
    about = WeightsMetadata(COLOURS, ("",) * 4, Preprocessing(32, 32, half, half, "bilinear"))
    network = torchvision.models.squeezenet1_1(num_classes=4)
    save_file(network.state_dict(), folder / "small.safetensors", about.as_text())
    jobs = []
    for name, words in COMMANDS.items():
        (folder / "ended" / name).mkdir(parents=True)
        jobs.append([str(folder / "ended" / name), words])
    environment = {
        **os.environ, "PYTHONIOENCODING": request.param, "PYTHONPATH": ":".join(sys.path), "COLUMNS": "150",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "tests.run_commands"], input=json.dumps(jobs), text=True, cwd=folder,
        env=environment, check=True, timeout=300,
    )  # fmt: skip
    ended = {}
    for name in COMMANDS:
        out, err, code = ((folder / "ended" / name / part).read_bytes() for part in ("out", "err", "code"))
        ended[name] = Ended(int(code), out, err)
    return Session(request.param.partition(":")[0], folder, ended)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_ends_well_and_shows_names_as_text(session: Session, command: str) -> None:
    code, out, err = session.ended[command]
    assert code == CODES.get(command, 0), err.decode(errors="replace")
    for stream in (out, err):
        text = stream.decode(session.encoding)
        assert not [sign for sign in ("Traceback", "Warning", "Logging error", "\x1b", "\r") if sign in text]
    if code == 2:
        assert not out and err.count(b"\n") == 1 and err.startswith(b"error: ")
    else:
        assert out


def test_every_broken_image_has_a_line_of_its_own(session: Session) -> None:
    lines = session.ended["predict csv"].err.decode(session.encoding).splitlines()
    assert len(lines) == len(NAMES) + 1
    for name in NAMES:
        shown = printable(f"new/broken {name}.png", session.encoding)
        assert sum(f" {shown}: " in line for line in lines) == 1


def test_the_columns_of_a_table_are_aligned(session: Session) -> None:
    head, *lines = session.ended["predict csv"].out.decode(session.encoding).splitlines()
    rows = [line for line in lines if line.startswith("new/")]
    assert len(rows) == len(NAMES)
    for row in rows:
        cells = "".join(character.ljust(2) if cell_len(character) == 2 else character for character in row)
        start = head.index("top-1 prediction")
        assert cells[start - 1] == " " and cells[start] != " "


def test_json_files_hold_the_exact_names(session: Session) -> None:
    folder, run = session.folder, session.folder / RUN
    adapter = json.loads((run / "adapter" / "adapter_config.json").read_bytes())
    merged = json.loads((folder / f"\x1b[31m{LATIN1}.classes.json").read_bytes())
    lists = [
        adapter["auto_mapping"]["visionlora"]["classes"],
        json.loads((run / "metrics.json").read_bytes())["classes"],
        json.loads((folder / "evaluate.json").read_bytes())["per_class"],
        merged["classes"],
    ]
    for found in lists:
        assert sorted(found) == sorted(NAMES)
    weights = shutil.copy(folder / f"\x1b[31m{LATIN1}.safetensors", folder / "merged.safetensors")
    with safe_open(weights, "pt") as file:
        assert json.loads(file.metadata()["categories"]) == merged["classes"]
    assert json.loads((folder / f"{LATIN1}.json").read_bytes())["model"] == "squeezenet1_1"


def test_predictions_as_json_lines_hold_the_exact_names(session: Session) -> None:
    records = [json.loads(line) for line in (session.folder / ":smile:.jsonl").read_bytes().splitlines()]
    paths = {record["path"] for record in records if "error" not in record}
    assert paths == {f"new/{name}.png" for name in NAMES}
    assert {record["path"] for record in records if "error" in record} == {
        f"new/broken {name}.png" for name in NAMES
    }
    assert {one["name"] for record in records for one in record["predictions"]} <= set(NAMES)


def test_predictions_as_csv_are_valid_and_no_formulas(session: Session) -> None:
    with (session.folder / f"{LATIN1}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(NAMES)
    assert {row["path"] for row in rows} >= {"new/K\\xe4fer.png", "new/金魚.png", "new/a\r\nb.png"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert all(row["error"] or 0 < float(row["probability_1"]) <= 1 for row in rows)


def test_the_run_can_be_read_back(session: Session) -> None:
    run = session.folder / RUN
    assert yaml.safe_load((run / "config.yaml").read_bytes())["data"]["root"] == FOLDER
    card = (run / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "K\\\\xe4fer" in card and "金魚" in card and "\x1b" not in card
    assert "\x1b" not in (run / "train.log").read_text(encoding="utf-8")
    board = EventAccumulator(str(run / "tensorboard"), {"tensors": 0, "images": 0})
    board.Reload()
    configuration = board.Tensors("configuration/text_summary")[0].tensor_proto.string_val[0].decode()
    assert (
        yaml.safe_load(configuration.removeprefix("```yaml\n").removesuffix("```"))["data"]["root"] == FOLDER
    )
    assert "validation/confusion" in board.Tags()["images"]


def test_every_figure_is_an_image(session: Session) -> None:
    figures = [*(session.folder / RUN).glob("*.png"), session.folder / "[b]金.png"]
    assert [figure.name for figure in figures] == ["before_after.png", "[b]金.png"]
    for figure in figures:
        with Image.open(figure) as image:
            image.load()


def test_the_page_of_the_check_is_html_without_the_markup_of_names(session: Session) -> None:
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign]
    text = (session.folder / f"{LATIN1}.html").read_text(encoding="utf-8")
    parser.feed(text)
    assert "html" in tags and "marquee" not in tags
    assert "\x1b" not in text and "金魚" in text
