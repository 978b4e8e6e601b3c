"""Every adapter family: what it learned, what it forgot, what it cost; beside PEFT's and LyCORIS's versions.

    python -m benchmarks.families --records families.jsonl --results docs/families.md --plot docs/families.png

Goldfish: the shipped job at rank 8. Equal: the same at LoRA's number of trained parameters. Steps: ResNet50,
MobileNetV2 and ConvNeXt-T against the frozen floor, at rank 8. Learning: SqueezeNet's tasks at about the same
number of trained parameters, at three learning rates (times the family's factor) on one seed. Every finished
measurement is a line of the records; the command continues where it stopped. `--quick` is the goldfish job in
100 steps and the step times on MobileNetV2, without peers and without learning, on one thread unless
`--threads` says more: under 10 minutes.
"""

from __future__ import annotations

import argparse
import copy
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.family_contenders import FAMILIES, LYCORIS, OPTIONS, PEFT, build_lycoris, build_peft
from benchmarks.family_steps import StepTimes, peak_memory, setting_for
from benchmarks.family_tables import draw, sections
from benchmarks.quality import append, read_records
from benchmarks.quality_methods import Method, run_one, run_ours
from benchmarks.quality_tasks import Task, make_tasks, our_config
from benchmarks.runs import run_here
from visionlora.adapters import FAMILIES as FAMILIES_HERE
from visionlora.adapters import LoraConfig, adapter_parameters, attach
from visionlora.files import replacing
from visionlora.models import Head, load_backbone

NETWORKS = ("resnet50", "mobilenet_v2", "convnext_tiny")
TASKS = ("one-tiger", "unknown-extend", "illustrated-4", "unknown-new")
PARTS = ("goldfish", "equal", "steps", "learning")
QUICK_PARTS = ("goldfish", "steps")
QUICK_NETWORKS = ("mobilenet_v2",)
QUICK_TASKS = ("one-tiger",)
QUICK_STEPS = 100
"""Of the goldfish job, which takes 320 otherwise."""
PARAMETERS = 80_000
RATES = (1e-3, 2e-3, 5e-3)
MOST_RANK = 256

Record = dict[str, Any]
Measurement = tuple[str, Callable[[], list[Record]]]


def rank_for(family: str, network: nn.Module, wanted: int = PARAMETERS) -> int:
    """The rank that brings the number of trained parameters closest to what is wanted; 8 where the number
    does not depend on the rank."""

    @functools.cache
    def distance(rank: int) -> int:
        config = LoraConfig(family=family, rank=rank, options=_options(family), **_targets(family))
        adapted = attach(copy.deepcopy(network), config)
        return sum(parameter.numel() for parameter in adapter_parameters(adapted)) - wanted

    low, high = 1, MOST_RANK
    if distance(low) == distance(high):
        return 8
    if family in ("oft", "boft"):  # the size of a block: the number grows with it, but not evenly
        return min((2, 4, 8, 16, 32, 64), key=lambda rank: abs(distance(rank)))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if distance(middle) < 0 else (low, middle)
    return min((low, high), key=lambda rank: abs(distance(rank)))


def _options(family: str) -> dict[str, Any]:
    """With its square factors LoKr has at most 14,572 parameters on SqueezeNet; 4 gives 78,000."""
    return {"factor": 4} if family == "lokr" else dict(OPTIONS.get(family, {}))


def _targets(family: str) -> dict[str, Any]:
    return {"targets": "conv"} if family == "conv_adapter" else {}


def family_settings(family: str, rank: int) -> list[str]:
    """The configuration of a family, as on the command line."""
    options = ",".join(f"{name}:{value}" for name, value in _options(family).items())
    targets = [f"lora.targets={value}" for value in _targets(family).values()]
    return [
        f"lora.family={family}", f"lora.rank={rank}", f"lora.alpha={rank}",
        f"lora.options={{{options}}}", *targets,
    ]  # fmt: skip


def step_records(network: str, family: str, options: argparse.Namespace) -> list[Record]:
    """The step times of a family and its peers on one network."""
    times = _step_times(network, options.threads, options.steps or (3 if options.quick else 7))
    records = list(times.records(family, peers=_with_peers(options)))
    if not options.quick:
        peaks = peak_memory(times.setting, family)
        records = [{**record, "peak": peaks[record["whose"]]} for record in records]
    return records


@functools.lru_cache(maxsize=1)
def _step_times(network: str, threads: int, steps: int) -> StepTimes:
    return StepTimes(setting_for(network, threads, steps))


def learning_records(task: Task, family: str, whose: str, lr: float, threads: int) -> list[Record]:
    """One training on a task, by ours or by a peer."""
    head: Record = {"kind": "learning", "task": task.name, "family": family, "whose": whose, "lr": lr}
    rank = rank_for(family, load_backbone(task.network, task.weights).model)
    if whose == "ours":
        torch.set_num_threads(threads)
        config = our_config(task, lr, 0, anchors=True, settings=family_settings(family, rank))
        return [{**head, "rank": rank, **run_ours(task, config)}]
    build = {"PEFT": build_peft, "LyCORIS": build_lycoris}[whose]

    def made(network: nn.Module, network_head: Head) -> nn.Module:
        layers = [
            name
            for name, layer in network.named_modules()
            if type(layer) in (nn.Conv2d, nn.Linear) and name not in network_head.trained
        ]
        ready = build(family, network, layers, rank)
        for companion in ready.companions:  # LyCORIS's modules are not in the network
            network.add_module("companion", companion)
        return ready.model

    method = Method(f"{whose} {family}", (lr,), made)
    return [{**head, "rank": rank, **run_one(task, method, lr, 0, threads)}]


