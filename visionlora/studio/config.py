"""Options of ``visionlora studio``."""

from __future__ import annotations

from dataclasses import dataclass

from visionlora.options import Section, option


@dataclass(frozen=True, kw_only=True)
class StudioOptions(Section):
    """Where the page is served, and what it may be given."""

    folder: str = option("outputs/studio", "where images, runs and adapters are kept", path=True)
    host: str = option(
        "127.0.0.1", "address to listen on; beyond this machine a token is needed", free="an address"
    )
    port: int = option(7860, "port to listen on; 0: any that is free", at_least=0, at_most=65535)
    token: str | None = option(
        None, "password of the page; null: none on this machine, for any other host one is made and shown",
        free="a token",
    )  # fmt: skip
    open: bool = option(True, "whether the page is opened in the browser")
    upload_mb: float = option(1024, "megabytes that one upload may have", above=0, at_most=1e6)
    images: int = option(5000, "images that a project may have", at_least=1, at_most=1_000_000)
