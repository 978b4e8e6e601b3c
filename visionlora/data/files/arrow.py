"""The commands that unpack a data set of Hugging Face whose images are in Arrow or Parquet files."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

_TABLES = (".parquet", ".arrow", ".feather")
_CODE = (
    "import datasets as D, os; "
    '[(f := os.path.join("unpacked", s, d.features[c].int2str(r[c]).replace("/", "_")), '
    'os.makedirs(f, exist_ok=True), r[i].convert("RGB").save(f"{{f}}/{{n}}.png")) for s, d in {read}.items() '
    "for i, c in [[next(k for k, v in d.features.items() if isinstance(v, t)) for t in (D.Image, "
    "D.ClassLabel)]] for n, r in enumerate(d)]"
)
"""Each image as PNG into ``unpacked/<split>/<class>``."""


def unpacked_by(root: Path, files: Iterable[Path] = ()) -> str | None:
    """The commands that unpack a folder or file of Arrow or Parquet; None: it is neither.

    Args:
        root: the folder or the file.
        files: the files in the folder, at any depth.
    """
    names = {path.name for path in files} | {root.name}
    if not any(name.casefold().endswith(_TABLES) for name in names):
        return None
    where = '"{}"'.format(str(root).replace("\\", "\\\\").replace('"', '\\"'))
    if "dataset_dict.json" in names:
        read = f"D.load_from_disk({where})"
    elif "state.json" in names:
        read = f'{{"train": D.load_from_disk({where})}}'
    elif root.suffix.casefold() in _TABLES:
        kind = "parquet" if root.suffix.casefold() == ".parquet" else "arrow"
        read = f'D.load_dataset("{kind}", data_files={where})'
    else:
        read = f"D.load_dataset({where})"
    code = shlex.quote(_CODE.format(read=read))
    return f"pip install datasets; python -c {code}; and then data.root=unpacked"
