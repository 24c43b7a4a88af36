"""The user namespace around bubblewrap, with the limits that only its owner can set.

The kernel counts inotify instances and watches per account; a user namespace has limits of its own besides. bubblewrap
can limit the size of a file system in memory, but not the number of its files, each of which takes about 1 KiB of the
kernel's memory. The program in the sandbox is in a namespace below, so it cannot change these limits.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

INOTIFY_INSTANCES, INOTIFY_WATCHES = 16, 2**15


@dataclass(frozen=True)
class MemoryFolder:
    """A file system in memory; `name` is that of the folder of this machine at which it is prepared."""

    name: str
    target: str
    max_bytes: int
    max_files: int


MEMORY_FOLDERS = (
    MemoryFolder("shm", "/dev/shm", 2**26, 2**12),  # noqa: S108  a path in the sandbox
    MemoryFolder("tmp", "/tmp", 2**30, 2**18),  # noqa: S108  a path in the sandbox
    MemoryFolder("home", "/home", 2**30, 2**18),
)
_PROGRAM_FOLDERS = "/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Namespace:
    """The programs of this machine that create a namespace, and mount file systems in it."""

    unshare: str
    mount: str

    @classmethod
    def find(cls) -> "Namespace | None":
        """Return them, or None if this machine does not have them."""
        unshare, mount = (shutil.which(name, path=_PROGRAM_FOLDERS) for name in ("unshare", "mount"))
        return cls(unshare, mount) if unshare and mount else None

    def command(self, folder: Path) -> list[str]:
        """Return the words before a command that run it in a new namespace, with file systems in memory in `folder`."""
        for memory in MEMORY_FOLDERS:
            (folder / memory.name).mkdir()
        return [self.unshare, "--user", "--map-root-user", "--mount", "/bin/sh", "-euc", self._script(), str(folder)]

    def _script(self) -> str:
        settings = {"max_inotify_instances": INOTIFY_INSTANCES, "max_inotify_watches": INOTIFY_WATCHES}
        lines = [f"echo {value} > /proc/sys/user/{name}" for name, value in settings.items()]
        for memory in MEMORY_FOLDERS:
            options = f"nosuid,nodev,mode=755,size={memory.max_bytes},nr_inodes={memory.max_files}"
            lines.append(f'{self.mount} -t tmpfs -o {options} tmpfs "$0/{memory.name}"')
        return "\n".join([*lines, 'exec /usr/bin/env -i "$@"'])
