"""What the C library does with freed memory while a network trains on the CPU."""

from __future__ import annotations

import ctypes
import platform

# Names and numbers of <malloc.h>.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1
_PAD = 64 * 2**20


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, for the next step to use again; True where that was arranged.

    Every step allocates the same activations. glibc gives large ones back to the system as soon as they are
    freed and asks for them anew, and the system fills every page with zeros first: for ConvNeXt-T that is a
    fifth of a training step. The process keeps its largest size until it ends.

    It is for glibc alone (mallopt(3)); elsewhere nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _PAD))
    return all(mallopt(name, value) == 1 for name, value in settings)
