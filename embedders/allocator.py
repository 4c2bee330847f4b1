"""Memory that was given back and is asked for again: kept by the process, where the C library can."""

import ctypes
import sys

#: What glibc calls them (malloc.h): how much unused memory at its end the heap keeps, by how much it grows at least, and how
#: many blocks are mapped one by one.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let this process keep large blocks of memory that it frees; returns whether it could.

    Each step of a training on a CPU allocates and frees hundreds of megabytes. By default glibc maps large blocks anew each
    time, and the kernel has to fill them with zeros: a seventh to a fifth of the time that layers take to learn.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library, such as musl
        return False
    wanted = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 * 2**20))
    taken = [mallopt(name, value) == 1 for name, value in wanted]
    return all(taken)
