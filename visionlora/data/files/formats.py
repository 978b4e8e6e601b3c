"""Which kinds of file are images, by their suffix and by their first bytes, and which may be tables."""

from __future__ import annotations

import importlib.util
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import features

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".pjpeg", ".pjp"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
TGA = (".tga", ".vda", ".icb", ".vst")
"""Suffixes of the one format that is read by its suffix: its files begin with no mark."""
_OPTIONAL = {
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}

if features.check("jpg_2000"):
    _SUFFIXES["JPEG2000"] = _OPTIONAL["JPEG2000"]
if features.check("avif"):
    _SUFFIXES["AVIF"] = _OPTIONAL["AVIF"]
if importlib.util.find_spec("pillow_heif"):
    import pillow_heif

    pillow_heif.register_heif_opener()
    _SUFFIXES["HEIF"] = _OPTIONAL["HEIF"]

FORMATS = tuple(_SUFFIXES)
"""Pillow's names of the formats that are read. Everything else that Pillow can open (EPS runs Ghostscript)
stays out, whatever the file is called."""

SUFFIXES = frozenset((*TGA, *(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)))

TABLE_SUFFIXES = (
    ".csv", ".tsv", ".tab", ".txt", ".lst", ".jsonl", ".ndjson", ".json", ".labels", ".manifest",
)  # fmt: skip
"""Of files that may list images and their labels."""

