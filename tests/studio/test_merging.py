"""Adapters are merged on the page: into one adapter, and into the network's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from visionlora.adapters import LoraConfig, attach, save_adapter
from visionlora.files import read_json
from visionlora.models import load_backbone
from visionlora.studio.jobs import Jobs, new_id


@pytest.fixture
def jobs(client: TestClient, tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "studio")


def an_adapter(jobs: Jobs, name: str, seed: int, model: str = "pocket") -> str:
    """An adapter of a training that has finished; its id."""
    network = load_backbone(model, "imagenet" if model == "pocket" else "none").model
    layer = next(key for key, one in network.named_modules() if isinstance(one, torch.nn.Conv2d))
    attach(network, LoraConfig(rank=2, targets=[layer.replace(".", r"\.")]))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if "lora_" in key:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    job = jobs.add_merged(new_id(), "none", name)
    save_adapter(network, jobs.run(job.id) / "adapter", extra={"model": model, "weights": "imagenet"})
    return job.id


def merge(client: TestClient, ids: list[str], **changed: Any) -> Any:
    asked = {"adapters": ids, "weights": [1.0] * len(ids), "method": "add", "name": "", **changed}
    return client.post("/api/adapters/merge", json=asked)


def logits(client: TestClient, adapter: str, image: str, strength: float = 1) -> torch.Tensor:
    found = client.get(f"/api/adapters/{adapter}/logits/{image}?strength={strength}").json()["logits"]
    return torch.tensor(next(iter(found.values())))


def test_a_merged_adapter_is_in_the_gallery_and_does_what_its_parts_do(
    client: TestClient, jobs: Jobs, a_drawing: bytes
) -> None:
    fish, bird = an_adapter(jobs, "fish", 1), an_adapter(jobs, "bird", 2)
    image = client.post("/api/tried", files={"file": ("x.png", a_drawing)}).json()["id"]
    merged = merge(client, [fish, bird], weights=[0.5, 0]).json()["id"]
    gallery = {one["id"]: one for one in client.get("/api/adapters").json()}
    assert gallery[merged]["name"] == "0.5 fish + 0 bird"
    assert gallery[merged]["figures"]["learned"] is None, "nobody has measured it"
    expected = logits(client, fish, image, 0.5)
    assert not torch.equal(expected, logits(client, fish, image))
    torch.testing.assert_close(logits(client, merged, image), expected, atol=2e-4, rtol=1e-4)
    assert client.get("/api/jobs").json() == [], "it is no training"
    assert client.delete(f"/api/jobs/{merged}").status_code == 200
    assert len(client.get("/api/adapters").json()) == 2


@pytest.mark.parametrize("method", ["average", "ties", "dare_ties"])
def test_each_method_is_the_one_that_is_asked_for(client: TestClient, jobs: Jobs, method: str) -> None:
    ids = [an_adapter(jobs, name, number) for number, name in enumerate("ab")]
    merged = merge(client, ids, method=method, name="both").json()["id"]
    config = read_json(jobs.run(merged) / "adapter" / "adapter_config.json")
    assert config["auto_mapping"]["visionlora"]["combined"]["method"] == method
    assert jobs.get(merged).name == "both"


def test_adapters_of_different_networks_are_named_as_people_call_them(
    client: TestClient, jobs: Jobs, tmp_path: Path
) -> None:
    ids = [an_adapter(jobs, "fish", 1), an_adapter(jobs, "bird", 2, "squeezenet1_1")]
    answer = merge(client, ids)
    assert answer.status_code == 400
    assert "“fish” is for model pocket, “bird” for squeezenet1_1" in answer.json()["error"]
    assert str(tmp_path) not in answer.json()["error"]
    assert len(list((tmp_path / "studio" / "runs").iterdir())) == 2, "nothing is left of it"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weights": [1.0]}, "a weight for each"),
        ({"weights": "1"}, "no list 'weights'"),
        ({"weights": [1.0, 1000.0]}, "weights"),
        ({"weights": [1.0, -1.0], "method": "average"}, "add up to 0"),
        ({"method": "blend"}, "method"),
        ({"adapters": ["none", "none"]}, "no such training"),
        ({"adapters": ["../x", "../y"]}, "is not an id"),
        ({"name": 3}, "no text 'name'"),
    ],
)
def test_a_merge_that_cannot_be_is_refused_in_a_sentence(
    client: TestClient, jobs: Jobs, changed: dict[str, Any], said: str
) -> None:
    ids = [an_adapter(jobs, "fish", 1), an_adapter(jobs, "bird", 2)]
    answer = merge(client, ids, **changed)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert len(client.get("/api/adapters").json()) == 2
    assert len(list(jobs.run(ids[0]).parent.iterdir())) == 2


def test_a_file_to_try_that_is_no_image_is_refused_without_its_path(
    client: TestClient, jobs: Jobs, tmp_path: Path
) -> None:
    fish = an_adapter(jobs, "fish", 1)
    image = client.post("/api/tried", files={"file": ("x.png", b"no image")}).json()["id"]
    for what in ("logits", "explain"):
        said = client.get(f"/api/adapters/{fish}/{what}/{image}").json()["error"]
        assert said.startswith("this image cannot be read: ")
        assert str(tmp_path) not in said


def test_a_merged_adapter_whose_images_are_gone_says_so_before_it_is_exported(
    client: TestClient, jobs: Jobs
) -> None:
    answer = client.get(f"/api/adapters/{an_adapter(jobs, 'fish', 1)}/onnx")
    assert "which was deleted; visionlora export takes other images" in answer.json()["error"]


def test_merged_weights_are_those_of_the_network_with_the_adapter(
    client: TestClient, jobs: Jobs, tmp_path: Path
) -> None:
    from safetensors.torch import load

    fish = an_adapter(jobs, "fish", 1)
    state = load(client.get(f"/api/adapters/{fish}/merged").content)
    plain = load_backbone("pocket").model.state_dict()
    assert set(state) == set(plain)
    assert sum(not torch.equal(state[key], plain[key]) for key in plain) == 1, "the adapted layer's weight"
