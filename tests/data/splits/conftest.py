from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def no_copies() -> Iterator[None]:
    """The images are not there, so none is compared with others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("visionlora.data.splits.divide.same_images", lambda paths: {})
        yield
