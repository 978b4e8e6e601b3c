"""An adapter that continues an earlier one is saved as one adapter that does what both do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tests.adapters.networks import perturb
from tests.conftest import COLOURS
from visionlora.adapters import LoraConfig
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.models import WeightsMetadata, head_parameters
from visionlora.models.adapted import AdaptedNetwork, adapt
from visionlora.models.config import ModelConfig
from visionlora.models.restore import restore
from visionlora.tasks.save import write_adapter
from visionlora.tasks.single_label import SingleLabel

LORA = LoraConfig(rank=2)
IMAGES = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    """A resnet18 of four outputs, whose head is a linear layer after batch norms."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=4)
    half = (0.5, 0.5, 0.5)
    about = WeightsMetadata(COLOURS, ("",) * 4, Preprocessing(48, 48, half, half, "bilinear"))
    save_file(network.state_dict(), tmp_path / "resnet.safetensors", about.as_text())
    return tmp_path / "resnet.safetensors"


def trained(
    folder: Path,
    model: ModelConfig,
    classes: Sequence[str],
    adapter: Path | None = None,
    lora: LoraConfig = LORA,
) -> AdaptedNetwork:
    """A network whose adapters and new rows are no longer what they started as, saved in ``folder``."""
    adapted = adapt(model, lora, classes, 0, None if adapter is None else str(adapter))
    perturb(adapted.network, 0.05)
    with torch.no_grad():
        for parameter in head_parameters(adapted.network, adapted.head):
            parameter.add_(torch.randn_like(parameter) * 0.1)
    write_adapter(folder, adapted, SingleLabel())
    return adapted


def same_logits(folder: Path, adapted: AdaptedNetwork) -> None:
    with torch.no_grad():
        torch.testing.assert_close(
            restore(folder).network(IMAGES), adapted.network(IMAGES), rtol=1e-4, atol=1e-4
        )


