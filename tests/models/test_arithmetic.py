"""Several adapters of one network, one adapter of several, and adapters in other formats, from their
directories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.adapters.networks import perturb
from tests.conftest import Command
from visionlora.adapters import LoraConfig, attach
from visionlora.adapters.attaching import attach_layers
from visionlora.errors import VisionLoraError
from visionlora.models import apply_head, load_backbone
from visionlora.models.adapter_files import write_directory
from visionlora.models.arithmetic_config import CombineConfig, ConvertConfig, ExtractConfig
from visionlora.models.combine_adapters import combine_adapters, extract_adapter
from visionlora.models.convert_adapter import convert_adapter
from visionlora.models.restore import restore
from visionlora.models.several_adapters import restore_adapters

ADAPTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "fish": ("extend", ("goldfish", "martian")),
    "venus": ("extend", ("venusian", "martian")),
    "plain": ("keep", ("goldfish",)),
    "new": ("new", ("x", "y")),
    "other": ("new", ("y", "x")),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters of the pocket network, and its weights after a full fine-tune."""
    root = tmp_path_factory.mktemp("adapters")
    for seed, (name, (kind, classes)) in enumerate(ADAPTERS.items()):
        torch.manual_seed(seed)
        backbone = load_backbone("pocket")
        head = apply_head(backbone, kind, classes)
        config = LoraConfig(rank=2 + seed % 2, bias="lora_only" if name == "venus" else "none")
        network = attach(backbone.model, config, trained_whole=head.trained)
        perturb(network, 0.02)
        with torch.no_grad():
            for module in head.trained:
                for tensor in network.get_submodule(module).parameters():
                    tensor.normal_(0, 0.1)
        write_directory(root / name, network, backbone, head, classes, {})
    tuned = load_backbone("pocket").model.state_dict()
    save_file(
        {key: one + 0.01 * torch.randn_like(one) for key, one in tuned.items()}, root / "tuned.safetensors"
    )
    return root


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(7))


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with torch.no_grad():
        yield


def close(left: Tensor, right: Tensor) -> None:
    torch.testing.assert_close(left, right, rtol=0, atol=1e-5 * float(right.abs().max()))


def combined(folder: Path, output: Path, names: tuple[str, ...], **options: Any) -> Tensor:
    adapters = [str(folder / name) for name in names]
    combine_adapters(CombineConfig(adapters=adapters, output=str(output), **options), Console(quiet=True))
    return output  # type: ignore[return-value]


def test_strength_and_weights_scale_what_each_adapter_changes(folder: Path, x: Tensor) -> None:
    frozen = load_backbone("pocket").model.eval()(x)
    fish, venus = (str(folder / name) for name in ("fish", "venus"))
    known = frozen.shape[1]
    assert torch.equal(restore_adapters([fish], strength=0.0).network(x)[:, :known], frozen)
    close(restore_adapters([fish], strength=1.0).network(x), restore(fish).network(x))
    both = restore_adapters([fish, venus], [1, 0])
    assert both.head.outputs[known:] == ("martian", "venusian")
    close(both.network(x)[:, :known], restore(fish).network(x)[:, :known])
    beyond = restore_adapters([fish], strength=1.5).network(x)[:, :known]
    assert float((beyond - restore(fish).network(x)[:, :known]).abs().max()) > 0.1


def test_the_row_of_a_class_that_several_learned_is_their_weighted_mean(folder: Path) -> None:
    fish, venus = (str(folder / name) for name in ("fish", "venus"))
    rows = [restore(one).network.get_submodule(restore(one).head.trained[0]).weight for one in (fish, venus)]
    joined = restore_adapters([fish, venus], [3, 1])
    weight: Any = joined.network.get_submodule(joined.head.trained[0]).weight
    martian, venusian = weight
    torch.testing.assert_close(martian, 0.75 * rows[0][0] + 0.25 * rows[1][1])
    torch.testing.assert_close(venusian, rows[1][0])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("new", "fish"), "has a new head of 2 classes"),
        (("new", "other"), "same classes"),
        (("fish", "nowhere"), "does not exist"),
    ],
)
def test_adapters_that_cannot_act_together_are_refused(
    folder: Path, names: tuple[str, str], said: str
) -> None:
    with pytest.raises(VisionLoraError, match=said):
        restore_adapters([str(folder / name) for name in names])


