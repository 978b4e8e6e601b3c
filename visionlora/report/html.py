"""Parts of HTML pages that hold everything they show."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

from PIL import Image

from visionlora.data.images.decode import BadImage, open_image
from visionlora.text import printable


def text(value: object) -> str:
    """A name or message as text: nothing in it is markup, and control characters are escapes."""
    return escape(printable(value))


def path(value: str) -> str:
    """A path as text that may be broken after a slash."""
    return text(value).replace("/", "/<wbr>")


def styles(*names: str) -> str:
    """The content of CSS files of this package."""
    return "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)


def page(title: str, css: str, body: str, script: str = "") -> str:
    """A whole page; nothing in it but ``script`` may be run or loaded, whatever its texts hold.

    Args:
        title: as HTML.
        css: its styles.
        body: as HTML.
        script: of our own; the page's policy allows this text alone, by its hash.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
        body += f"<script>{script}</script>"
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv=Content-Security-Policy content="{policy}">'
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{css}</style></head><body><main>{body}</main></body></html>\n"
    )


def table(head: Iterable[str], rows: str, kind: str = "numbers") -> str:
    """A table, which scrolls where the page is too narrow for it.

    Args:
        head: the names of the columns, as text; none: there is no such row.
        rows: as HTML.
        kind: its CSS class.
    """
    names = "".join(f"<th>{text(name)}</th>" for name in head)
    first = f"<tr>{names}</tr>" if names else ""
    return f"<div class=scroll tabindex=0><table class='{kind}'>{first}{rows}</table></div>"


def frame(uri: str | None) -> str:
    """An image in a square, or the words that there is none."""
    if uri is None:
        return "<div class='frame none'>no image</div>"
    return f"<div class=frame><img src='{uri}' alt=''></div>"


def data_uri(image: Image.Image) -> str:
    """The image itself as an address."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def thumbnails(paths: Iterable[Path], side: int) -> dict[Path, str]:
    """Path -> a data URI of at most twice ``side`` pixels; without those that cannot be read."""
    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(8) as threads:
        made = threads.map(lambda one: _thumbnail(one, side), wanted)
        return {one: uri for one, uri in zip(wanted, made, strict=True) if uri}


def _thumbnail(file: Path, side: int) -> str | None:
    try:
        image = open_image(file, shorter_side=side)
    except BadImage:
        return None
    image.thumbnail((side * 2, side * 2), Image.Resampling.LANCZOS)  # twice, for fine screens
    return data_uri(image)