AS_TEXT = "an image that was copied as text (a file transfer or an editor did that: copy it as binary)"
LFS = "a Git LFS pointer"
IDX, PICKLE = "an IDX file of arrays (MNIST's)", "a Python pickle"
_MAGIC = (
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00\x10\x00\x00\x00CR", "a camera raw file"),
    (b"IIU\x00", "a camera raw file"),
    (b"IIRO", "a camera raw file"),
    (b"FUJIFILMCCD-RAW", "a camera raw file"),
    (b"FOVb", "a camera raw file"),
    (b"\x00MRM", "a camera raw file"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\x89PNG\n", AS_TEXT),
    (b"\x89PNG\r\r", AS_TEXT),
    (b"\xef\xbf\xbd\xef\xbf\xbd\xef", AS_TEXT),
    (b"\xef\xbf\xbdPNG", AS_TEXT),
    (b"\xc3\xbf\xc3\x98\xc3\xbf", AS_TEXT),
    (b"\xc2\x89PNG", AS_TEXT),
    (b"data:image/", "an image written as text (base64)"),
    (b"/9j/", "an image written as text (base64)"),
    (b"iVBORw0KGgo", "an image written as text (base64)"),
    (b"/annex/objects/", "a git-annex pointer (git annex get fetches the image)"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"SIMPLE  =", "FITS"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
    (b"\x8aMNG", "MNG"),
    (b"gimp xcf", "a GIMP file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"Salted__", "an encrypted file"),
    (b"-----BEGIN PGP", "an encrypted file"),
    (b"age-encryption", "an encrypted file"),
    (b"book\x00\x00\x00\x00mark", "an alias of macOS (copy what it leads to)"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"Rar!", "a rar archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x00\x00\x02\x00\x01\x00", "an icon"),
    (b"icns", "an icon"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"\x01\xda\x00\x01", "an SGI image"),
    (b"\x01\xda\x01\x01", "an SGI image"),
    (b"\x0a\x05\x01", "a PCX image"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\x01\x00\x00\x00\x6c\x00\x00\x00", "a drawing of Windows (EMF)"),
    (b"\xd7\xcd\xc6\x9a", "a drawing of Windows (WMF)"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"\x00\x00\x01\xba", "a video"),
    (b"FLV\x01", "a video"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound"),
    (b"fLaC", "a sound"),
    (b"MZ", "a program of Windows"),
    (b"\x7fELF", "a program"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"version https://git-lfs", LFS),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"qoif", "a QOI file"),
    (b"DDS ", "a DDS texture"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x00\x00\x08\x01", IDX),
    (b"\x00\x00\x08\x03", IDX),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"\x00\x05\x16\x07", "what macOS writes beside a file (AppleDouble)"),
    (b"bplist00", "a property list of macOS"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "a shortcut of Windows"),
)
UNREAD_KINDS = (
    "JPEG XL", "JPEG-LS", "OpenEXR", "Radiance HDR", "FITS", "FLIF", "BPG", "MNG", "a QOI file",
    "a DDS texture", "an icon", "JPEG XR", "an SGI image", "a PCX image", "a TGA image",
)  # fmt: skip
"""Of what :func:`sniff` may say, what shows something but is not read."""
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIF",
    b"heix": "HEIF",
    b"heim": "HEIF",
    b"heis": "HEIF",
    b"hevx": "HEIF",
    b"mif1": "HEIF",
    b"mif2": "HEIF",
    b"msf1": "HEIF",
    b"hevc": "HEIF",
    b"crx ": "a camera raw file",
}


_BLANKS = b"\xef\xbb\xbf \t\r\n\x00"


def is_image_name(text: str) -> bool:
    """Whether a text, of a table say, names an image file by its suffix; either slash parts folders."""
    text = text.partition("?")[0] if "://" in text else text
    return Path(text.replace("\\", "/")).suffix.casefold() in SUFFIXES


def sniff(head: bytes) -> str | None:
    """What a file is by its first 256 bytes: a format name of Pillow's, or a description; None: unknown."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return "WEBP" if head[8:12] == b"WEBP" else "a sound or video file"
    if head[128:132] == b"DICM":
        return "a DICOM scan"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a video")
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    if head and not head.strip(b"\x00"):
        return "a file of zeros (an interrupted copy?)"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page (a download that failed?)"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "an SVG drawing"
    if start.startswith((b"<?xml", b"{", b"<")):
        return "a text file"
    try:
        text = head[:-3].decode("utf-8") if len(head) > 3 else head.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return (
        "a text file" if text and all(letter.isprintable() or letter.isspace() for letter in text) else None
    )


def without_leading_bytes(content: bytes) -> bytes | None:
    """A JPEG or PNG without the blanks, zeros and marks of byte order that a script has written in front of
    it; None: there are none, or what follows is neither."""
    start = content.lstrip(_BLANKS)
    found = len(start) < len(content) and start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
    return start if found else None


def without_metadata(content: bytes) -> bytes | None:
    """The same PNG or JPEG without the metadata, which cannot be parsed; None for other formats."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return content[:8] + b"".join(_png_pixels(content))
        if content.startswith(b"\xff\xd8"):
            return _jpeg_pixels(content)
    except (struct.error, IndexError):
        pass
    return None


def _png_pixels(content: bytes) -> Iterator[bytes]:
    # A chunk is length, kind, data, checksum; a kind in lower case may be ignored (PNG specification, 5.4),
    # and of those only transparency changes the pixels.
    place = 8
    while place + 8 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        end = place + 12 + length
        kind, chunk = content[place + 4 : place + 8], content[place:end]
        sound = len(chunk) == 12 + length and zlib.crc32(chunk[4:-4]) == struct.unpack(">I", chunk[-4:])[0]
        if kind[0:1].isupper() or (kind == b"tRNS" and sound):
            yield chunk
        place = end


def _jpeg_pixels(content: bytes) -> bytes:
    # Segments up to the first scan; of the application's own (APP1 to APP15, comments) only Adobe's APP14
    # changes the colours.
    kept = [content[:2]]
    place = 2
    while content[place] == 0xFF and content[place + 1] != 0xDA:
        marker = content[place + 1]
        if marker == 0xFF:  # fill
            place += 1
            continue
        (length,) = struct.unpack(">H", content[place + 2 : place + 4])
        end = place + 2 + length
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(content[place:end])
        place = end
    return b"".join(kept) + content[place:]
