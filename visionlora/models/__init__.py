"""Pretrained networks: registry, weight files, class names, preprocessing and heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visionlora.lazy import names_of_api

if TYPE_CHECKING:
    from visionlora.models.api import *  # noqa: F403

__getattr__, __dir__ = names_of_api(__name__)
