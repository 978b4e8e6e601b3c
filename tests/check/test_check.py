"""The command ``visionlora check``."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from tests.check.demo import write_demo
from tests.conftest import Draw, Left
from visionlora.models.known import POCKET_FILE

Command = Callable[..., Left]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo"))


def test_everything_is_said_at_once_and_the_exit_code_says_that_something_is_wrong(
    command: Command, demo: Path, tmp_path: Path
) -> None:
    left = command("check", f"data.root={demo}", "report=check.html")
    assert left.code == 1
    out = re.sub(r"\s+", " ", left.out)
    for words in (
        "layout class folders in train, val",
        "78 (train 49, val 29) of 7 classes",
        "dataset is the only folder with images",
        "kite (n01608432), not the object",
        "1 image is under different labels",
        "dataset/train/lemon/02.jpg = dataset/train/starfish/IMG_0042.jpg",
        "1 image is both trained on and validated on",
        "2 images cannot be read",
        "a web page (a download that failed?), not an image",
        "dataset/train/strawberry/01.jpg ~ dataset/val/strawberry/download.jpg",
        "1 image shows a single colour",
        "dataset/train/candle/IMG_0815.jpg: resembles lemon more",
        "check.html shows all of this",
        f" train data.root={demo}",
    ):
        assert words in out, words
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "src='data:image/jpeg;base64," in page
    assert not re.search(r"(src|href)='(?!data:)", page), "the page needs no other file"


def test_a_good_folder_ends_with_zero_and_the_next_command(
    command: Command, draw: Draw, tmp_path: Path
) -> None:
    for name in ("goldfish", "lemon"):
        for place in range(4):
            colour = (200, 30 + 20 * place, 90 if name == "lemon" else 200)
            draw(f"images/{name}/{place}.png", size=(64 + 16 * place, 64), colour=colour)
    left = command("check", f"data.root={tmp_path / 'images'}", "model=pocket", "strays=false")
    assert left.code == 0, left.out
    assert left.out.splitlines()[-1].endswith(f" train data.root={tmp_path / 'images'} model=pocket")


def test_the_next_command_has_every_option_that_a_training_needs_too(
    command: Command, draw: Draw, tmp_path: Path
) -> None:
    for place in range(4):
        draw(f"images/{place}.png", size=(64 + 16 * place, 64), colour=(200, 30 + 20 * place, 90))
        draw(f"a, b/{place}.png", size=(64, 64), colour=(20, 30 + 20 * place, 90))
    given = [
        f"data.root={tmp_path / 'images'}", "seed=3", "data.class_name=gold fish", "data.val_fraction=0.5",
        "model=pocket", f"model.weights={POCKET_FILE}",
        f"retention.anchors=['{tmp_path / 'a, b'}']", "retention.root=null",
    ]  # fmt: skip
    left = command("check", *given, "strays=false")
    assert left.code == 0, left.err
    words = shlex.split(left.out.splitlines()[-1])
    assert words[words.index("train") + 1 :] == given


def test_a_folder_that_cannot_be_understood_is_one_line(command: Command, tmp_path: Path) -> None:
    left = command("check", f"data.root={tmp_path / 'gone'}")
    assert (left.code, len(left.err.strip().splitlines())) == (2, 1)
    assert "there is no folder" in left.err


@pytest.mark.parametrize(
    "key", ["data.root", "retention.anchors", "retention.root", "contrast.anchors", "contrast.root"]
)
def test_a_missing_folder_is_named_with_its_option(
    command: Command, draw: Draw, tmp_path: Path, key: str
) -> None:
    draw("images/cat/1.png")
    gone = f"[{tmp_path / 'gone'}]" if key.endswith("anchors") else tmp_path / "gone"
    left = command("check", f"data.root={tmp_path / 'images'}", f"{key}={gone}")
    assert (left.code, left.err.partition(" there is")[0]) == (2, f"error: {key}:")


def test_a_report_that_is_no_page_is_refused(command: Command, tmp_path: Path) -> None:
    left = command("check", f"data.root={tmp_path}", "report=check.pdf")
    assert left.code == 2
    assert "ending in .html" in left.err


NASTY = (
    "<script>alert(1)", "[red]", "[b", "\x1b[31m", "$x_{$", "=1+1", "金魚", "דג", "a\nb", "K\udce4fer",
)  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict"])
def test_names_are_text_in_every_console_and_on_the_page(draw: Draw, tmp_path: Path, encoding: str) -> None:
    for place, name in enumerate(NASTY):
        for number in range(2):
            colour = (20 * place, 90 * number, 100)
            path = draw(f"new/{place}-{number}.png", size=(40 + 9 * place, 40 + 31 * number), colour=colour)
            (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
            path.rename(tmp_path / "images" / name / f"{name[:3]}{number}.png")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)}
    left = subprocess.run(
        [sys.executable, "-m", "visionlora", "check", "data.root=images", "report=x.html", "strays=false"],
        cwd=tmp_path, env=environment, capture_output=True,
    )  # fmt: skip
    assert left.returncode == 0, left.stderr
    assert b"\x1b[31m" not in left.stdout.replace(b"\\x1b[31m", b"")
    assert b"\\xe4fer" in left.stdout
    assert b"[red]" in left.stdout
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "金魚" in page


def test_a_second_check_is_answered_from_the_index(
    command: Command, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = command("check", f"data.root={demo}", "strays=false")
    from visionlora.data.index import fingerprints as index

    monkeypatch.setattr(index, "fingerprinted", None)
    assert command("check", f"data.root={demo}", "strays=false").out == first.out


def test_what_else_a_training_would_use_is_compared(command: Command, demo: Path, tmp_path: Path) -> None:
    lemons = demo / "dataset" / "train" / "lemon"
    (tmp_path / "negatives").mkdir()
    shutil.copy(lemons / "00.jpg", tmp_path / "negatives")
    left = command(
        "check", f"data.root={demo}", "strays=false", f"contrast.anchors=[{tmp_path / 'negatives'}]"
    )
    assert "1 image is both trained as a class and used as negatives" in left.out


@pytest.mark.parametrize("here", [False, True])
def test_the_network_that_auto_takes_without_a_connection_is_named(
    here: bool, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    if here:
        cached = tmp_path / "torch" / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
        cached.parent.mkdir(parents=True)
        cached.touch()
    for name, colour in (("tabby", "red"), ("goldfish", "blue")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        Image.new("RGB", (64, 64), colour).save(tmp_path / "mine" / name / "0.png")
    left = command("check", f"data.root={tmp_path / 'mine'}", "strays=false")
    said = "the outputs are those of vgg19, which training downloads first; without a connection "
    said += "model=auto takes pocket, which has none for tabby"
    assert (said in " ".join(left.out.split())) != here


def test_pocket_looks_for_mislabelled_images_unless_the_network_is_asked_for(
    command: Command, demo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    first = command("check", f"data.root={demo}", "model=resnet18")
    assert "resembles lemon" in first.out
    assert "looked for with pocket, a small network; strays=true uses resnet18" in " ".join(first.out.split())

    def none(*arguments: object) -> None:
        raise AssertionError("it is known from the first time")

    monkeypatch.setattr("visionlora.evaluation.check_network.image_features", none)
    again = command("check", f"data.root={demo}", "model=resnet18").out
    assert "resembles lemon" in again
    assert first.out.endswith(again), "all but the progress of the first time"


def test_only_images_that_the_network_enlarges_are_decoded_a_second_time(
    command: Command, demo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    from visionlora.data import ImageCache

    again: list[Path] = []
    decode = ImageCache.decode

    def noted(cache: ImageCache, path: Path) -> Tensor:
        again.append(path)
        return decode(cache, path)

    monkeypatch.setattr(ImageCache, "decode", noted)
    assert "resembles lemon" in command("check", f"data.root={demo}").out
    images = [path for path in (demo / "dataset").rglob("*.*") if path.suffix in (".jpg", ".png", ".webp")]
    assert len(again) < len(images) / 10
    for path in again:
        with Image.open(path) as image:
            assert min(image.size) < 144


def test_the_shipped_images_are_in_order(command: Command) -> None:
    left = command("check", "data=goldfish", "strays=false")
    assert (left.code, "errors" in left.out) == (0, False), left.out


def test_a_long_folder_is_not_searched_for_mislabelled_images_unless_asked_and_that_is_said(
    command: Command, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visionlora.evaluation.folder_check.SMALL", 10)
    left = command("check", f"data.root={demo}")
    assert "mislabelled images were not looked for" in left.out
    assert "resembles lemon" not in left.out
    assert "resembles lemon" in command("check", f"data.root={demo}", "strays=true", "model=pocket").out