def test_one_adapter_that_cannot_be_combined_is_not_said_to_have_to_be_alone(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "new", tmp_path / "labels")
    config = tmp_path / "labels" / "adapter_config.json"
    saved = json.loads(config.read_text())
    saved["auto_mapping"]["visionlora"]["task"] = "multi_label"
    config.write_text(json.dumps(saved))
    with pytest.raises(VisionLoraError, match=r"several labels .*, so no adapter can be made of it$"):
        combine_adapters(
            CombineConfig(adapters=[str(tmp_path / "labels")], output=str(tmp_path / "x"), rank=1)
        )


def test_new_outputs_alone_are_nothing_to_combine(tmp_path: Path) -> None:
    backbone = load_backbone("pocket")
    head = apply_head(backbone, "new", ("x", "y"))
    network = attach_layers(backbone.model, {}, generator=torch.Generator())
    write_directory(tmp_path / "head", network, backbone, head, ("x", "y"), {})
    with pytest.raises(VisionLoraError, match="no layer has an update, and new outputs are kept"):
        combine_adapters(CombineConfig(adapters=[str(tmp_path / "head")], output=str(tmp_path / "x"), rank=1))


@pytest.mark.parametrize("weights", [None, [0.7, 0.3]])
def test_a_combination_computes_what_its_adapters_compute_together(
    folder: Path, weights: list[float] | None, x: Tensor, tmp_path: Path
) -> None:
    combined(folder, tmp_path / "one", ("fish", "venus"), weights=weights)
    shares = weights or [0.5, 0.5]
    expected = restore_adapters([str(folder / name) for name in ("fish", "venus")], shares)
    found = restore(tmp_path / "one")
    assert found.head.outputs == expected.head.outputs
    close(found.network(x), expected.network(x))
    about = json.loads((tmp_path / "one" / "adapter_config.json").read_text())["auto_mapping"]["visionlora"]
    assert min(about["combined"]["energy"].values()) == pytest.approx(1)


def test_a_subtracted_adapter_brings_no_classes(folder: Path, tmp_path: Path, x: Tensor) -> None:
    combined(folder, tmp_path / "zero", ("plain", "plain"), method="subtract")
    close(restore(tmp_path / "zero").network(x), load_backbone("pocket").model.eval()(x))
    combined(folder, tmp_path / "less", ("plain", "fish"), method="subtract", rank=2)
    assert restore(tmp_path / "less").classes == ("goldfish",)


@pytest.mark.parametrize("method", ["ties", "dare", "dare_ties"])
def test_ties_and_dare_are_kept_whole_or_at_a_rank(
    folder: Path, method: str, tmp_path: Path, x: Tensor
) -> None:
    for name, rank in (("whole", None), ("low", 3)):
        combined(folder, tmp_path / name, ("fish", "plain"), method=method, density=0.5, rank=rank)
        assert restore(tmp_path / name).network(x).isfinite().all()
    with pytest.raises(VisionLoraError, match="exists already"):
        combined(folder, tmp_path / "low", ("fish", "plain"))


def test_an_extracted_adapter_is_the_fine_tune(folder: Path, x: Tensor, tmp_path: Path) -> None:
    tuned = str(folder / "tuned.safetensors")
    expected = load_backbone("pocket", tuned).model.eval()(x)
    for rank in ("full", 8):
        options = ExtractConfig(model="pocket", tuned=tuned, rank=rank, output=str(tmp_path / f"{rank}"))
        extract_adapter(options, Console(quiet=True))
    close(restore(tmp_path / "full").network(x), expected)
    about = json.loads((tmp_path / "8" / "adapter_config.json").read_text())["auto_mapping"]["visionlora"]
    energy = about["extracted"]["energy"].values()
    assert 0 < min(energy) < 0.9


