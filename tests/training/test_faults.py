"""Training that runs out of memory goes on in parts; one that leaves the numbers ends."""

from __future__ import annotations

import copy
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from tests.training.test_module import loaders, module_of, trainer
from visionlora.adapters import adapter_parameters
from visionlora.errors import Diverged, MachineFault
from visionlora.memory import Parts
from visionlora.processes import joined
from visionlora.this_process import TORCHRUN
from visionlora.training.module import LoraModule
from visionlora.training.trainer import Fitter

STEPS = 2

Limit = Callable[[nn.Module, int], None]


def use_up_memory() -> None:
    """Ask for more than any machine has: PyTorch's allocator answers in its own words."""
    torch.empty(2**60, dtype=torch.uint8)


def limit_forward(network: nn.Module, rows: int) -> None:
    """Memory for the outputs of so many images where gradients are needed."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled() and len(inputs[0]) > rows:
            use_up_memory()

    network.register_forward_pre_hook(hook)


def limit_backward(network: nn.Module, rows: int) -> None:
    """Memory for the gradients of so many images; there is one of the layers left to compute when it ends."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.requires_grad and len(output) > rows:
            output.register_hook(lambda gradient: use_up_memory())

    next(module for module in network.modules() if isinstance(module, nn.Conv2d)).register_forward_hook(hook)


def trained(
    network: nn.Module, images: Path, folder: Path, precision: str, limit: Limit | None = None
) -> tuple[list[Tensor], LoraModule, list[str]]:
    """The trained adapter, the module, and what it announced."""
    module, said = module_of(network, images, STEPS), []
    module.parts = Parts(said.append)
    if limit is not None:
        limit(network, 2)
    trainer(folder, STEPS, precision=precision).fit(module, *loaders(images))
    return [parameter.detach().clone() for parameter in adapter_parameters(network)], module, said


@pytest.mark.parametrize(
    ("limit", "precision"),
    [(limit_forward, "32-true"), (limit_backward, "32-true"), (limit_backward, "bf16-mixed")],
)
def test_a_step_that_needs_too_much_memory_is_computed_in_parts(
    network: nn.Module, images: Path, tmp_path: Path, limit: Limit, precision: str
) -> None:
    whole, _, nothing = trained(copy.deepcopy(network), images, tmp_path / "whole", precision)
    parts, module, said = trained(network, images, tmp_path / "parts", precision, limit)
    assert module.parts.count == 4  # of 4 images and 3 anchors
    assert nothing == []
    assert [line.partition(" parts")[0].rpartition(" ")[2] for line in said] == ["2", "4"]
    assert all("not enough memory at step 0" in line for line in said)
    close = {"32-true": {"rtol": 1e-3, "atol": 1e-5}, "bf16-mixed": {"rtol": 0.1, "atol": 5e-3}}[precision]
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(other, one, **close)


def test_a_step_that_fits_in_no_part_is_a_fault_of_the_machine(
    network: nn.Module, images: Path, tmp_path: Path
) -> None:
    module = module_of(network, images, STEPS)
    limit_forward(network, 0)
    with pytest.raises(MachineFault, match=r"not enough memory for step 0 .*data\.batch_size"):
        trainer(tmp_path, STEPS).fit(module, *loaders(images))


