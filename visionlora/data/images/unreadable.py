"""Why a file that should be an image cannot be used, in words."""

from __future__ import annotations

import struct
from collections.abc import Collection
from pathlib import Path

from PIL import Image

from visionlora.data.files.formats import FORMATS, LFS, UNREAD_KINDS, sniff
from visionlora.data.images.tiff import channels_of

MISSING = "no such file"
_FOLDER = "a folder, not an image"
_NOT_PERMITTED = "no permission to read it"
ADVICE = {
    MISSING: "check the path", _FOLDER: "give the images in it", _NOT_PERMITTED: "change its permissions",
    f"{LFS}, not an image": "run git lfs pull, which fetches the images",
}  # fmt: skip
"""What to do about a file, by why it cannot be used; about all others: repair or remove it."""
_HEAD = 2**16
"""Bytes in which the frame of a JPEG begins, and in which one is looked for behind other bytes."""
_TGA_END = b"TRUEVISION-XFILE.\0"
_FRAMES = {
    0xC3: "a lossless JPEG", 0xC5: "a hierarchical JPEG", 0xC6: "a hierarchical JPEG",
    0xC7: "a lossless JPEG", 0xCB: "a lossless JPEG", 0xCD: "a hierarchical JPEG",
    0xCE: "a hierarchical JPEG", 0xCF: "a lossless JPEG",
}  # fmt: skip
"""The mark of the frame of a JPEG of a kind that nobody but scanners and cameras writes -> what it is."""
_SAVE = "not of a kind that is read; save it as PNG"


def advice_for(reasons: Collection[str]) -> str:
    """What to do about files that cannot be used for these reasons."""
    known = {ADVICE.get(one, "") for one in reasons}
    alike = known.pop() if len(known) == 1 else ""
    return alike or f"repair or remove {'it' if len(reasons) == 1 else 'them'}"


def reason(path: Path, error: Exception) -> str:
    """Why ``path`` cannot be used, where reading it ended in ``error``."""
    if isinstance(error, FileNotFoundError):
        if not path.is_symlink():
            return MISSING
        annex = ": git annex get fetches it" if "/annex/objects/" in str(path.readlink()) else ""
        return f"a link to a file that is not there{annex}"
    if isinstance(error, PermissionError):
        return _NOT_PERMITTED
    if isinstance(error, IsADirectoryError):
        return _FOLDER
    if isinstance(error, OSError) and error.errno is not None:
        return "a link to itself" if path.is_symlink() else (error.strerror or str(error)).lower()
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    head = _head(path)
    kind = None if head is None else sniff(head[:256]) if head else ""
    message = " ".join(str(error).split())
    if kind == "JPEG" and (frame := _frame(head or b"")):
        return f"{frame}, {_SAVE}"
    if isinstance(error, Image.UnidentifiedImageError):
        return _unidentified(kind, path, head or b"")
    if "decoder object" in message:
        message = "damaged or truncated"
    if isinstance(error, Image.DecompressionBombError):
        message = message.partition(", could be")[0]
    elif not (isinstance(error, (OSError, ValueError)) and message):
        message = f"damaged ({type(error).__name__}: {message})"
    return f"{kind}: {message}" if kind in FORMATS else message


def _head(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return None


def _unidentified(kind: str | None, path: Path, head: bytes) -> str:
    if kind == "":
        return "an empty file (a cloud's placeholder, or an interrupted copy?)"
    if kind == "TIFF" and (channels := channels_of(path)):
        return f"a damaged TIFF, or of a kind that is not read: {channels}; save three channels of it as PNG"
    if kind in FORMATS:
        return f"a damaged {kind}"
    if kind == "HEIF":
        return "HEIC, which pip install 'visionlora[heic]' reads"
    if kind in ("AVIF", "JPEG2000"):
        return f"{kind}, which the installed Pillow does not read"
    if kind in UNREAD_KINDS:
        return f"{kind}, not an image of a kind that is read; save it as PNG"
    if kind in (None, "a text file", "a web page (a download that failed?)") and (inside := _behind(head)):
        return inside
    if kind is None and _is_tga(path):
        return "a TGA image of another name; let its name end in .tga"
    if not kind:
        return "not an image, or a damaged one"
    return kind if kind.startswith("an image") else f"{kind}, not an image"


def _frame(head: bytes) -> str | None:
    """What kind of JPEG it is, where it is none of the usual ones: eight bits, baseline or progressive."""
    place = 2
    try:
        while head[place] == 0xFF:
            mark = head[place + 1]
            if mark in _FRAMES:
                return _FRAMES[mark]
            (length,) = struct.unpack_from(">H", head, place + 2)
            if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
                bits = head[place + 4]
                return None if bits == 8 else f"a JPEG of {bits} bits a channel"
            place += 2 + length
    except (IndexError, struct.error):
        pass
    return None


def _behind(head: bytes) -> str | None:
    """That an image begins behind other bytes: a server's headers or warnings, or another program's."""
    for mark, name in ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF89a", "GIF")):
        place = head.find(mark)
        if place > 0:
            return f"a {name} behind {place} bytes of something else; remove those, or load it again"
    return None


def _is_tga(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-26, 2)
            return file.read()[8:] == _TGA_END
    except OSError:
        return False
