"""What ships: the pocket network's weights and the photos that it is measured on."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from torchvision.models import squeezenet1_1
from torchvision.transforms import v2

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "visionlora" / "models" / "pocket.safetensors"
PHOTOS = ROOT / "data" / "pocket_photos"


def _metadata() -> dict[str, str]:
    with safe_open(WEIGHTS, "pt") as file:
        return file.metadata()


def test_the_weights_are_small_and_in_half_precision() -> None:
    assert WEIGHTS.stat().st_size <= 2_000_000
    with safe_open(WEIGHTS, "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118


def test_the_weights_say_what_one_must_know_to_use_them() -> None:
    metadata = _metadata()
    categories, wnids = json.loads(metadata["categories"]), json.loads(metadata["wnids"])
    assert 16 <= len(categories) == len(wnids) == len(set(wnids))
    assert wnids == sorted(wnids)
    assert dict(zip(categories, wnids, strict=True))["goldfish"] == "n01443537"
    assert json.loads(metadata["preprocessing"]) == {
        "resize": 144,
        "crop": 128,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bilinear",
    }
    assert float(metadata["accuracy"]) > 0.95
    assert set(json.loads(metadata["accuracy_per_class"])) == set(categories)
    assert {"seed", "per_class", "epochs"} <= set(json.loads(metadata["settings"]))


def test_every_class_has_its_photos_and_they_are_small() -> None:
    for part in ("anchor", "val"):
        folders = sorted(folder.name for folder in (PHOTOS / part).iterdir())
        assert folders == sorted(name.replace(" ", "_") for name in json.loads(_metadata()["categories"]))
        for folder in folders:
            assert len(list((PHOTOS / part / folder).glob("*.webp"))) >= 5
    files = list(PHOTOS.rglob("*.webp"))
    assert sum(file.stat().st_size for file in files) < 600_000
    for file in files[::20]:
        with Image.open(file) as photo:
            assert min(photo.size) == 160


def test_the_network_knows_the_photos_that_measure_retention() -> None:
    categories = json.loads(_metadata()["categories"])
    model = squeezenet1_1(num_classes=len(categories)).eval()
    with safe_open(WEIGHTS, "pt") as file:
        model.load_state_dict({key: file.get_tensor(key).float() for key in file.keys()})  # noqa: SIM118
    prepare = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize(144, antialias=True),
            v2.CenterCrop(128),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    right = []
    for index, name in enumerate(categories):
        files = sorted((PHOTOS / "val" / name.replace(" ", "_")).glob("*.webp"))
        with torch.inference_mode():
            answers = model(torch.stack([prepare(Image.open(file).convert("RGB")) for file in files])).argmax(
                1
            )
        right += (answers == index).tolist()
    assert sum(right) / len(right) >= 0.95
