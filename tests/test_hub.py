"""Adapters go to a hub and come back: to this project, and to one that has PEFT alone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from tests.adapters.networks import perturb
from tests.hub_server import Hub, hub
from tests.models import servers
from visionlora.adapters import LoraConfig, attach, save_adapter
from visionlora.errors import MachineFault, VisionLoraError
from visionlora.hub import fetched, push, with_licence
from visionlora.models.adapted import adapt
from visionlora.models.adapter_files import write_directory
from visionlora.models.arithmetic_config import CombineConfig
from visionlora.models.combine_adapters import combine_adapters
from visionlora.models.config import ModelConfig
from visionlora.models.quantise import write_corrections
from visionlora.models.registry import build
from visionlora.models.restore import adapter_directory, restore

CARD = "---\nlicense: unknown\nlibrary_name: visionlora\n---\n# An adapter\n"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A directory with an adapter of a resnet18 whose weights are in a file, and what no hub should get."""
    network = build("resnet18", 4, seed=1)
    save_file(network.state_dict(), tmp_path / "base.safetensors")
    attach(network, LoraConfig(rank=2), generator=torch.Generator().manual_seed(0))
    for key, tensor in network.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(tensor, std=0.05, generator=torch.Generator().manual_seed(1))
    about = {"model": "resnet18", "weights": str(tmp_path / "base.safetensors")}
    save_adapter(network, tmp_path / "run" / "adapter", extra=about)
    (tmp_path / "run" / "adapter" / "README.md").write_text(CARD)
    (tmp_path / "run" / "adapter" / "private.txt").write_text("not for others")
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        save_file({"images": images, "logits": network(images)}, tmp_path / "expected.safetensors")
    return tmp_path / "run"