CHAINS = {
    "known classes": (["auto"] * 3, (["red"], ["blue"], ["red", "green"]), "keep", COLOURS),
    "one more each time": (
        ["auto"] * 3, (["sun"], ["moon"], ["key", "red"]), "extend", (*COLOURS, "sun", "moon", "key"),
    ),
    "known and new ones in turn": (
        ["keep", "auto", "keep", "extend"], (["blue"], ["sun"], ["Sun", "red"], ["moon"]), "extend",
        (*COLOURS, "sun", "moon"),
    ),
    "after a new head": (
        ["new", "auto", "extend"], (["ant", "bee"], ["wasp"], ["fly", "bee"]), "new",
        ("ant", "bee", "wasp", "fly"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("network", "chain"),
    [*(("squeezenet1_1", chain) for chain in CHAINS), ("resnet18", "one more each time")],
)
def test_a_chain_of_adapters_is_one_adapter_of_the_original_network(
    network: str, chain: str, weights: Path, resnet: Path, tmp_path: Path
) -> None:
    heads, steps, kind, outputs = CHAINS[chain]
    file = str(weights if network == "squeezenet1_1" else resnet)
    earlier: Path | None = None
    before: AdaptedNetwork | None = None
    for number, (head, classes) in enumerate(zip(heads, steps, strict=True)):
        folder = tmp_path / str(number)
        model = ModelConfig(network, file, head) if earlier is None else ModelConfig(head=head)
        adapted = adapt(model, LORA, classes, 0, earlier and str(earlier))
        if before is not None:  # a new adapter changes nothing before it is trained
            known = before.network(IMAGES)
            torch.testing.assert_close(
                adapted.network(IMAGES)[:, : known.shape[1]], known, rtol=1e-4, atol=1e-4
            )
        adapted = trained(folder, model, classes, earlier)
        same_logits(folder, adapted)
        earlier, before = folder, adapted
    assert earlier is not None
    restored = restore(earlier)
    assert restored.head.outputs == outputs
    assert restored.head.kind == kind
    assert [restored.head.outputs[target].lower() for target in restored.head.targets] == list(
        restored.classes
    )
    assert len(set(restored.head.targets)) == len(restored.classes)


def test_layers_that_only_one_of_both_adapts_keep_their_own_rank(weights: Path, tmp_path: Path) -> None:
    model = ModelConfig("squeezenet1_1", str(weights))
    trained(tmp_path / "a", model, ["red"], lora=LoraConfig(rank=2, alpha=3, targets="last:3"))
    adapted = trained(
        tmp_path / "b",
        ModelConfig(),
        ["blue"],
        tmp_path / "a",
        lora=LoraConfig(rank=5, rslora=True, targets="last:2"),
    )
    same_logits(tmp_path / "b", adapted)
    ranks = {one.settings.rank for one in restore(tmp_path / "b").network.modules() if hasattr(one, "lora_A")}
    assert ranks == {2, 4, 7}  # the last layer's weight has but four rows


def test_peft_reads_what_a_chain_made(weights: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    trained(tmp_path / "a", ModelConfig("squeezenet1_1", str(weights)), ["red"])
    adapted = trained(tmp_path / "b", ModelConfig(), ["blue"], tmp_path / "a")
    network = adapt(ModelConfig("squeezenet1_1", str(weights)), LORA, ["red"], 0).backbone
    from visionlora.models import load_backbone

    plain = load_backbone(network.name, network.weights).model
    both = peft.PeftModel.from_pretrained(plain, tmp_path / "b").eval()
    torch.testing.assert_close(both(IMAGES), adapted.network(IMAGES), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "lora", "expected"),
    [
        (ModelConfig("vgg11"), LORA, "model.name=vgg11.*squeezenet1_1"),
        (ModelConfig(head="new"), LORA, "model.head=new"),
        (ModelConfig(), LoraConfig(family="dora"), "lora.family.*dora"),
        (ModelConfig(weights="none"), LORA, "model.weights=none"),
    ],
)
def test_what_contradicts_the_earlier_adapter_is_named(
    weights: Path, tmp_path: Path, model: ModelConfig, lora: LoraConfig, expected: str
) -> None:
    trained(tmp_path / "a", ModelConfig("squeezenet1_1", str(weights)), ["red"])
    with pytest.raises((VisionLoraError, ValueError), match=expected):
        adapt(model, lora, ["blue"], 0, str(tmp_path / "a"))


def test_an_adapter_that_nothing_can_be_added_to_says_what_to_do_instead(
    weights: Path, tmp_path: Path
) -> None:
    trained(
        tmp_path / "a", ModelConfig("squeezenet1_1", str(weights)), ["red"], lora=LoraConfig(family="dora")
    )
    with pytest.raises(VisionLoraError, match=r"not low-rank.*visionlora merge.*model\.weights=merged"):
        adapt(ModelConfig(), LORA, ["blue"], 0, str(tmp_path / "a"))


def test_an_adapter_that_cannot_be_merged_either_is_no_reason_to_merge_it(
    weights: Path, tmp_path: Path
) -> None:
    lora = LoraConfig(family=["lora", "conv_adapter"], targets="features.0")
    trained(tmp_path / "a", ModelConfig("squeezenet1_1", str(weights)), ["red"], lora=lora)
    with pytest.raises(VisionLoraError, match=r"several adapters.*; train from scratch on all images$"):
        adapt(ModelConfig(), LORA, ["blue"], 0, str(tmp_path / "a"))


def test_an_adapter_of_another_library_is_continued(weights: Path, tmp_path: Path) -> None:
    adapted = trained(tmp_path / "a", ModelConfig("squeezenet1_1", str(weights)), ["red"])
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    config["auto_mapping"] = None
    (tmp_path / "a" / "adapter_config.json").write_text(json.dumps(config))
    model = ModelConfig("squeezenet1_1", str(weights))
    later = trained(tmp_path / "b", model, ["sun"], tmp_path / "a")
    assert later.backbone.categories == COLOURS
    same_logits(tmp_path / "b", later)
    assert restore(tmp_path / "b").classes == ("sun",)
    assert adapted.classes == ("red",)