def convert(source: Path, to: str, output: Path, **options: Any) -> Path:
    config = ConvertConfig(source=str(source), to=to, output=str(output), **options)
    return convert_adapter(config, Console(quiet=True))


def test_an_adapter_comes_back_from_each_format(folder: Path, x: Tensor, tmp_path: Path) -> None:
    expected = restore(folder / "plain").network(x)
    lycoris = convert(folder / "plain", "lycoris", tmp_path / "a.safetensors")
    close(restore(convert(lycoris, "visionlora", tmp_path / "l", model="pocket")).network(x), expected)
    loralib = convert(folder / "plain", "loralib", tmp_path / "a.pt")
    back = convert(loralib, "visionlora", tmp_path / "m", model="pocket", alpha=4)
    about = json.loads((back / "adapter_config.json").read_text())
    scaled = 4 / about["r"]  # lora_alpha is the rank in what was written
    close(restore_adapters([str(back)], strength=1 / scaled).network(x), expected)
    peft = convert(folder / "venus", "peft", tmp_path / "p")
    close(restore(peft).network(x), restore(folder / "venus").network(x))


@pytest.mark.parametrize(
    ("source", "to", "output", "options", "said"),
    [
        ("fish", "lycoris", "a.safetensors", {}, "new outputs"),
        ("plain", "lycoris", "a.pt", {}, "to=lycoris writes a file ending in .safetensors"),
        ("plain", "peft", "b", {"alpha": 3}, "alpha is for files of loralib"),
        ("tuned.safetensors", "peft", "b", {}, "add model=NAME"),
        ("tuned.safetensors", "peft", "b", {"model": "pocket"}, "holds no adapter's tensors"),
        ("nowhere", "peft", "b", {}, "does not exist"),
    ],
)
def test_what_cannot_be_converted_is_refused_and_nothing_is_written(
    folder: Path, source: str, to: str, output: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(VisionLoraError, match=said):
        convert(folder / source, to, tmp_path / output, **options)
    assert list(tmp_path.iterdir()) == []


def test_the_commands_take_the_keys_as_people_write_them(
    folder: Path, command: Command, tmp_path: Path
) -> None:
    a, b = folder / "plain", folder / "fish"
    merged = command(
        "merge", f"adapter=[{a},{b}]", "adapter.weights=[0.7,0.3]", "strength=0.5", "output=m.safetensors"
    )
    assert merged.code == 0, merged.err
    weights = load_file(tmp_path / "m.safetensors")
    expected = restore_adapters([str(a), str(b)], [0.7, 0.3], 0.5).network
    layer: Any = expected.get_submodule("features.0")
    torch.testing.assert_close(weights["features.0.weight"], layer.weight.as_subclass(Tensor))
    converted = command("convert", f"from={a}", "to=lycoris", "output=a.safetensors")
    assert converted.code == 0, converted.err
    assert any(key.startswith("lycoris_features_0.") for key in load_file(tmp_path / "a.safetensors"))
    left = command("combine", f"adapters=[{a},{b}]", "method=ties", "rank=2", "output=c")
    assert left.code == 0, left.err
    assert "energy kept of all layers together" in left.out
    left = command("extract", "model=pocket", f"tuned={folder / 'tuned.safetensors'}", "output=e")
    assert left.code == 0, left.err
    assert "energy lost" in left.out
    wrong = command("predict", f"adapter=[{a},{b}]", "adapter.weights=[1]", "images=x.png")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "adapter_weights has 1 number for 2 adapters" in wrong.err


@pytest.mark.parametrize("option", ["base", "tuned"])
def test_a_weight_file_that_is_missing_is_named_with_its_own_option(option: str, tmp_path: Path) -> None:
    options = {"tuned": "none", option: str(tmp_path / "missing.pth")}
    with pytest.raises(VisionLoraError, match=rf"^{option}: there is no file "):
        extract_adapter(ExtractConfig(model="pocket", output=str(tmp_path / "new"), **options))
