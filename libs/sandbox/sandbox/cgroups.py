"""cgroups, which limit the memory and the processes of a sandbox as a whole, where one is delegated to the services.

In the cgroup that the first process was started in, its own one, this creates:

    agentapi/services               the services, since a cgroup with limited children may hold no processes itself
    agentapi/sandboxes/sandbox-…    a sandbox; together they have three quarters of the memory

Only version 2 of cgroups is used. No other cgroup is changed, and no process but the own one is moved.
"""

import os
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pwd import struct_passwd
from shlex import quote

from runtime.logging import get_logger
from runtime.scratch import owner_has_ended

from sandbox.program import Resources

log = get_logger()

BASE, SERVICES, SANDBOXES, PREFIX = "agentapi", "services", "sandboxes", "sandbox-"
CONTROLLERS = ("memory", "pids")
PROC = Path("/proc/self")
SHARE = 0.75
REMOVE_SECONDS = 5.0
_POLL_SECONDS = 0.02


class NotDelegated(Exception):
    """The own cgroup cannot be divided; the message says why."""


@dataclass(frozen=True)
class Cgroup:
    """The cgroup of one sandbox."""

    folder: Path

    @property
    def enter(self) -> str:
        """The command of a shell that moves it here."""
        return f"echo 0 > {quote(str(self.folder / 'cgroup.procs'))}"

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed the processes because they exceeded their memory."""
        try:
            lines = (self.folder / "memory.events").read_text().splitlines()
        except OSError:  # it has been removed
            return False
        return any(int(count) for name, count in map(str.split, lines) if name in ("oom_kill", "oom_group_kill"))

    def remove(self) -> None:
        """Kill what is left in it, and remove it. Blocks."""
        until = time.monotonic() + REMOVE_SECONDS
        while not self._removed():
            if time.monotonic() > until:
                log.warning("cgroup of a sandbox not removed", cgroup=str(self.folder))
                return
            time.sleep(_POLL_SECONDS)

    def _removed(self) -> bool:
        with suppress(OSError):  # it does not exist any more, or the kernel is older than 5.14
            (self.folder / "cgroup.kill").write_text("1")
        with suppress(OSError):  # processes are still ending
            self.folder.rmdir()
        return not self.folder.exists()


@dataclass(frozen=True)
class Cgroups:
    """The folder in which sandboxes get cgroups."""

    folder: Path

    @classmethod
    def find(cls, proc: Path = PROC) -> tuple["Cgroups | None", str | None]:
        """Return it, or None and the reason. Remove what killed services left. Blocks."""
        base, reason = divide_own_cgroup(proc=proc)
        if base is None:
            return None, reason
        try:
            folder = _limited_together(base)
        except OSError as error:
            return None, str(error)
        for left in folder.glob(f"{PREFIX}*"):
            if owner_has_ended(left.name.removeprefix(PREFIX)):
                Cgroup(left).remove()
        cgroups = cls(folder)
        try:
            cgroups.check()
        except OSError as error:
            return None, str(error)
        return cgroups, None

    def check(self) -> None:
        """Create a cgroup, and let a child enter it. Blocks.

        Raises:
            OSError: the kernel refuses.
        """
        cgroup = self.create(Resources())
        try:
            command = ["/bin/sh", "-c", cgroup.enter]
            entering = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  a fixed program
        finally:
            cgroup.remove()
        if entering.returncode:
            raise OSError(entering.stderr.strip())

    def create(self, resources: Resources) -> Cgroup:
        """Create a cgroup with limits.

        Raises:
            OSError: the kernel refuses, for example because there are too many.
        """
        cgroup = Cgroup(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=self.folder)))
        try:
            _write(cgroup.folder / "memory.max", resources.memory_bytes)
            _write(cgroup.folder / "memory.oom.group", 1)
            _write(cgroup.folder / "pids.max", resources.processes)
            if (cgroup.folder / "memory.swap.max").exists():  # not without swap
                _write(cgroup.folder / "memory.swap.max", 0)
        except OSError:
            cgroup.remove()
            raise
        return cgroup


def _limited_together(base: Path) -> Path:
    """Return the folder for sandboxes, which leave memory to the services, however many there are."""
    folder = base / SANDBOXES
    folder.mkdir(exist_ok=True)
    _write(folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in CONTROLLERS))
    _write(folder / "memory.max", int(_memory_of(base.parent) * SHARE))
    return folder


def _memory_of(cgroup: Path) -> int:
    """Return the bytes of memory that a cgroup, or the machine, has."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # the root has no limit; or it is "max"
        return min(machine, int((cgroup / "memory.max").read_text()))
    return machine


