"""An exported file computes what the network computes, or it is not kept."""

from __future__ import annotations

import io
import json
import logging
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import nn

from tests.models.conftest import SHARED
from visionlora.adapters import LoraConfig, attach, save_adapter
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.exporting import export as exporting
from visionlora.exporting.compare import Comparison, require_same
from visionlora.exporting.config import ExportConfig
from visionlora.exporting.export import Exported, export_adapter
from visionlora.exporting.images import batches, calibration_images, comparison_images
from visionlora.exporting.onnx_file import network_as_onnx, open_onnx, save_onnx, with_preprocessing
from visionlora.models import WeightsMetadata, load_backbone

CODE = """
from torch import nn
def tiny():
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooled, nn.Linear(4, 3))
"""
SIDE = 32
INPUT = Preprocessing(40, SIDE, (0.5, 0.4, 0.3), (0.25, 0.2, 0.3), "bilinear")
NAMES = ("red", "green", "blue", "grey")


def small_network() -> nn.Module:
    """Separates colours, with a convolution, a batch norm and a grouped convolution on the way."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=4),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, len(NAMES)),
    )  # fmt: skip
    return network.eval().requires_grad_(False)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        for split in ("judged", "ranges"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for turn in range(3):
                noise = random.Random(f"{name} {split} {turn}").randbytes(50 * 61 * 3)
                colour = [(60 * number, 200 - 40 * number, 90 + 50 * turn)]
                image = Image.frombytes("RGB", (61, 50) if turn else (50, 61), noise)
                Image.blend(image, Image.new("RGB", image.size, colour[0]), 0.7).save(folder / f"{turn}.png")
    return tmp_path / "judged"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network in the place of an adapter's."""
    about = WeightsMetadata(NAMES, ("",) * len(NAMES), INPUT)
    monkeypatch.setattr(exporting, "restore_adapters", lambda *_: SimpleNamespace(network=None))
    monkeypatch.setattr(exporting, "weights_obstacle", lambda _: None)
    monkeypatch.setattr(
        exporting, "_plain", lambda *_: Exported(small_network(), small_network(), about, {}, small_network)
    )