class Spoil(Callback):
    """Makes a step's gradients infinite."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if trainer.global_step == self.step:
            for parameter in module.trainable:
                parameter.grad.fill_(float("inf"))


@pytest.mark.parametrize("step", [0, STEPS - 1])
def test_parameters_that_overflow_end_the_run_and_name_step_and_images(
    network: nn.Module, images: Path, step: int
) -> None:
    module = module_of(network, images, STEPS)
    fitter = Fitter(torch.device("cpu"), "32-true", None, *loaders(images))
    with pytest.raises(
        Diverged, match=rf"parameters' norm is nan at step {step} \(images .*\.png.*\); lower"
    ):
        fitter.fit(fitter.trainer(STEPS, callbacks=[Spoil(step)]), module)


def test_a_loss_that_explodes_ends_the_run_while_it_is_still_a_number(
    network: nn.Module, images: Path
) -> None:
    module = module_of(network, images, STEPS)
    with torch.no_grad():
        network[-1].bias.copy_(torch.tensor([0.0, 1e9, 1e9, 0.0]))
    fitter = Fitter(torch.device("cpu"), "32-true", None, *loaders(images))
    with pytest.raises(Diverged, match=r"the loss is [\d.e+]+ at step 0"):
        fitter.fit(fitter.trainer(STEPS), module)


def test_parameters_that_start_long_are_no_divergence(network: nn.Module, images: Path) -> None:
    """A new head has large weights where the frozen features hardly differ, as with random weights."""
    module = module_of(network, images, STEPS)
    network.register_parameter("long", nn.Parameter(torch.full((4,), 1e8)))
    fitter = Fitter(torch.device("cpu"), "32-true", None, *loaders(images))
    done = fitter.trainer(STEPS)
    fitter.fit(done, module)
    assert done.global_step == STEPS


def in_two_processes(work: Callable[[int], object], folder: Path) -> list[object]:
    """What ``work(rank)`` gives in each of two processes that can talk; the fault where there is one."""
    if sys.platform != "linux" or torch.accelerator.is_available():
        pytest.skip("processes are forked on Linux, and not where an accelerator has threads")

    def one(rank: int) -> None:
        torch.set_num_threads(1)  # a forked process has no pool of threads
        numbers = (str(rank), "2", str(rank), "2")
        os.environ.update(zip(TORCHRUN, numbers, strict=True))
        os.environ.update(VISIONLORA_MEETING=f"file://{folder}/meeting", GROUP_RANK="0")
        os.environ.update(TORCHELASTIC_RUN_ID="visionlora")
        with joined("cpu"):
            try:
                found = work(rank)
            except MachineFault as fault:
                found = str(fault)
            torch.save(found, folder / f"{rank}.pt")

    processes = [multiprocessing.get_context("fork").Process(target=one, args=(rank,)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("limit", [limit_forward, limit_backward])
def test_where_one_of_two_processes_needs_parts_both_use_them_and_agree(
    network: nn.Module, images: Path, tmp_path: Path, limit: Limit
) -> None:
    def work(rank: int) -> object:
        own, said = copy.deepcopy(network), []
        module = module_of(own, images, STEPS)
        module.parts = Parts(said.append)
        if rank == 1:
            limit(own, 2)
        fitter = Fitter(torch.device("cpu"), "32-true", None, *loaders(images))
        fitter.fit(fitter.trainer(STEPS), module)
        return [value.detach() for value in adapter_parameters(own)], module.parts.count, said

    (one, count, said), (other, same_count, told) = in_two_processes(work, tmp_path)
    assert count == same_count == 2
    assert "not enough memory at step 0 in another process: batches are computed in 2 parts" in said[0]
    assert "not enough memory at step 0 ([enforce fail" in told[0]
    whole, _, _ = trained(network, images, tmp_path / "whole", "32-true")
    for alone, first, second in zip(whole, one, other, strict=True):
        assert torch.equal(first, second)
        torch.testing.assert_close(first, alone, rtol=1e-3, atol=1e-5)


def test_where_one_of_two_processes_fits_no_image_both_end_with_one_line(
    network: nn.Module, images: Path, tmp_path: Path
) -> None:
    def work(rank: int) -> object:
        module = module_of(network, images, STEPS)
        if rank == 1:
            limit_forward(network, 0)
        fitter = Fitter(torch.device("cpu"), "32-true", None, *loaders(images))
        fitter.fit(fitter.trainer(STEPS), module)
        return None

    first, second = in_two_processes(work, tmp_path)
    assert "not enough memory for step 0 in another process; use a smaller data.batch_size" in str(first)
    assert "not enough memory for step 0 ([enforce fail" in str(second)