def divide_own_cgroup(owner: struct_passwd | None = None, proc: Path = PROC) -> tuple[Path | None, str | None]:
    """Divide the own cgroup, move this process to the part for services, and return the divided folder.

    If that is not possible, change nothing, and return None and the reason. Children are started in the part for
    services, too, and find the cgroup divided. What is created becomes the property of `owner`.
    """
    try:
        folder = _divide(proc)
        if owner:
            _hand_over(folder, owner)
            _hand_over(folder / SERVICES, owner)
    except (NotDelegated, OSError) as error:
        return None, str(error)
    return folder, None


def _hand_over(folder: Path, owner: struct_passwd) -> None:
    for path in (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control"):
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _divide(proc: Path) -> Path:
    own = _own(proc)
    if own.name == SERVICES and own.parent.name == BASE:
        return own.parent
    _check(own)
    base = own / BASE
    services = base / SERVICES
    try:
        services.mkdir(parents=True, exist_ok=True)
        _write(services / "cgroup.procs", os.getpid())
        for folder in (base,) if _is_root(own) else (own, base):
            _write(folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in CONTROLLERS))
    except OSError:
        _undo(own, base)
        raise
    return base


def _undo(own: Path, base: Path) -> None:
    if not _is_root(own):  # while the controllers are enabled for its children, it may hold no process
        with suppress(OSError):
            _write(own / "cgroup.subtree_control", " ".join(f"-{name}" for name in CONTROLLERS))
    with suppress(OSError):
        _write(own / "cgroup.procs", os.getpid())
        (base / SERVICES).rmdir()
        base.rmdir()


def _own(proc: Path) -> Path:
    """Return the folder of the cgroup that this process is in."""
    own = next((line[3:] for line in _lines(proc / "cgroup") if line.startswith("0::/")), None)
    for line in _lines(proc / "mountinfo"):
        mount, _, kind = line.partition(" - ")
        if own and ".." not in own and kind.startswith("cgroup2 "):  # not one outside of the cgroup namespace
            root, target = mount.split()[3:5]
            with suppress(ValueError):  # the mount shows another part of the hierarchy
                return Path(target) / Path(own).relative_to(root)
    raise NotDelegated("no file system of cgroups of version 2 shows the own cgroup")


def _check(own: Path) -> None:
    """Raise NotDelegated if a cgroup cannot or must not be divided."""
    if missing := {*CONTROLLERS} - {*_words(own / "cgroup.controllers")}:
        raise NotDelegated(f"the controllers {', '.join(sorted(missing))} are not available in {own}")
    if not all(os.access(path, os.W_OK) for path in (own, own / "cgroup.procs", own / "cgroup.subtree_control")):
        raise NotDelegated(f"{own} is not delegated to this account")
    if _is_root(own):
        # It may hold processes, but belongs to the whole machine, for whose cgroups it would enable the controllers.
        if {*CONTROLLERS} - {*_words(own / "cgroup.subtree_control")}:
            raise NotDelegated(f"the machine has not enabled its controllers in {own}")
    elif {*_words(own / "cgroup.procs")} != {str(os.getpid())}:
        raise NotDelegated(f"{own} holds other processes, too")


def _is_root(folder: Path) -> bool:
    return not (folder / "cgroup.type").exists()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # not Linux
        return []


def _words(path: Path) -> list[str]:
    return path.read_text().split()


def _write(path: Path, value: int | str) -> None:
    path.write_text(str(value))
