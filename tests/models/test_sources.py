"""Networks of timm, of torchvision's other tasks, and of a user's own code are adapted, merged, loaded."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.models import servers
from visionlora.adapters import LoraConfig, attach, folded, load_adapter, merge, save_adapter
from visionlora.errors import VisionLoraError
from visionlora.models import apply_head, load_backbone, sources, timm_networks
from visionlora.models import backbone as backbones
from visionlora.models.config import MergeConfig, ModelConfig
from visionlora.models.merge_weights import get_model_recipe, in_words, write_merged
from visionlora.models.restore import restore
from visionlora.models.sources import require_class_logits

timm = pytest.importorskip("timm")

SMALL = "timm/resnet10t.c3_in1k"
FACTORY = "my_networks:tiny"
CODE = """
from torch import nn

def tiny():
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    network = nn.Sequential(*layers)
    network.categories = ["red", "green", "blue"]
    return network

def twice():
    layer = nn.Linear(4, 4)
    return nn.Sequential(*tiny()[:4], layer, nn.ReLU(), layer, nn.Linear(4, 3))

def tied():
    network = nn.Sequential(*tiny()[:4], nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 3))
    network[6].weight = network[4].weight
    return network

def with_unused(rows):
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(*tiny()[:4])
            self.head = nn.Linear(4, 3)
            self.teacher = nn.Linear(4, rows)
        def forward(self, x):
            return self.head(self.body(x))
    return Unused()

def unused():
    return with_unused(3)

def unused_of_other_size():
    return with_unused(7)

def two_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3)
        def forward(self, x):
            return self.layer(x), x
    return Two()

def broken():
    raise RuntimeError("no such file")

def number():
    return 3

def lazy():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))

def script():
    import torch
    return torch.jit.trace(tiny(), torch.zeros(1, 3, 8, 8))

def empty():
    import torch
    with torch.device("meta"):
        return tiny()

def no_layers():
    return nn.Flatten()

def parallel():
    return nn.DataParallel(tiny())

def compiled():
    import torch
    return torch.compile(tiny())