def equal_records(family: str, threads: int) -> list[Record]:
    """The shipped job with about as many trained parameters as LoRA of rank 8 has on its network."""
    network = load_backbone("pocket").model
    wanted = sum(
        one.numel() for one in adapter_parameters(attach(copy.deepcopy(network), LoraConfig(rank=8)))
    )
    rank = rank_for(family, network, wanted)
    return [{**record, "kind": "equal"} for record in goldfish_records(family, threads, rank=rank)]


def quick_records(family: str, threads: int) -> list[Record]:
    """The shipped job in fewer steps."""
    records = goldfish_records(family, threads, [f"trainer.max_steps={QUICK_STEPS}"])
    return [{**record, "kind": "quick"} for record in records]


def goldfish_records(family: str, threads: int, settings: Sequence[str] = (), rank: int = 8) -> list[Record]:
    """The shipped job with this family, and further settings."""
    from visionlora.command import compose
    from visionlora.train import COMMAND

    given = [*family_settings(family, rank), "trainer.progress=false", f"trainer.threads={threads or 'null'}"]
    config = compose(COMMAND, ["data=goldfish", "model=pocket", *given, *settings])
    with tempfile.TemporaryDirectory() as place:
        metrics = run_here(config, Path(place) / "run")
        adapter = Path(place) / "run" / "adapter" / "adapter_model.safetensors"
        size = adapter.stat().st_size
    return [
        {
            "kind": "goldfish", "family": family, "whose": "ours", "rank": rank,
            "learned": metrics["after"]["val/top1"],
            "lost": metrics["retention"]["before/top1"] - metrics["retention"]["after/top1"],
            "false positives": metrics["contrast"]["after/false_positive_rate"],
            "strength": metrics["strength"]["chosen"], "trained": metrics["parameters"]["trainable"],
            "bytes": size, "step_ms": metrics["time"]["step_ms"],
        }
    ]  # fmt: skip


def _with_peers(options: argparse.Namespace) -> bool:
    return not (options.quick or options.no_peers)


def parts_of(options: argparse.Namespace) -> Sequence[str]:
    """What is measured."""
    return options.parts or (QUICK_PARTS if options.quick else PARTS)


def measurements(options: argparse.Namespace, tasks: dict[str, Task]) -> Iterator[Measurement]:
    """All that there is to measure, each with a key that its records carry."""
    families, parts = options.families or FAMILIES, parts_of(options)
    if "goldfish" in parts:
        kind, measured = ("quick", quick_records) if options.quick else ("goldfish", goldfish_records)
        for family in families:
            yield f"{kind} {family}", functools.partial(measured, family, options.threads)
    if "equal" in parts:
        for family in families:
            yield f"equal {family}", functools.partial(equal_records, family, options.threads)
    if "steps" in parts:
        for network in options.networks or (QUICK_NETWORKS if options.quick else NETWORKS):
            for family in families:
                yield f"steps {network} {family}", functools.partial(step_records, network, family, options)
    if "learning" in parts:
        rates = options.rates or (RATES[1:2] if options.quick else RATES)
        for name, family in ((name, family) for name in tasks for family in families):
            peers = [("PEFT", PEFT), ("LyCORIS", LYCORIS)] if _with_peers(options) else []
            for whose in ("ours", *(whose for whose, has in peers if family in has)):
                for lr in (rate * FAMILIES_HERE[family].lr_factor for rate in rates):
                    yield (
                        f"learning {name} {family} {whose} {lr:g}",
                        functools.partial(learning_records, tasks[name], family, whose, lr, options.threads),
                    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    console = Console()
    if options.quick:
        options.threads = options.threads or 1
    records = read_records(options.records)
    done = {record["key"] for record in records}
    with tempfile.TemporaryDirectory() as folder:
        tasks: dict[str, Task] = {}
        if "learning" in parts_of(options):
            made = make_tasks(Path(folder), options.real)
            tasks = {name: made[name] for name in (QUICK_TASKS if options.quick else options.tasks)}
        for key, measurement in [] if options.show else measurements(options, tasks):
            if key in done:
                continue
            for record in measurement():
                records.append({"key": key, **record})
                append(options.records, records[-1])
            console.print(key, highlight=False)
    text = sections(records)
    console.print(text, markup=False, soft_wrap=True)
    if options.plot:
        with replacing(options.plot) as beside:
            draw(records).savefig(beside, format="png", dpi=120)
    if options.results:
        figure = f"![Learned against lost]({options.plot.name})" if options.plot else ""
        whole = results.section("The comparison", command, text, figure)
        results.replace_in(options.results, "families", whole)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("families", __doc__)
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="no peers, one thread: goldfish, steps of one network; of learning, if asked, one task and rate",
    )
    add("--parts", nargs="+", choices=PARTS, help="what to measure; all, quick goldfish and steps")
    add("--families", nargs="+", choices=FAMILIES, metavar="NAME", help=", ".join(FAMILIES))
    add("--networks", nargs="+", metavar="NAME", help=f"of the step times; {', '.join(NETWORKS)}")
    add("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="of learning")
    add("--rates", nargs="+", type=float, metavar="RATE", help="learning rates of LoRA; all three, quick one")
    add("--no-peers", action="store_true", help="ours alone, without PEFT's and LyCORIS's versions")
    add("--steps", type=int, help="timed steps of each contender; 7, quick 3")
    add("--plot", type=Path, metavar="FILE", help="learned against lost, as a PNG")
    add_shared(parser, "show", "real", "results", threads=0, records="families.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