def exported(output: Path, images: Path, **options: str) -> tuple[Comparison | None, str]:
    said = io.StringIO()
    config = ExportConfig(adapter="none", output=str(output), images=str(images), **options)
    return export_adapter(config, Console(file=said, width=300)), said.getvalue()


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("name", "precision", "preprocess"),
    [
        ("network.onnx", "float32", "none"), ("network.onnx", "float32", "all"),
        ("network.onnx", "float16", "normalise"), ("network.onnx", "int8", "normalise"),
        ("network.pt2", "float32", "normalise"), ("network.pt2", "float16", "none"),
    ],
)  # fmt: skip
def test_the_file_is_compared_on_every_image(
    name: str, precision: str, preprocess: str, images: Path, tmp_path: Path
) -> None:
    calibration = {"calibration": str(images.parent / "ranges")} if precision == "int8" else {}
    level = logging.getLogger().level
    found, said = exported(
        tmp_path / "out" / name, images, precision=precision, preprocess=preprocess, **calibration
    )
    assert found is not None
    assert found.images == 12
    most = {"float32": 1e-5, "float16": 0.01, "int8": 0.2}[precision]
    if preprocess == "all":  # resized pixels differ by one level of 255, as torchvision rounds twice
        most = 0.02
    assert found.difference <= most
    assert "compared on" in said
    about = json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))
    assert (about["precision"], about["comparison"]["images"]) == (precision, 12)
    assert about["classes"] == list(NAMES)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {name, f"{name}.json", *(["network.predict.py"] if name.endswith("onnx") else [])}
    modes = {path.stat().st_mode for path in (tmp_path / "out").iterdir()}
    assert len(modes) == 1, "whoever may read one file may read the others"
    assert logging.getLogger().level == level  # ONNX Runtime's advice is silenced for the call alone


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("preprocess", ["none", "all"])
def test_the_script_predicts_with_onnx_runtime_alone(preprocess: str, images: Path, tmp_path: Path) -> None:
    exported(tmp_path / "a b.onnx", images, preprocess=preprocess)
    script = tmp_path / "a b.predict.py"
    files = sorted(images.glob("*/*.png"))
    check = "import sys, runpy; runpy.run_path(sys.argv.pop(1)); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", check, str(script), *map(str, files)]
    home = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=home)
    assert not (tmp_path / "home").exists(), "ONNX Runtime's telemetry made an identifier of the user"
    predicted = [line.split("\t")[1] for line in done.stdout.splitlines()]
    network = small_network()
    judged = comparison_images(str(images), "none")[0]
    with torch.inference_mode():
        expected = {
            str(image.path): NAMES[int(network(batch.normalised).argmax())]
            for image, batch in zip(judged, batches(judged, INPUT, "none", 1), strict=True)
        }
    assert predicted == [expected[str(file)] for file in files]
    assert len([line for line in script.read_text().splitlines() if line.strip()]) <= 20
    done = subprocess.run(command[: -len(files)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("usage: python ")


@pytest.mark.usefixtures("stand_in")
def test_a_file_that_computes_something_else_is_not_kept(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        exporting.other_files, "open_program", lambda path: lambda inputs: torch.ones(len(inputs), 4)
    )
    with pytest.raises(VisionLoraError, match="does not compute what PyTorch does"):
        exported(tmp_path / "out" / "network.pt2", images)
    assert list((tmp_path / "out").iterdir()) == []


def test_any_number_of_images_is_a_batch_and_the_names_are_in_the_file(tmp_path: Path) -> None:
    import onnxruntime

    network = small_network()
    model = network_as_onnx(network, INPUT, "float32")
    save_onnx(model, tmp_path / "x.onnx", WeightsMetadata(NAMES, ("",) * 4, INPUT).as_text())
    for count in (1, 2, 5):
        pixels = torch.randn(count, 3, SIDE, SIDE)
        torch.testing.assert_close(open_onnx(tmp_path / "x.onnx")(pixels), network(pixels))
    about = onnxruntime.InferenceSession(str(tmp_path / "x.onnx")).get_modelmeta().custom_metadata_map
    assert json.loads(about["categories"]) == list(NAMES)
    with pytest.raises(VisionLoraError, match="larger than the resized image"):
        with_preprocessing(model, Preprocessing(20, 32, (0.5,) * 3, (0.5,) * 3, "bicubic"), "all")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output": "x.pt2", "precision": "int8"}, "precision int8 is ONNX Runtime's"),
        ({"output": "x.pt2", "preprocess": "all"}, "preprocess all is only for .onnx"),
        ({"output": "x.safetensors", "preprocess": "normalise"}, "safetensors has only weights"),
        ({"output": "x.mlpackage", "preprocess": "normalise"}, "whose converter takes no bytes"),
        ({"output": "x.tflite", "precision": "float16"}, "float16 is not for .tflite"),
        ({"output": "x.onnx", "calibration": "x"}, "calibration is for precision=int8"),
    ],
)
def test_what_a_format_does_not_have_is_refused(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ExportConfig(adapter="x", **options)


@pytest.mark.parametrize(("suffix", "package"), [(".mlpackage", "coremltools"), (".tflite", "litert-torch")])
def test_a_missing_package_is_named(
    suffix: str, package: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("coremltools", "litert_torch"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(VisionLoraError, match=f"needs the package {package}"):
        exported(tmp_path / f"network{suffix}", images)


def test_ranges_never_come_from_the_images_that_judge(images: Path) -> None:
    judged, _ = comparison_images(str(images), "none")
    assert {image.label for image in judged} == set(NAMES)
    with pytest.raises(VisionLoraError, match="they are the images that the file is judged by"):
        calibration_images(str(images), "none", judged)
    with pytest.raises(VisionLoraError, match="calibration: nothing matches nowhere"):
        calibration_images("nowhere", "none", judged)
    found, _ = calibration_images(str(images.parent / "ranges"), "none", judged)
    assert len(found) == 12


@pytest.mark.parametrize(
    ("same", "difference", "fits"), [(10, 0.001, True), (9, 0.001, False), (10, 0.1, False)]
)
def test_float32_must_give_the_same_logits_and_names(same: int, difference: float, fits: bool) -> None:
    found = Comparison(10, same, difference, 5.0, 0, None)
    if fits:
        require_same(found, "float32", "none")
        return
    with pytest.raises(VisionLoraError, match="is not kept"):
        require_same(found, "float32", "none")
    require_same(found, "int8", "none")


@pytest.mark.parametrize(
    ("name", "output"),
    [
        pytest.param("lraspp_mobilenet_v3_large", "x.pt2", marks=pytest.mark.slow),
        pytest.param("lraspp_mobilenet_v3_large", "x.safetensors", marks=pytest.mark.slow),
        pytest.param("timm/mobilenetv3_small_050", "x.onnx", marks=pytest.mark.slow),
        ("own_network:tiny", "x.pt2"),
    ],
)  # fmt: skip
def test_other_sources_are_exported_too(
    name: str, output: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_network.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    network = load_backbone(name, "none").model
    attach(network, LoraConfig(rank=1))
    save_adapter(network, tmp_path / "adapter", extra={"model": name, "weights": "none"})
    few = str(images / "red" / "*.png")
    config = ExportConfig(adapter=str(tmp_path / "adapter"), output=output, images=few, model=name)
    found = export_adapter(config, Console(quiet=True))
    assert found is not None
    assert (found.same, found.images) == (3, 3)


@pytest.mark.parametrize(("name", "task"), [("r3d_18", "video"), ("ssd300_vgg16", "detection")])
def test_what_gives_no_logits_of_images_is_merged_and_not_exported(name: str, task: str) -> None:
    with pytest.raises(VisionLoraError, match=f"which a {task} network does not give; use THIS"):
        exporting.logits_of(name, nn.Identity(), "THIS")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real weights and photos are not here")
def test_real_squeezenet_in_onnx_runtime_names_every_photo_as_pytorch_does(tmp_path: Path) -> None:
    weights = SHARED / "squeezenet1_0-imagenet.safetensors"
    backbone = load_backbone("squeezenet1_0", str(weights))
    generator = torch.Generator().manual_seed(0)
    attach(backbone.model, LoraConfig(rank=4), generator=generator)
    for key, tensor in backbone.model.named_parameters():
        if "lora_B" in key:
            nn.init.normal_(tensor, std=1e-3, generator=generator)
    about = {"model": "squeezenet1_0", "weights": str(weights)}
    save_adapter(backbone.model, tmp_path / "adapter", extra=about)
    adapter, photos = str(tmp_path / "adapter"), str(SHARED / "photos")
    found = export_adapter(
        ExportConfig(adapter=adapter, output=str(tmp_path / "x.onnx"), images=photos), Console(quiet=True)
    )
    assert found is not None
    assert found.same == found.images > 300
    eight = ExportConfig(
        adapter=adapter, output=str(tmp_path / "x8.onnx"), images=photos, precision="int8",
        calibration=str(SHARED / "ordinary" / "train"),
    )  # fmt: skip
    found = export_adapter(eight, Console(quiet=True))
    assert found is not None
    assert found.top1 is not None
    assert found.top1[0] - found.top1[1] <= 0.02
