"""A network is loaded by name, with its class names and preprocessing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.models import servers
from tests.models.conftest import SHARED
from visionlora.data import ImageDataset, make_loader, scan_known
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.models import (
    WeightsMetadata,
    WeightsUnavailable,
    backbone,
    find_class,
    imagenet_wnids,
    load_backbone,
    sources,
)
from visionlora.models.download import published_weights
from visionlora.models.registry import build, default_preprocessing, imagenet_categories
from visionlora.paths import shipped

Publish = Callable[[str], None]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Publish:
    """Makes every download go to a URL of the test's own, into an empty cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))

    def at(url: str) -> None:
        monkeypatch.setattr(
            sources,
            "published_weights",
            lambda name, _, progress, timeout_s: published_weights(name, url, False, timeout_s),
        )

    return at


def save(path: Path, outputs: int, metadata: dict[str, str] | None = None) -> Path:
    state = build("squeezenet1_1", outputs, seed=3).state_dict()
    save_file(state, path, metadata) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_path_get_the_architectures_names_and_preprocessing(
    tmp_path: Path, suffix: str
) -> None:
    path = save(tmp_path / f"weights{suffix}", 1000)
    loaded = load_backbone("squeezenet1_1", str(path))
    assert loaded.categories == imagenet_categories("squeezenet1_1")
    assert loaded.wnids == imagenet_wnids()
    assert loaded.preprocessing == default_preprocessing("squeezenet1_1")
    assert (loaded.requested, loaded.name, loaded.weights) == ("squeezenet1_1", "squeezenet1_1", str(path))
    assert loaded.notice is None
    assert not loaded.model.training
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.model(images), build("squeezenet1_1", 1000, seed=3)(images))


def test_another_number_of_outputs_gets_generic_names(tmp_path: Path) -> None:
    loaded = load_backbone("squeezenet1_1", str(save(tmp_path / "three.pth", 3)))
    assert loaded.categories == ("class 0", "class 1", "class 2")
    assert loaded.wnids == ("", "", "")
    assert loaded.model(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_a_files_own_metadata_wins(tmp_path: Path) -> None:
    about = WeightsMetadata(
        ("frog", "newt"), ("n1", "n2"), Preprocessing(64, 48, (0.1,) * 3, (0.2,) * 3, "bicubic")
    )
    loaded = load_backbone("squeezenet1_1", str(save(tmp_path / "two.safetensors", 2, about.as_text())))
    assert WeightsMetadata(loaded.categories, loaded.wnids, loaded.preprocessing) == about


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"categories": '["frog"]'}, "has 2 outputs, but its metadata lists 1 categories"),
        ({"categories": '{"frog": 1}'}, "'categories' .*unreadable|unreadable 'categories'"),
        ({"categories": "frog"}, "unreadable"),
        ({"preprocessing": '{"size": 3}'}, "unreadable"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path: Path, metadata: dict[str, str], reason: str) -> None:
    with pytest.raises(VisionLoraError, match=reason):
        load_backbone("squeezenet1_1", str(save(tmp_path / "two.safetensors", 2, metadata)))


def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match="does not fit VGG") as caught:
        load_backbone("vgg11", str(save(tmp_path / "weights.pth", 1000)))
    assert "\n" not in str(caught.value)


