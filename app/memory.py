"""What the C library keeps of memory that was freed."""

import ctypes
import platform

# Of mallopt(3).
M_ARENA_MAX = -8
ARENAS = 2


def bound_arenas() -> None:
    """Let all threads share ARENAS heaps, where the C library is glibc.

    It gives each thread a heap of its own, up to eight a core, and what one thread frees in its heap others
    cannot use: with a large native case that came to 250 MB, and more with more cores.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
