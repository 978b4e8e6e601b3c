"""Where the files that ship with the project lie: in the checkout, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent


def shipped(relative: str) -> Path:
    """The absolute path of ``conf/...`` or ``data/...`` as shipped, wherever the package is installed."""
    return _SHIPPED / relative