def test_without_weights_the_network_is_random_and_depends_on_the_seed() -> None:
    first, again, other = (load_backbone("squeezenet1_1", "none", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.model.classifier[1].weight, again.model.classifier[1].weight)
    assert not torch.equal(first.model.classifier[1].weight, other.model.classifier[1].weight)
    assert len(first.categories) == 1000


def test_torchvisions_word_for_random_weights_is_answered_with_ours() -> None:
    with pytest.raises(
        VisionLoraError, match=r"weights is None; give imagenet, none \(random weights\) or a"
    ):
        load_backbone("resnet18", None)  # type: ignore[arg-type]


def test_an_unknown_network_gets_suggestions() -> None:
    with pytest.raises(VisionLoraError, match=r"model 'squeeznet1_1' .*did you mean model=squeezenet1_1"):
        load_backbone("squeeznet1_1", "none")


def test_published_weights_are_downloaded_checked_and_loaded(publish: Publish, tmp_path: Path) -> None:
    content = save(tmp_path / "weights.pth", 1000).read_bytes()
    name = f"squeezenet1_1-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with servers.pages((200, content, len(content))) as server:
        publish(server.url(name))
        loaded = load_backbone("squeezenet1_1", progress=False)
    assert loaded.weights == "imagenet"
    assert (tmp_path / "home" / "hub" / "checkpoints" / name).is_file()
    assert torch.equal(
        loaded.model.features[0].weight, build("squeezenet1_1", 1000, seed=3).features[0].weight
    )


def test_a_named_network_is_never_replaced_by_another(publish: Publish, pocket_file: Path) -> None:
    publish("http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    with pytest.raises(WeightsUnavailable, match=r"vgg19: cannot get .*vgg19-dcbb9e9d.pth "):
        load_backbone("vgg19", progress=False)


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("model.weights", "model=pocket, model.weights=PATH or model.weights=none"),
        ("weights", "weights=PATH"),  # of an adapter that is made for one network
        ("base", "base=PATH"),
    ],
)
def test_what_works_without_a_download_is_said_with_the_option_of_the_command(
    publish: Publish, option: str, instead: str
) -> None:
    publish("http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    with pytest.raises(WeightsUnavailable) as error:
        load_backbone("vgg19", progress=False, option=option)
    assert str(error.value).endswith(f"by hand, or work without a download: {instead}")


def test_auto_falls_back_to_pocket_and_says_so(publish: Publish, pocket_file: Path) -> None:
    publish("http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    loaded = load_backbone("auto")
    assert (loaded.requested, loaded.name) == ("auto", "pocket")
    assert loaded.notice is not None
    for part in ("pocket", "vgg19-dcbb9e9d.pth", "refused"):
        assert part in loaded.notice
    assert "\n" not in loaded.notice


def test_auto_falls_back_within_seconds_without_a_connection(
    publish: Publish, pocket_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone, "PROBE_S", 0.5)
    with servers.rude(servers.silent) as address:
        publish(f"http://{address}/vgg19-dcbb9e9d.pth")
        loaded = load_backbone("auto")
    assert loaded.name == "pocket"
    assert "no answer within 0.5 s" in (loaded.notice or "")


def test_auto_is_vgg19_if_its_weights_are_available(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A small network in VGG19's place: its own weights are half a gigabyte.
    monkeypatch.setattr(backbone, "AUTO_CHOICE", "squeezenet1_1")
    content = save(tmp_path / "weights.pth", 1000).read_bytes()
    with servers.pages((200, content, len(content))) as server:
        publish(server.url("squeezenet1_1.pth"))
        loaded = load_backbone("auto", progress=False)
    assert (loaded.requested, loaded.name, loaded.notice) == ("auto", "squeezenet1_1", None)


@pytest.mark.parametrize("weights", ["none", "weights.pth"])
def test_auto_refuses_a_weight_file(weights: str) -> None:
    with pytest.raises(VisionLoraError, match="name the network too"):
        load_backbone("auto", weights)


def test_pocket_has_class_names_preprocessing_and_images(pocket_file: Path) -> None:
    loaded = load_backbone("pocket")
    assert loaded.categories == ("goldfish", "orange", "jellyfish")
    assert find_class("n01443537", loaded.categories, loaded.wnids) == 0
    assert loaded.preprocessing.crop == 128
    assert loaded.anchors == (shipped("data/pocket_photos/anchor"),)
    assert loaded.retention_root == shipped("data/pocket_photos/val")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert loaded.model(torch.zeros(1, 3, 128, 128)).shape == (1, 3)


def test_pocket_loads_other_weights(pocket_file: Path, tmp_path: Path) -> None:
    random = load_backbone("pocket", "none")
    assert random.categories == ("goldfish", "orange", "jellyfish")
    loaded = load_backbone("pocket", str(save(tmp_path / "two.pth", 2)))
    assert (loaded.categories, loaded.preprocessing.crop) == (("class 0", "class 1"), 128)


@pytest.mark.skipif(not backbone.POCKET_FILE.is_file(), reason="the pocket weights are not made yet")
def test_the_pocket_network_that_ships_is_complete() -> None:
    loaded = load_backbone("pocket")
    assert backbone.POCKET_FILE.stat().st_size <= 2_000_000
    assert len(loaded.categories) >= 16
    assert {"goldfish"} <= set(loaded.categories) <= set(imagenet_categories("squeezenet1_1"))
    for category, wnid in zip(loaded.categories, loaded.wnids, strict=True):
        assert wnid == imagenet_wnids()[find_class(category, imagenet_categories("squeezenet1_1"))]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real weights and photos are not here")
@torch.inference_mode()
def test_real_weights_classify_real_photos() -> None:
    loaded = load_backbone("squeezenet1_0", str(SHARED / "squeezenet1_0-imagenet.safetensors"))
    photos = scan_known(SHARED / "photos")
    names = {photo.label for photo in photos if photo.label}
    targets = {name: find_class(name, loaded.categories, loaded.wnids) for name in names}
    loader = make_loader(ImageDataset(photos, loaded.preprocessing, targets=targets), 32)
    right = sum(int((loaded.model(b["images"]).argmax(1) == b["labels"]).sum()) for b in loader)
    assert 0.55 < right / len(photos) < 0.65
