"""timm's networks (Wightman 2019, https://github.com/huggingface/pytorch-image-models): ``timm/NAME``.

Their published weights are read by our own reader, so that no pickled code runs and no download hangs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.models.classes import imagenet_wnids
from visionlora.models.metadata import WeightsMetadata
from visionlora.models.registry import EmptyOnMeta, imagenet_categories
from visionlora.text import brief

PREFIX = "timm/"
FILE = "model.safetensors"
_EXTRA = "pip install 'visionlora[timm]'"


def is_timm(name: str) -> bool:
    """Whether a network's name is one of timm's."""
    return name.startswith(PREFIX)


def check_timm_name(name: str) -> None:
    """Check that timm is there and has the network.

    Raises:
        VisionLoraError: it is not, or has no such network or weights of that tag.
    """
    timm = _timm()
    wanted = name.removeprefix(PREFIX)
    architecture, _, tag = wanted.partition(".")
    known = timm.list_models()
    if architecture not in known:
        close = [f"model=timm/{one}" for one in get_close_matches(architecture, known, n=3, cutoff=0.6)]
        hint = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() names them all"
        raise VisionLoraError(f"model {brief(name)} is not a network of timm; {hint}")
    if tag and _config(name) is None:
        tags = [one.partition(".")[2] for one in timm.list_pretrained(f"{architecture}.*")]
        raise VisionLoraError(f"model {name}: timm has no weights with that tag; there are {', '.join(tags)}")


def describe(name: str) -> WeightsMetadata:
    """Names and WordNet ids of the outputs of a network's weights, and their preprocessing."""
    config = _require_config(name)
    names, wnids = _outputs(config)
    return WeightsMetadata(names, wnids, _preprocessing(config))


def build(name: str, outputs: int, *, seed: int | None) -> nn.Module:
    """A network in eval mode.

    Args:
        name: ``timm/NAME``.
        outputs: how many it has.
        seed: of its random weights; None: they are on the meta device, to be filled from a file.
    """
    timm, plain = _timm(), name.removeprefix(PREFIX)
    if seed is None:
        with EmptyOnMeta():
            return timm.create_model(plain, pretrained=False, num_classes=outputs).eval()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return timm.create_model(plain, pretrained=False, num_classes=outputs).eval()


def published(name: str) -> tuple[Path | None, str, str]:
    """Where a network's published weights are: in the cache of huggingface_hub, or at an address.

    Returns:
        The cached file, None where there is none; the address; the name of a file to download to.

    Raises:
        VisionLoraError: timm has no weights of this network.
    """
    config = _require_config(name)
    file_name = f"timm-{config.architecture}.{config.tag or 'default'}"
    if config.hf_hub_id:
        from huggingface_hub import hf_hub_url, try_to_load_from_cache

        cached = try_to_load_from_cache(config.hf_hub_id, FILE)
        return (
            Path(cached) if isinstance(cached, str) else None,
            hf_hub_url(config.hf_hub_id, FILE),
            f"{file_name}.safetensors",
        )
    if not config.url:
        raise VisionLoraError(f"model {name}: timm has no weights of it; use model.weights=FILE or none")
    return None, config.url, f"{file_name}{Path(config.url).suffix}"


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise VisionLoraError(f"model: timm's networks need the package timm; {_EXTRA}") from error
    return timm


def _config(name: str) -> Any:
    with contextlib.suppress(Exception):  # timm raises RuntimeError or ValueError, by version
        return _timm().get_pretrained_cfg(name.removeprefix(PREFIX), allow_unregistered=False)
    return None


def _require_config(name: str) -> Any:
    config = _config(name)
    if config is None:
        raise VisionLoraError(f"model {name}: timm describes no weights of it; name a tag, as timm/NAME.TAG")
    return config


def _preprocessing(config: Any) -> Preprocessing:
    from timm.data import resolve_data_config

    values: Mapping[str, Any] = resolve_data_config(pretrained_cfg=config.to_dict())
    side = values["input_size"][-1]
    # "random" is timm's word for either in training; it evaluates with bicubic then.
    interpolation = "bilinear" if values["interpolation"] == "bilinear" else "bicubic"
    return Preprocessing(
        int(side / values["crop_pct"]), side, tuple(values["mean"]), tuple(values["std"]), interpolation
    )


def _outputs(config: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names, WordNet ids) of the outputs of a network's weights."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    count = config.num_classes
    if count == 1000:
        return imagenet_categories("resnet18"), imagenet_wnids()
    subset = infer_imagenet_subset(config)
    if subset is None:
        return tuple(f"class {number}" for number in range(count)), ("",) * count
    info = ImageNetInfo(subset)
    wnids = tuple(info.label_names())
    return tuple(info.label_name_to_description(one).split(",")[0] for one in wnids), wnids
