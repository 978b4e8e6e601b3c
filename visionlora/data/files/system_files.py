"""The names of files and folders that file managers, NAS boxes, cameras and notebooks leave."""

from __future__ import annotations

import re

_SYSTEM_FILES = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "recycler",
        "windowsimagebackup", "_vti_cnf", "_vti_pvt",  # Windows
        "__macosx", "icon\r", "network trash folder", "temporary items",  # macOS; the rest has a dot in front
        "#recycle", "#snapshot", "~snapshot", "picasaoriginals", "originalimages",  # NAS boxes, Picasa
        "[originals]",  # ACDSee
        "lost.dir", "eosmisc", "canonmsc", "ipod photo cache", "resource.frk",  # telephones, cameras, Macs
        "captureone", "bridgecache", "_thumbs", "_gsdata_", "onedrivetemp",
        "lost+found", "__pycache__", "lightning_logs", "tb_logs", "wandb", "mlruns", "node_modules",
        "site-packages", "venv",
    }
)  # fmt: skip
_SYSTEM_PATTERN = re.compile(
    r"@(__|ea|syno|tmp|recycle|recently|sharebin|transcode|download|app|gmt-).*"  # Synology, QNAP, Samba
    r"|albumart(_\{.*\}_(large|small)|small)\.jpg"  # Windows Media Player
    r"|synophoto.*|found\.\d{3}|.*\.(photoslibrary|aplibrary|lrdata|lrcat-data)",
    re.IGNORECASE,
)


def is_system_file(name: str) -> bool:
    """Whether a system writes files or folders of this name by itself (``.DS_Store``, ``Thumbs.db``)."""
    if name.startswith("."):
        return not name.endswith(".icloud")  # .photo.jpg.icloud stands for an image
    return name.casefold() in _SYSTEM_FILES or bool(_SYSTEM_PATTERN.fullmatch(name))