"""


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "my_networks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    import sys

    sys.modules.pop("my_networks", None)


def moved(network: nn.Module) -> nn.Module:
    """The network with adapters that do something."""
    attach(network, LoraConfig(rank=2), generator=torch.Generator().manual_seed(0))
    for key, tensor in network.named_parameters():
        if "lora_B" in key:
            nn.init.normal_(tensor, std=0.02, generator=torch.Generator().manual_seed(1))
    return network


def flat(value: Any) -> list[Tensor]:
    """The tensors of whatever a network gives."""
    if isinstance(value, Tensor):
        return [value]
    values = value.values() if isinstance(value, dict) else value
    return [tensor for one in values for tensor in flat(one)]


INPUTS = {
    "timm/resnet10t.c3_in1k": torch.randn(2, 3, 64, 64),
    "timm/mobilenetv3_small_050.lamb_in1k": torch.randn(2, 3, 64, 64),
    "lraspp_mobilenet_v3_large": torch.randn(1, 3, 64, 64),
    "fcn_resnet50": torch.randn(1, 3, 64, 64),
    "ssdlite320_mobilenet_v3_large": [torch.rand(3, 64, 64)],
    "fasterrcnn_mobilenet_v3_large_320_fpn": [torch.rand(3, 64, 64)],
    "r3d_18": torch.randn(1, 3, 4, 32, 32),
    "mvit_v1_b": torch.randn(1, 3, 16, 224, 224),
    FACTORY: torch.randn(2, 3, 32, 32),
    "my_networks:twice": torch.randn(2, 3, 32, 32),
}
LONG = ("fcn_resnet50", "fasterrcnn_mobilenet_v3_large_320_fpn", "mvit_v1_b")


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in INPUTS]
)
@torch.no_grad()
def test_adapters_are_saved_loaded_and_merged(name: str, tmp_path: Path) -> None:
    loaded = load_backbone(name, "none")
    network, inputs = moved(loaded.model), INPUTS[name]
    adapted = flat(network(inputs))
    save_adapter(network, tmp_path / "adapter", extra={"model": name, "weights": "none"})
    again = load_adapter(load_backbone(name, "none").model, tmp_path / "adapter")
    for one, other in zip(flat(again(inputs)), adapted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    merging = MergeConfig(
        adapter=str(tmp_path / "adapter"), output=str(tmp_path / "merged.safetensors"), model=name
    )
    write_merged(merging)
    merged = load_backbone(name, str(tmp_path / "merged.safetensors"))
    assert merged.categories == loaded.categories
    for one, other in zip(flat(merged.model(inputs)), flat(merge(network)(inputs)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("own_code")
def test_tied_weights_that_an_adapter_unties_are_not_written_as_the_networks(tmp_path: Path) -> None:
    network = moved(load_backbone("my_networks:tied", "none").model)
    save_adapter(network, tmp_path / "a", extra={"model": "my_networks:tied", "weights": "none"})
    output = tmp_path / "merged.safetensors"
    with pytest.raises(VisionLoraError, match=r"4.weight, 6.weight are one tensor in this network"):
        write_merged(MergeConfig(adapter=str(tmp_path / "a"), output=str(output), model="my_networks:tied"))
    assert not output.exists()


def test_timms_norms_with_an_activation_are_not_folded() -> None:
    model = timm.create_model("efficientnet_b0", num_classes=3).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    attach(model, LoraConfig(rank=1))
    images = torch.randn(1, 3, 64, 64)
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    with torch.inference_mode():
        expected = model(images)
        with folded(model, images) as names:
            assert not any("Act2d" in kinds[name] for name in names)
            torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)


def test_a_timm_network_has_the_preprocessing_and_names_of_its_weights() -> None:
    loaded = load_backbone(SMALL, "none")
    assert (loaded.preprocessing.crop, loaded.preprocessing.interpolation) == (176, "bicubic")
    assert loaded.categories[1] == "goldfish"
    assert loaded.wnids[1] == "n01443537"
    larger = timm_networks.describe("timm/convnext_tiny.in12k")
    assert len(larger.categories) == 11821
    assert larger.wnids[0] == "n00005787"


def test_timms_own_weights_are_downloaded_checked_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    network = timm.create_model("resnet10t", num_classes=1000)
    save_file(network.state_dict(), tmp_path / "published.safetensors")
    content = (tmp_path / "published.safetensors").read_bytes()
    with servers.pages((200, content, len(content))) as server:
        monkeypatch.setattr(
            timm_networks,
            "published",
            lambda name: (None, server.url("model.safetensors"), "timm-it.safetensors"),
        )
        loaded = load_backbone(SMALL, progress=False)
        images = torch.randn(1, 3, 64, 64)
        with torch.inference_mode():
            assert torch.equal(loaded.model(images), network.eval()(images))
        assert sources.is_here(SMALL)
        load_backbone(SMALL, progress=False)
        assert server.requests == 1


def test_weights_in_the_cache_of_hugging_face_need_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "models--timm--resnet10t.c3_in1k"
    (kept / "snapshots" / commit).mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    network = timm.create_model("resnet10t", num_classes=1000)
    save_file(network.state_dict(), kept / "snapshots" / commit / "model.safetensors")
    look = functools.partial(huggingface_hub.try_to_load_from_cache, cache_dir=tmp_path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", look)
    loaded = load_backbone(SMALL, progress=False)
    assert loaded.weights == "imagenet"
    assert torch.equal(loaded.model.fc.weight, network.fc.weight)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/resnet19", "did you mean model=timm/resnet1"),
        ("timm/resnet18.nope", "no weights with that tag; there are .*a1_in1k"),
        ("resnet19", "did you mean model=resnet"),
    ],
)
def test_an_unknown_network_is_refused_with_close_names(name: str, said: str) -> None:
    with pytest.raises(VisionLoraError, match=said):
        load_backbone(name, "none")


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_networks:nothing", "has no function .nothing"),
        ("my_networks:broken", r"my_networks:broken\(\) fails: RuntimeError: no such file"),
        ("my_networks:number", "returns 3; return a torch.nn.Module"),
        ("no_such_module:tiny", "no_such_module. cannot be imported"),
    ],
)
def test_code_that_makes_no_network_is_refused_in_words(name: str, said: str) -> None:
    with pytest.raises(VisionLoraError, match=said):
        load_backbone(name)


@pytest.mark.usefixtures("own_code")
def test_an_adapters_own_word_never_runs_code(tmp_path: Path) -> None:
    network = moved(load_backbone(FACTORY).model)
    save_adapter(network, tmp_path / "adapter", extra={"model": "my_networks:broken", "weights": "imagenet"})
    with pytest.raises(VisionLoraError, match=r"to run it, add model=.my_networks:broken"):
        restore(tmp_path / "adapter")


@pytest.mark.usefixtures("own_code")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("lazy", "whose 3.weight has no shape yet; call it once on an image"),
        ("script", "is TorchScript, which cannot be adapted: use the module that it was made from"),
        ("empty", "returns a network without weights"),
        ("no_layers", "has no linear layer or 2d convolution"),
    ],
)
def test_a_functions_network_that_cannot_be_trained_is_refused_as_it_is_loaded(
    function: str, said: str
) -> None:
    with pytest.raises(VisionLoraError, match=said):
        load_backbone(f"my_networks:{function}")


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize("function", ["parallel", "compiled"])
def test_a_functions_network_is_taken_out_of_its_wrapper(function: str) -> None:
    loaded = load_backbone(f"my_networks:{function}")
    assert type(loaded.model) is nn.Sequential
    assert loaded.categories == ("red", "green", "blue")


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize("function", ["unused", "unused_of_other_size"])
def test_the_head_is_the_layer_that_gives_the_logits_and_not_an_unused_one_behind_it(function: str) -> None:
    loaded = load_backbone(f"my_networks:{function}")
    assert loaded.categories == ("class 0", "class 1", "class 2")
    assert apply_head(loaded, "new", ("a", "b", "c", "d")).layer == "head"
    assert loaded.model(torch.zeros(1, 3, 8, 8)).shape == (1, 4)


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fcn_resnet50", "a segmentation network gives no class logits"),
        ("r3d_18", "a video network"),
        ("my_networks:two_outputs", "gives tuple and not logits of its 4 classes"),
    ],
)
def test_training_needs_class_logits(name: str, said: str) -> None:
    model = nn.Identity() if ":" not in name else load_backbone(name).model
    with pytest.raises(VisionLoraError, match=said):
        require_class_logits(name, model, 4, 32)


@pytest.mark.usefixtures("own_code")
def test_a_factorys_classes_are_those_that_its_network_names() -> None:
    loaded = load_backbone(ModelConfig(factory=FACTORY).name)
    assert loaded.categories == ("red", "green", "blue")
    require_class_logits(loaded.name, loaded.model, 3, 32)
    assert in_words(get_model_recipe(loaded, loaded.model, 3)) == "my_networks:tiny()"


def test_every_source_is_told_by_its_name() -> None:
    assert sources.network_name("pocket") == "squeezenet1_1"
    assert sources.network_name(SMALL) == "resnet10t.c3_in1k"
    assert backbones.POCKET == "pocket"
