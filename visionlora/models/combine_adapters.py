"""Arithmetic on adapter directories, and an adapter of a full fine-tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text
from torch import Tensor, nn

from visionlora.adapters import LoraError, detach
from visionlora.adapters.collect_updates import Kept, attach_updates, collect_updates
from visionlora.adapters.combine import Update, combine
from visionlora.adapters.full_fine_tune import extract_tuned
from visionlora.adapters.replaced_tensors import interpolated, replace_tensors
from visionlora.errors import VisionLoraError
from visionlora.models import apply_head, load_backbone
from visionlora.models.adapter_files import require_new_folder, write_directory
from visionlora.models.arithmetic_config import CombineConfig, ExtractConfig
from visionlora.models.restore import unchanged_head
from visionlora.models.several_adapters import Loaded, join_heads, load_all
from visionlora.plain_table import plain_table
from visionlora.text import counted, listed, printable

SHOWN = 20
"""Layers of the table: those that lose the most."""


def combine_adapters(options: CombineConfig, console: Console | None = None) -> Path:
    """Write one adapter that holds the combination of several.

    Raises:
        VisionLoraError: the output cannot be written, or the adapters cannot be combined; before anything is
            written.
    """
    folder, console = require_new_folder(options.output), console or Console()
    shares = list(options.weights or [1.0] * len(options.adapters))
    backbone, loaded = load_all(options.adapters, options.model, options.base, option="base")
    network = backbone.model
    updates = combine(
        [_updates_of(network, one) for one in loaded],
        options.method,
        shares,
        density=options.density,
        seed=options.seed,
    )
    if not updates:
        raise VisionLoraError(
            "adapters: there is nothing to combine or compress: no layer has an update, and new outputs are "
            "kept as they are"
        )
    whole = _whole(network.state_dict(), loaded, options.method, shares)
    detach(network)
    kept = attach_updates(network, updates, options.rank)
    signs = [
        share if place == 0 or options.method != "subtract" else -share for place, share in enumerate(shares)
    ]
    head, classes = join_heads(backbone, loaded, signs)
    replace_tensors(network, whole)
    about = {
        "adapters": [str(one.directory) for one in loaded],
        "weights": shares,
        "method": options.method,
        "density": options.density,
        "seed": options.seed,
        "rank": options.rank,
        "energy": {name: one.energy for name, one in kept.items()},
    }
    write_directory(folder, network, backbone, head, classes, {"combined": about})
    _report(console, folder, kept, f"{options.method} of {counted(len(loaded), 'adapter')}")
    return folder


def extract_adapter(options: ExtractConfig, console: Console | None = None) -> Path:
    """Write an adapter that makes of the base network what a full fine-tune of it is.

    Raises:
        VisionLoraError: the output cannot be written, or the two are not one architecture.
    """
    folder, console = require_new_folder(options.output), console or Console()
    tuned = load_backbone(options.model, options.tuned, option="tuned")
    base = load_backbone(tuned.name, options.base, option="base")
    head = unchanged_head(base)
    classes: tuple[str, ...] = ()
    if len(tuned.categories) != len(base.categories):
        classes = tuned.categories
        head = apply_head(base, "new", classes)
    rank = None if options.rank == "full" else int(options.rank)
    found = extract_tuned(base.model, tuned.model, rank, trained_whole=head.trained)
    energy = {name: one.energy for name, one in found.kept.items()}
    about = {"tuned": options.tuned, "rank": options.rank, "energy": energy}
    write_directory(folder, base.model, base, head, classes, {"extracted": about})
    _report(console, folder, found.kept, f"{base.name}: {options.tuned} beside {options.base}")
    for what, names in (("biases", found.biases), ("kept whole", found.whole), ("new head", head.trained)):
        if names:
            console.print(Text(f"{what}: {listed(list(names))}"))
    return folder


def _updates_of(network: nn.Module, one: Loaded) -> dict[str, Update]:
    try:
        return collect_updates(network, one.names)
    except LoraError as error:
        raise VisionLoraError(f"{one.directory}: {error}") from error


def _whole(
    state: Mapping[str, Tensor], loaded: Sequence[Loaded], method: str, shares: Sequence[float]
) -> dict[str, Tensor]:
    """Tensors that adapters replace (norms), combined as their updates are."""
    keys = dict.fromkeys(key for one in loaded for key in one.whole)
    if keys and method not in ("add", "subtract", "average"):
        raise VisionLoraError(
            f"method={method}: {loaded[0].directory.name if loaded else ''} and others replace "
            f"{listed(list(keys))} whole; use add, subtract or average"
        )
    factors = list(shares)
    if method == "average":
        factors = [share / sum(shares) for share in shares]
    if method == "subtract":
        factors = [factors[0], *(-one for one in factors[1:])]
    return {
        key: interpolated(
            key,
            state[key].detach().clone(),
            [
                (factor, one.whole[key])
                for factor, one in zip(factors, loaded, strict=True)
                if key in one.whole
            ],
        )
        for key in keys
    }


def _report(console: Console, folder: Path, kept: Mapping[str, Kept], what: str) -> None:
    """The layers that lose the most, and what is kept of all."""
    table = plain_table(what)
    for name in ("layer", "rank", "energy kept", "energy lost"):
        table.add_column(name, justify="left" if name == "layer" else "right")
    worst = sorted(kept.items(), key=lambda item: item[1].energy)[:SHOWN]
    for name, one in worst:
        rank = "whole" if one.rank is None else str(one.rank)
        table.add_row(Text(printable(name)), rank, f"{one.energy:.4f}", f"{1 - one.energy:.4f}")
    console.print(table)
    if len(kept) > len(worst):
        console.print(
            Text(
                f"and {counted(len(kept) - len(worst), 'more layer')}, of which less is lost; all are in "
                "the file"
            )
        )
    total = sum(one.norm**2 for one in kept.values())
    held = sum(one.energy * one.norm**2 for one in kept.values())
    share = held / total if total else 1.0
    console.print(Text(f"energy kept of all layers together: {share:.4f}; written to {printable(folder)}"))
