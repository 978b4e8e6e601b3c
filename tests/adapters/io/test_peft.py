from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

from tests.adapters.networks import perturb, same_bits, small_network, snapshot
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapted_layers,
    adapter_state,
    adapters_off,
    attach,
    load_adapter,
    merge,
    merged,
    read_adapter_config,
    save_adapter,
    scale,
)
from visionlora.adapters.io.peft_export import save_peft

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"


def plain_network() -> nn.Sequential:
    """(N, 3, H, W) to (N, 5), every group count 1."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 6, (1, 3), padding=(0, 1), bias=False), nn.ReLU()),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 7),
        nn.Linear(7, 5),
    ).eval()


def reduced_vgg11() -> nn.Module:
    torch.manual_seed(0)
    layers = torchvision.models.vgg.make_layers([4, "M", 8, "M", 8, 8, "M", 8, 8, "M", 8, 8, "M"])
    with torch.device("meta"):  # its own classifier is huge
        network = torchvision.models.VGG(nn.Identity(), init_weights=False)
    network.features = layers
    network.classifier = nn.Sequential(nn.Linear(8 * 49, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10))
    return network.eval()


def reduced_resnet18() -> nn.Module:
    torch.manual_seed(0)
    block = torchvision.models.resnet.BasicBlock
    return torchvision.models.ResNet(block, [2, 2, 2, 2], num_classes=10).eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def saved(tmp_path) -> Path:
    """The adapter of a grouped network."""
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2))
    perturb(network)
    return save_adapter(network, tmp_path / "adapter")


def grouped_network() -> nn.Sequential:
    torch.manual_seed(0)
    return small_network()


def rewrite(directory: Path, **changes) -> None:
    path = directory / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_adapter_comes_back_to_the_bit(tmp_path, x):
    config = LoraConfig(rank=3, alpha=5, rslora=True, rank_pattern={"4": 2}, alpha_pattern={"[47]": 1.5})
    network = attach(grouped_network(), config)
    perturb(network)
    directory = save_adapter(network, tmp_path / "a" / "b", base_model="small", extra={"classes": ["a", "ö"]})
    assert sorted(path.name for path in directory.iterdir()) == [CONFIG, TENSORS]
    loaded = load_adapter(grouped_network(), directory)
    assert same_bits(adapter_state(loaded), adapter_state(network))
    assert torch.equal(loaded(x), network(x))
    about = read_adapter_config(directory)
    assert about["base_model_name_or_path"] == "small" and about["visionlora"]["classes"] == ["a", "ö"]


def test_loading_into_an_adapted_network_keeps_its_parameters(saved, x):
    network = attach(grouped_network(), LoraConfig(rank=2, alpha=1))
    parameters = dict(network.named_parameters())
    load_adapter(network, saved)
    assert all(parameters[name] is parameter for name, parameter in network.named_parameters())
    assert torch.equal(network(x), load_adapter(grouped_network(), saved)(x))


def test_loading_leaves_the_global_seed_alone(saved):
    network, state = grouped_network(), torch.get_rng_state()
    load_adapter(network, saved)
    assert torch.equal(state, torch.get_rng_state())


def test_saving_again_replaces_and_a_failure_leaves_the_old_files(saved, monkeypatch):
    network = load_adapter(grouped_network(), saved)
    before = (saved / TENSORS).read_bytes()
    with pytest.raises(LoraError, match="JSON"):
        save_adapter(network, saved, extra={"what": object()})

    def full_disk(*_, **__):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="space"):
        patch.setattr("safetensors.torch.save_file", full_disk)
        save_adapter(network, saved)
    assert (saved / TENSORS).read_bytes() == before
    assert sorted(path.name for path in saved.iterdir()) == [CONFIG, TENSORS]
    perturb(network)
    save_adapter(network, saved)
    assert (saved / TENSORS).read_bytes() != before


def test_a_new_head_is_saved_whole(tmp_path, x):
    def with_head(seed):
        network = plain_network()
        torch.manual_seed(seed)
        network[7] = nn.Linear(7, 3)
        return network

    network = attach(with_head(1), LoraConfig(rank=2, exclude="^7"))
    perturb(network)
    network[7].requires_grad_(True)
    before = network(x)
    with torch.no_grad():
        network[7].weight.add_(1)
    directory = save_adapter(network, tmp_path, modules_to_save=["7"])
    assert not torch.allclose(network(x), before)
    assert torch.equal(load_adapter(with_head(2), directory)(x), network(x))
    with pytest.raises(LoraError, match=r"7.weight is \(3, 7\), \(5, 7\) in the network"):
        load_adapter(plain_network(), directory)


def test_a_head_that_is_missing_or_adapted_too_cannot_be_saved_whole(tmp_path):
    network = attach(plain_network())
    with pytest.raises(LoraError, match="no module 'fc'"):
        save_adapter(network, tmp_path, modules_to_save=["fc"])
    with pytest.raises(LoraError, match="7 is adapted too"):
        save_adapter(network, tmp_path, modules_to_save=["7"])
    with pytest.raises(LoraError, match="no adapters"):
        save_adapter(plain_network(), tmp_path)


def test_every_mismatch_is_named_at_once_and_nothing_is_changed(saved):
    tensors = load_file(saved / TENSORS)
    tensors["base_model.model.8.lora_A.weight"] = torch.zeros(2, 5)
    tensors["base_model.model.2.lora_A.weight"] = torch.zeros(2, 5)
    tensors["base_model.model.7.lora_B.weight"] = torch.zeros(6, 2)
    tensors["base_model.model.0.lora_A.weight"] = torch.zeros(4, 3, 3, 3)
    tensors["base_model.model.7.magnitude"] = torch.zeros(1)
    del tensors["base_model.model.3.lora_A.weight"]
    save_file(tensors, saved / TENSORS)
    network = grouped_network()
    before = snapshot(network)
    with pytest.raises(LoraError) as caught:
        load_adapter(network, saved)
    message = str(caught.value)
    assert "\n" not in message and str(saved) in message
    for part in (
        "no layer 8",
        "2 is a ReLU",
        "7.lora_B.weight is (6, 2), the network and rank 2 ask for (5, 2)",
        "0.lora_A.weight is (4, 3, 3, 3), the network and rank 2 ask for (2, 3, 3, 3)",
        "unknown tensor 7.magnitude",
        "3 has lora_B.weight alone",
    ):
        assert part in message
    assert not adapted_layers(network) and same_bits(before, network.state_dict())


def test_an_adapted_network_must_have_the_same_layers_and_ranks(saved):
    with pytest.raises(LoraError, match=r"the layers 0, 3, 4 are not adapted"):
        load_adapter(attach(grouped_network(), LoraConfig(rank=2, targets="linear")), saved)
    with pytest.raises(LoraError, match=r"7 has rank 3 in the network, 2 in the adapter"):
        load_adapter(attach(grouped_network(), LoraConfig(rank=3)), saved)


def test_another_base_network_is_refused_unless_told_otherwise(saved):
    torch.manual_seed(9)
    other = small_network()
    with pytest.raises(LoraError, match="base tensors were others"):
        load_adapter(other, saved)
    assert not adapted_layers(other)
    assert adapted_layers(load_adapter(other, saved, check_fingerprint=False))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"peft_type": "OFT"}, "peft_type"),
        ({"peft_type": "LOHA"}, "peft_type"),
        ({"use_dora": True}, "use_dora"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"r": 0}, "rank is 0"),
        ({"rank_pattern": {"(": 2}}, "rank_pattern"),
    ],
)
def test_what_is_not_plain_lora_is_refused(saved, changes, complaint):
    rewrite(saved, **changes)
    with pytest.raises(LoraError, match=complaint) as caught:
        load_adapter(grouped_network(), saved)
    assert CONFIG in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_damaged_files_are_named(saved, tmp_path):
    with pytest.raises(LoraError, match="does not exist"):
        read_adapter_config(tmp_path / "nowhere")
    content = (saved / TENSORS).read_bytes()
    (saved / TENSORS).write_bytes(content[: len(content) // 2])
    with pytest.raises(LoraError, match="damaged"):
        load_adapter(grouped_network(), saved)
    (saved / CONFIG).write_text("{")
    with pytest.raises(LoraError, match="not JSON"):
        load_adapter(grouped_network(), saved)


def test_a_pickle_is_never_read(saved):
    (saved / TENSORS).unlink()
    (saved / "adapter_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(LoraError, match=r"adapter_model\.bin is a pickle"):
        load_adapter(grouped_network(), saved)


# --- PEFT ---


def peft_logits(network: nn.Module, directory: Path, x: torch.Tensor) -> torch.Tensor:
    """What PEFT makes of an adapter; its warnings are errors."""
    peft = pytest.importorskip("peft")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = peft.PeftModel.from_pretrained(network, directory).eval()
    return model(x)


@pytest.mark.parametrize("build", [plain_network, reduced_vgg11, reduced_resnet18])
@pytest.mark.parametrize(
    "config",
    [
        LoraConfig(rank=3, alpha=5),
        LoraConfig(rank=4, rslora=True, rank_pattern={r".*[26]": 2}, alpha_pattern={".*0": 3}, dropout=0.1),
        LoraConfig(rank=1, targets="last:2"),
        LoraConfig(rank=2, targets=r"^(conv1|0|features\.0)"),
    ],
    ids=["all", "patterns", "last", "first"],
)
def test_peft_reads_our_adapters(build, config, tmp_path, x):
    if build is reduced_resnet18 and config.rank_pattern:
        config = LoraConfig(rank=4, rslora=True, rank_pattern={"conv2": 2}, alpha_pattern={"fc": 3})
    network = attach(build(), config)
    perturb(network)
    save_adapter(network, tmp_path, extra={"classes": ["a"]})
    torch.testing.assert_close(peft_logits(build(), tmp_path, x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rslora", [False, True])
def test_a_chosen_strength_is_the_adapters_own_here_and_in_peft(rslora, tmp_path, x):
    network = attach(plain_network(), LoraConfig(rank=3, alpha=5, rslora=rslora, alpha_pattern={"6": 2}))
    perturb(network)
    full = network(x)
    scale(network, 0.3)
    expected = network(x)
    assert not torch.allclose(full, expected, rtol=1e-3)
    save_adapter(network, tmp_path)
    assert torch.equal(load_adapter(plain_network(), tmp_path)(x), expected)
    torch.testing.assert_close(peft_logits(plain_network(), tmp_path, x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(merge(network)(x), expected, rtol=1e-4, atol=1e-5)


def test_peft_reads_our_new_head(tmp_path, x):
    network = attach(plain_network(), LoraConfig(rank=2, targets=["conv", "^6"]))
    perturb(network)
    with torch.no_grad():
        network[7].weight.mul_(2)
    save_adapter(network, tmp_path, modules_to_save=["7"])
    torch.testing.assert_close(peft_logits(plain_network(), tmp_path, x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 4, "lora_alpha": 6, "target_modules": ["0", "6"]},
        {"r": 4, "lora_alpha": 6, "target_modules": r".*(0|6)", "use_rslora": True},
        {
            "r": 4,
            "target_modules": ["0", "6"],
            "rank_pattern": {"6": 2},
            "alpha_pattern": {r"3\.0": 3, "^0": 2},
        },
        {"r": 2, "target_modules": ["0", "6"], "modules_to_save": ["7"], "init_lora_weights": "gaussian"},
    ],
    ids=["list", "regex-rslora", "patterns", "new-head"],
)
def test_adapters_that_peft_saved_load_here(settings, tmp_path, x):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(plain_network(), peft.LoraConfig(**settings)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                parameter.normal_(0, 0.3)
    model.save_pretrained(tmp_path)
    network = load_adapter(plain_network(), tmp_path)
    assert read_adapter_config(tmp_path)["visionlora"] == {}
    torch.testing.assert_close(network(x), model(x), rtol=1e-4, atol=1e-5)
    with merged(network):
        torch.testing.assert_close(network(x), model(x), rtol=1e-4, atol=1e-5)
    if "modules_to_save" not in settings:
        with adapters_off(network):
            torch.testing.assert_close(network(x), plain_network()(x))


def odd_network(**geometry) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, **geometry), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )


@pytest.mark.parametrize(
    ("geometry", "complaint"),
    [
        ({"dilation": 2}, r"0: PEFT ignores dilation=\(2, 2\)"),
        ({"padding": 1, "padding_mode": "reflect"}, "0: PEFT ignores dilation.* padding_mode=reflect"),
    ],
)
@pytest.mark.filterwarnings("ignore:LoRA adapter added")
def test_adapters_of_peft_that_mean_something_else_are_refused(geometry, complaint, tmp_path):
    peft = pytest.importorskip("peft")
    peft.get_peft_model(
        odd_network(**geometry), peft.LoraConfig(r=2, target_modules=["0", "3"])
    ).save_pretrained(tmp_path)
    with pytest.raises(LoraError, match=complaint):
        load_adapter(odd_network(**geometry), tmp_path)


@pytest.mark.filterwarnings("ignore:LoRA adapter added")
def test_peft_refuses_our_grouped_adapters(tmp_path):
    peft = pytest.importorskip("peft")
    save_adapter(attach(odd_network(groups=2), LoraConfig(rank=2)), tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        peft.PeftModel.from_pretrained(odd_network(groups=2), tmp_path)


@pytest.mark.parametrize(
    ("family", "complaint", "instead"),
    [
        ("full", "no form for any", "merge the adapters instead"),
        ("bias", "no form for any", "merge the adapters instead"),
        ("conv_adapter", "no module beside", "save_adapter writes all of it"),
    ],
)
def test_where_peft_has_no_form_the_error_says_what_works(family, complaint, instead, tmp_path):
    network = attach(nn.Sequential(nn.Conv2d(3, 4, 3)), LoraConfig(rank=2, family=family))
    with pytest.raises(LoraError, match=f"{complaint}.*: {instead}"):
        save_peft(network, tmp_path / "a")
    merge(network) if "merge" in instead else save_adapter(network, tmp_path / "a")


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are text there")
def test_names_and_folders_that_are_not_utf8_are_written_and_read_back(tmp_path: Path) -> None:
    network = attach(plain_network(), LoraConfig(rank=2))
    folder = save_adapter(network, tmp_path / "K\udce4fer", extra={"classes": ["K\udce4fer", "金魚"]})
    load_adapter(plain_network(), folder)
    assert read_adapter_config(folder)["visionlora"]["classes"] == ["K\udce4fer", "金魚"]
    text = (folder / "adapter_config.json").read_text(encoding="utf-8")
    assert "K\\udce4fer" in text and "金魚" in text
