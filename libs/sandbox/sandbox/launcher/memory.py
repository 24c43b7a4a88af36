"""The memory that a program, and what it has left in its sandbox, take."""

import os
from contextlib import suppress

FILE_BYTES = 1024
"""Memory of the kernel for a file in memory, besides its content."""


def memory_of(program: int, folders: list[str]) -> int:
    """Return the bytes of a program, without what it shares with others, and of files and segments in memory."""
    with open(f"/proc/{program}/status") as status:  # noqa: PTH123  pathlib takes long to import
        found = dict(line.split(":", 1) for line in status)
    own = sum(int(found.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem", "VmSwap")) * 1024
    return own + segments() + anonymous_files_of(program) + sum(map(files_in, folders))


def segments() -> int:
    """Return the bytes of shared memory of System V, which stays without a process; not all kernels have it."""
    with suppress(FileNotFoundError), open("/proc/sysvipc/shm") as found:  # noqa: PTH123
        return sum(int(number) for line in list(found)[1:] for number in line.split()[-2:])
    return 0


def anonymous_files_of(program: int) -> int:
    """Return the bytes of files in memory that only the descriptors of a program name (`memfd_create`)."""
    size, folder = 0, f"/proc/{program}/fd"
    for name in os.listdir(folder):  # noqa: PTH208
        with suppress(FileNotFoundError):  # it was closed meanwhile
            if os.readlink(f"{folder}/{name}").startswith("/memfd:"):  # noqa: PTH115
                size += os.stat(f"{folder}/{name}").st_blocks * 512  # noqa: PTH116
    return size


def files_in(folder: str) -> int:
    """Return the bytes of a file system in memory."""
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize + (status.f_files - status.f_ffree) * FILE_BYTES
