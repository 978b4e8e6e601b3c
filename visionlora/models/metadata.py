"""Metadata of weights: names of the outputs, WordNet ids and preprocessing.

A safetensors file can hold it as JSON under four metadata keys: ``categories`` (a list of names), ``wnids``
(a list of WordNet ids, "" where there is none), ``preprocessing`` (an object with the fields of
:class:`Preprocessing`) and, where the outputs are labels of which an image may have several, ``thresholds``
(a list of probabilities: the sigmoid of an output above which an image has the label). Every key is optional.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import WeightFileError
from visionlora.models import registry as networks
from visionlora.models.classes import imagenet_wnids


@dataclass(frozen=True)
class WeightsMetadata:
    """Names and WordNet ids of the outputs, in order, and the preprocessing; of labels the thresholds."""

    categories: tuple[str, ...]
    wnids: tuple[str, ...]
    preprocessing: Preprocessing
    thresholds: tuple[float, ...] = ()

    @classmethod
    def of_imagenet(cls, network: str) -> WeightsMetadata:
        """The metadata of a torchvision network's default ImageNet weights."""
        return cls(
            networks.imagenet_categories(network), imagenet_wnids(), networks.default_preprocessing(network)
        )

    def with_outputs(self, outputs: int) -> WeightsMetadata:
        """Itself if the number of outputs fits, otherwise generic names ("class 0", ...)."""
        if outputs == len(self.categories):
            return self
        return replace(self, categories=tuple(f"class {i}" for i in range(outputs)), wnids=("",) * outputs)

    def updated(self, metadata: Mapping[str, str], source: str) -> WeightsMetadata:
        """A copy with the values that a safetensors file's metadata gives.

        Raises:
            WeightFileError: an entry is unreadable, or a list has not one entry for each output.
        """
        changes: dict[str, Any] = {}
        for key in ("categories", "wnids", "preprocessing", "thresholds"):
            if key in metadata:
                changes[key] = _parse(key, metadata[key], source)
        if "categories" in changes:
            changes.setdefault("wnids", ("",) * len(self.categories))
        for key in changes.keys() & {"categories", "wnids", "thresholds"}:
            if len(changes[key]) != len(self.categories):
                raise WeightFileError(
                    f"{source} has {len(self.categories)} outputs, but its metadata lists "
                    f"{len(changes[key])} {key}; write one for each output"
                )
        return replace(self, **changes)

    def as_text(self) -> dict[str, str]:
        """The metadata for ``safetensors.torch.save_file``; :meth:`updated` reads it."""
        return {
            "categories": json.dumps(self.categories),
            "wnids": json.dumps(self.wnids),
            "preprocessing": json.dumps(asdict(self.preprocessing)),
            **({"thresholds": json.dumps(self.thresholds)} if self.thresholds else {}),
        }


def _parse(key: str, text: str, source: str) -> Any:
    try:
        value = json.loads(text)
        if key == "thresholds":
            if not isinstance(value, list) or not all(isinstance(item, float) for item in value):
                raise ValueError("not a list of numbers")
            return tuple(value)
        if key != "preprocessing":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise ValueError("not a list of strings")
            return tuple(value)
        return Preprocessing.read(value)
    except (ValueError, RecursionError) as error:
        raise WeightFileError(
            f"the metadata of {source} has an unreadable '{key}': {error}; correct or remove it"
        ) from error