def at_hub(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> dict[str, str]:
    """Make huggingface_hub use this address; gives the environment for other processes."""
    from huggingface_hub import constants, hf_api

    for module, name, value in (
        (constants, "ENDPOINT", address), (constants, "HF_HUB_CACHE", str(cache)),
        (constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"),
        (hf_api.constants, "ENDPOINT", address),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_stand_in")
    fetched.cache_clear()
    return {**os.environ, "HF_ENDPOINT": address, "HF_HUB_CACHE": str(cache), "HF_TOKEN": "hf_stand_in"}


@pytest.fixture
def running() -> Iterator[Hub]:
    with hub() as server:
        yield server


def test_a_pushed_adapter_comes_back_and_gives_the_same_logits(
    adapter: Path, running: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hub(monkeypatch, running.address, tmp_path / "cache")
    address = push(adapter_directory(adapter), "me/fish", "apache-2.0", private=False)
    assert address.startswith(f"{running.address}/me/fish")
    kept = running.repositories["me/fish"]
    assert set(kept) == {"adapter_config.json", "adapter_model.safetensors", "README.md"}
    assert b"license: apache-2.0\n" in kept["README.md"]
    assert (adapter / "adapter" / "README.md").read_text() == CARD
    network = restore("hf://me/fish").network
    expected = load_file(tmp_path / "expected.safetensors")
    with torch.inference_mode():
        torch.testing.assert_close(network(expected["images"]), expected["logits"])


def of_pocket(folder: Path, quantise: str | None = None, **settings: Any) -> None:
    """An adapter of the small network that ships with the project."""
    model = ModelConfig(name="pocket", head="extend", quantise=quantise)
    made = adapt(model, LoraConfig(rank=2, targets="conv", **settings), ["martian"], seed=0)
    perturb(made.network, 0.02)
    about = {} if made.quantised is None else {"quantise": made.quantised.as_metadata}
    write_directory(folder, made.network, made.backbone, made.head, made.classes, about)
    write_corrections(folder, made.quantised)


def combined(folder: Path) -> None:
    """One adapter of two families, with changes of biases beside it."""
    parts = [folder.with_name(name) for name in ("one", "other")]
    for part, family in zip(parts, ("lora", "dora"), strict=True):
        of_pocket(part, family=family, bias="lora_only")
    combine_adapters(
        CombineConfig(adapters=[str(one) for one in parts], output=str(folder)), Console(quiet=True)
    )


PUSHED: dict[str, Callable[[Path], None]] = {
    "several families": partial(of_pocket, family=["lora", "ia3", "conv_adapter"], bias="all"),
    "combined": combined,
    "corrections of a quantised base": partial(of_pocket, quantise="nf4", init="loftq"),
}


@pytest.mark.parametrize("kind", PUSHED)
def test_an_adapter_of_several_files_comes_back_with_all_of_them(
    kind: str, running: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hub(monkeypatch, running.address, tmp_path / "cache")
    PUSHED[kind](tmp_path / "adapter")
    push(tmp_path / "adapter", "me/fish", None, private=False)
    assert len(running.repositories["me/fish"]) > 2
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected = restore(tmp_path / "adapter").network(images)
        torch.testing.assert_close(restore("hf://me/fish").network(images), expected, rtol=0, atol=0)


PEFT_ALONE = """
import sys
import peft, safetensors.torch, torch, torchvision
network = torchvision.models.get_model("resnet18", num_classes=4)
network.load_state_dict(safetensors.torch.load_file(sys.argv[1]))
network = peft.PeftModel.from_pretrained(network.eval(), "me/fish").eval()
expected = safetensors.torch.load_file(sys.argv[2])
with torch.inference_mode():
    torch.testing.assert_close(network(expected["images"]), expected["logits"], rtol=1e-4, atol=1e-4)
assert "visionlora" not in sys.modules
print("the same logits")
"""


@pytest.mark.slow
def test_a_pushed_adapter_loads_where_there_is_only_peft(
    adapter: Path, running: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = at_hub(monkeypatch, running.address, tmp_path / "cache")
    push(adapter_directory(adapter), "me/fish", None, private=False)
    # From an empty folder, in isolated mode: nothing of this project is on the path.
    (tmp_path / "empty").mkdir()
    environment.pop("PYTHONPATH", None)
    command = [
        sys.executable,
        "-I",
        "-c",
        PEFT_ALONE,
        tmp_path / "base.safetensors",
        tmp_path / "expected.safetensors",
    ]
    done = subprocess.run(command, env=environment, cwd=tmp_path / "empty", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the same logits" in done.stdout
    assert any("resolve" in one and "adapter_model.safetensors" in one for one in running.requests)


def test_without_a_connection_the_cache_serves(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub() as server:
        at_hub(monkeypatch, server.address, tmp_path / "cache")
        push(adapter_directory(adapter), "me/fish", None, private=False)
        first = fetched("hf://me/fish")
    fetched.cache_clear()
    assert fetched("hf://me/fish") == first


def test_with_neither_a_connection_nor_a_cache_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hub(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")
    with pytest.raises(VisionLoraError, match="cannot be reached, and the cache has nothing"):
        fetched("hf://me/fish")


def test_a_hub_that_never_answers_ends_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionlora.hub.SECONDS", 1)
    with servers.rude(servers.silent) as address:
        at_hub(monkeypatch, f"http://{address}", tmp_path / "cache")
        with pytest.raises(VisionLoraError, match="the hub did not answer within 1 s"):
            fetched("hf://me/fish")


def test_what_is_no_adapter_on_the_hub_is_refused(
    running: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hub(monkeypatch, running.address, tmp_path / "cache")
    running.repositories["me/other"] = {"README.md": b"x", "model.py": b"raise SystemExit"}
    with pytest.raises(VisionLoraError, match=r"holds no adapter: it has no adapter_config.json"):
        fetched("hf://me/other")
    assert not list((tmp_path / "cache").rglob("model.py"))
    with pytest.raises(VisionLoraError, match="hf://me/nothing"):
        fetched("hf://me/nothing")


def test_a_full_disk_is_not_taken_for_the_connection(
    running: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    at_hub(monkeypatch, running.address, tmp_path / "cache")
    running.repositories["me/fish"] = {"README.md": b"x"}
    monkeypatch.setattr("huggingface_hub.snapshot_download", fails)
    with pytest.raises(MachineFault, match=r"cache cannot be written: No space left on device; free some"):
        fetched("hf://me/fish")


@pytest.mark.parametrize(
    "address", ["hf://", "hf://fish", "hf://me/..", "hf://../../etc", "hf://me/a b", "hf://a/b/c"]
)
def test_a_name_that_is_none_is_refused_before_anything_is_asked(address: str) -> None:
    with pytest.raises(VisionLoraError, match="is not a repository on a hub"):
        adapter_directory(address)


def test_a_directory_without_an_adapter_is_not_pushed(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match=r"has no adapter_config\.json"):
        push(tmp_path, "me/fish", None, private=False)


def test_what_a_link_leads_to_is_not_sent(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    card = adapter / "adapter" / "README.md"
    card.unlink()
    card.symlink_to(tmp_path / "key")
    with pytest.raises(VisionLoraError, match=r"README\.md is a link that leads out of the directory"):
        push(adapter / "adapter", "me/fish", None, private=False)


def test_the_licence_is_set_in_the_header_alone() -> None:
    card = with_licence(CARD + "license: unknown\n", "mit")
    assert card.count("license: mit") == 1
    assert card.count("license: unknown") == 1
