"""What a refusal of convert, merge, export and combine advises works on the same adapter."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.adapters.networks import perturb
from tests.conftest import Command
from visionlora.adapters import LoraConfig, attach
from visionlora.models import apply_head, final_layer, load_backbone
from visionlora.models.adapter_files import write_directory
from visionlora.models.expand import expand
from visionlora.models.quantise import quantise_base
from visionlora.models.restore import restore

CODE = """
from torch import nn
class Net(nn.Module):
    def __init__(self, several_places):
        super().__init__()
        self.first, self.middle, self.norm = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6)
        self.last, self.head = nn.Conv2d(6, 6, 3), nn.Linear(6, 5)
        if several_places:
            self.last = self.middle
        else:
            self.last.weight = self.middle.weight
    def forward(self, x):
        return self.head(self.norm(self.last(self.middle(self.first(x)))).mean((2, 3)))
def tied(num_classes=5):
    return Net(False)
def shared(num_classes=5):
    return Net(True)
def odd(num_classes=5):
    convolutions = (
        nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular"), nn.Conv2d(6, 6, 3, groups=3),
        nn.ConvTranspose2d(6, 6, 2), nn.Conv2d(6, 6, (1, 3)),
    )
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))
"""

WEIGHTS = ("lora", "boft", "ia3", "glora", "full")
MODULES = ("conv_adapter", "cross_group", "visual_prompt")
CASES: dict[str, dict[str, Any]] = {
    "full, several labels": {"family": "full", "head": "new", "several": True},
    "glora on nf4": {"family": "glora", "scheme": "nf4"},
    "dora": {"family": "dora"},
    "tied weights": {"network": "tied", "family": "full"},
    **{
        f"{family}, {head}": {"family": family, "head": head}
        for family in (*WEIGHTS, *MODULES, "bias")
        for head in ("keep", "extend")
    },
    "conv_adapter beside lora": {"family": ["lora", "conv_adapter"], "head": "extend"},
    "lora, several labels": {"family": "lora", "head": "new", "several": True},
    "conv_adapter, several labels": {"family": "conv_adapter", "head": "new", "several": True},
    "full on nf4": {"family": "full", "scheme": "nf4"},
    "full on int8 with new outputs": {"family": "full", "scheme": "int8", "head": "extend"},
    "conv_adapter on nf4": {"family": "conv_adapter", "scheme": "nf4"},
    "new blocks": {"family": "lora", "head": "extend", "blocks": 1},
    "a layer in two places": {"network": "shared", "family": "lora"},
    "conv_adapter in two places": {"network": "shared", "family": "conv_adapter", "targets": "conv"},
    "norms": {"network": "tied", "family": "lora", "train_norms": True},
    "other layers": {"network": "odd", "family": "lora"},
    "other layers, whole": {"network": "odd", "family": "full", "head": "new"},
}
QUICK = list(CASES)[:4]
CONVERSIONS = {"peft": "FOLDER", "lycoris": "a.safetensors", "loralib": "a.pt"}
COMMANDS = {
    **{to: ["convert", f"to={to}", f"output={output}"] for to, output in CONVERSIONS.items()},
    "merge": ["merge", "output=merged.safetensors"],
    "export": ["export", "output=weights.safetensors", "images=images"],
    "combine": ["combine", "rank=2", "output=combined"],
}
ADVISED = r"visionlora (?:merge|export|combine)(?: (?:'[^']+'|[\w.]+=[^\s,;()]+))+"
_KEY = {"convert": "from", "combine": "adapters"}


def write_adapter(
    folder: Path, network: str = "pocket", head: str = "keep", several: bool = False,
    scheme: str | None = None, blocks: int = 0, **settings: Any,
) -> str | None:  # fmt: skip
    """An adapter directory; the network's name where a command has to be told it."""
    torch.manual_seed(0)
    name = network if network == "pocket" else f"nets_of_alternatives:{network}"
    backbone = load_backbone(name, "imagenet" if network == "pocket" else "none")
    if blocks:
        expand(backbone.model, blocks)
    classes = {"keep": backbone.categories[:1], "extend": ("martian",), "new": ("x", "y")}[head]
    chosen = apply_head(backbone, head, classes, several)
    extra: dict[str, Any] = {}
    if scheme is not None:
        last = chosen.layer or final_layer(backbone.model, len(chosen.outputs))
        base = quantise_base(backbone.model, scheme, ("first", "head"), last, 64, trained=chosen.trained)
        extra["quantise"] = {"scheme": scheme, "skip": ["first", "head"]}
        assert base.in_words()
    if several:
        extra |= {"task": "multi_label", "thresholds": dict.fromkeys(chosen.outputs, 0.5)}
    options = {"size": 128} if settings["family"] == "visual_prompt" else {}
    config = LoraConfig(rank=2, options=options, **settings)
    attach(backbone.model, config, trained_whole=chosen.trained)
    perturb(backbone.model, 0.02)
    if blocks:
        extra["expand"] = ["features.12"]
    write_directory(folder, backbone.model, backbone, chosen, classes, extra)
    return None if network == "pocket" else name


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks that code makes, and a few images."""
    (tmp_path / "nets_of_alternatives.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "images").mkdir()
    for number in range(2):
        Image.effect_noise((140, 130), 90).convert("RGB").save(tmp_path / "images" / f"{number}.png")
    yield
    sys.modules.pop("nets_of_alternatives", None)


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_what_a_refusal_advises_works_on_the_same_adapter(
    case: str, command: Command, tmp_path: Path
) -> None:
    name = write_adapter(tmp_path / "adapter", **CASES[case])
    given = [] if name is None else [f"model={name}"]
    done: set[str] = set()
    refused = 0
    for kind, words in COMMANDS.items():
        source = f"{_KEY.get(words[0], 'adapter')}=adapter"
        left = command(words[0], source, *words[1:], *given)
        assert left.code in (0, 2), left.err
        if left.code == 0:
            continue
        refused += 1
        said = " ".join(left.err.split())
        for advised in re.findall(ADVISED, said):
            if advised not in done:
                images = ["images=images"] if " export " in advised else []
                ran = command(*shlex.split(advised)[1:], *images)
                assert ran.code == 0, f"{said} -- {advised}: {ran.err}"
                done.add(advised)
        if "use to=peft" in said:
            ran = command("convert", "from=adapter", "to=peft", f"output=peft_of_{kind}", *given)
            assert ran.code == 0, f"{said}: {ran.err}"
        if "from=LOW_RANK" in said:
            again = [*words[1:-1], f"output=again_{kind}_{CONVERSIONS[kind]}"]
            assert command("convert", "from=LOW_RANK", *again, *given).code == 0, said
        if kind != "combine":
            assert re.search(r"use visionlora|then visionlora|use to=peft|\.pt2 or \.onnx", said), said
    assert refused or case in ("lora, keep", "ia3, keep", "bias, keep")


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize(
    "words",
    [("merge", "adapter=adapter"), ("merge", "adapter=[adapter,adapter]"), ("combine", "adapters=[adapter]")],
)
def test_code_that_an_adapter_names_is_not_run(
    words: tuple[str, str], command: Command, tmp_path: Path
) -> None:
    name = write_adapter(tmp_path / "adapter", network="odd", family="lora")
    sys.modules.pop("nets_of_alternatives")
    output = "output=merged.safetensors" if words[0] == "merge" else "output=combined"
    left = command(*words, output)
    assert left.code == 2 and f"to run it, add model='{name}'" in left.err
    assert "nets_of_alternatives" not in sys.modules
    assert command(*words, output, f"model={name}").code == 0


@pytest.mark.usefixtures("nets")
def test_merged_weights_of_ones_own_network_with_a_new_head_load_again(
    command: Command, tmp_path: Path
) -> None:
    name = write_adapter(tmp_path / "adapter", network="odd", family="lora", head="new")
    left = command("merge", "adapter=adapter", "output=merged.safetensors", f"model={name}")
    assert left.code == 0 and "() with 2 outputs in its last layer" in " ".join(left.out.split())
    x = torch.randn(2, 3, 8, 8)
    again = load_backbone(str(name), str(tmp_path / "merged.safetensors"))
    assert again.categories == ("x", "y")
    with torch.no_grad():
        torch.testing.assert_close(again.model(x), restore(tmp_path / "adapter", name).network(x))
