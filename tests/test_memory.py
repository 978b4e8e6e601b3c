"""Where memory does not suffice, work is done in halves, or one line says so."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from visionlora.command import in_words
from visionlora.errors import MachineFault
from visionlora.memory import computed, is_out_of_memory


def short_of_memory(most: int):
    """Doubles its rows, and has memory for so many of them; PyTorch's own words where there are more."""

    def network(rows: Tensor) -> Tensor:
        if len(rows) > most:
            torch.empty(2**60, dtype=torch.uint8)  # what the CPU's allocator says to that is real
        return 2 * rows

    return network


@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_rows_are_computed_in_halves_until_they_fit(most: int) -> None:
    rows = torch.arange(8.0).view(8, 1)
    assert torch.equal(computed(short_of_memory(most), rows), 2 * rows)


def test_where_one_row_does_not_fit_the_machine_is_at_fault() -> None:
    with pytest.raises(MachineFault, match="not enough memory for one image"):
        computed(short_of_memory(0), torch.zeros(4, 1))


def test_other_errors_are_not_taken_for_it() -> None:
    def broken(rows: Tensor) -> Tensor:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        computed(broken, torch.zeros(4, 1))
    assert not is_out_of_memory(ValueError("out of memory"))
    noexec = "libtorch_cpu.so: failed to map segment from shared object: Operation not permitted"
    assert not is_out_of_memory(ImportError(noexec))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: ..."),
        RuntimeError("std::bad_alloc"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_commands_say_it_in_one_line_with_an_exit_code_of_its_own(error: Exception) -> None:
    known = in_words(error)
    assert known is not None
    assert known.exit_code == 4
    assert "not enough memory" in str(known)
    assert "data.batch_size" in str(known)
