"""A private view of the file system, in which an account can access paths below folders that it may not enter."""

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 0x1000, 0x4000, 0x80000
_MAX_LINKS = 40  # the limit of the kernel


def inaccessible_folders(paths: Iterable[Path]) -> list[Path]:
    """Return the outermost parent folders of `paths` that may not be entered with the current permissions."""
    blocked: set[Path] = set()
    for path in paths:
        before = Path("/")
        for step in _resolution(path):
            if not before.is_symlink() and not os.access(before, os.X_OK, effective_ids=True):
                blocked.add(before)
                break
            before = step
    return sorted(folder for folder in blocked if not blocked & set(folder.parents))


def expose(paths: Iterable[Path], blocked: Sequence[Path]) -> None:
    """Replace the folders `blocked`, for this process and its children only, by folders that contain only `paths`.

    Each of the folders is covered by an empty one that all accounts may enter, into which the paths are mounted.

    Raises:
        OSError: the kernel refuses, since CAP_SYS_ADMIN is required.
    """
    if sys.platform != "linux":
        raise OSError(0, "mount namespaces exist only on Linux")
    working_directory = Path.cwd()
    os.unshare(os.CLONE_NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    resolutions = [[*_resolution(path)] for path in paths]
    links = {step: step.readlink() for steps in resolutions for step in steps if step.is_symlink()}
    targets = {steps[-1]: (os.open(steps[-1], os.O_PATH), steps[-1].is_dir()) for steps in resolutions}
    for folder in blocked:
        _mount("tmpfs", str(folder), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    covered = {step for steps in resolutions for step in steps if set(step.parents) & set(blocked)}
    mask = os.umask(0o022)
    # Shorter paths first: mounting a folder brings its contents along.
    for path in sorted(covered & set(targets), key=lambda path: len(path.parts)):
        if not os.path.lexists(path):
            _bind(path, *targets[path])
    for path in sorted(covered - set(targets), key=lambda path: len(path.parts)):
        if not os.path.lexists(path):
            path.symlink_to(links[path]) if path in links else path.mkdir()
    os.umask(mask)
    for descriptor, _ in targets.values():
        os.close(descriptor)
    _enter(working_directory)


def _bind(path: Path, target: int, is_folder: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        path.mkdir()
    else:
        path.touch()
    _mount(f"/proc/self/fd/{target}", str(path), None, _MS_BIND | _MS_REC)


def _resolution(path: Path) -> Iterator[Path]:
    """Yield every path that the kernel visits while it resolves `path`: folders, links, and finally the target."""
    current, remaining, links = Path("/"), [*reversed(path.absolute().parts[1:])], 0
    while remaining:
        part = remaining.pop()
        current = current.parent if part == ".." else current / part
        yield current
        if current.is_symlink() and (links := links + 1) <= _MAX_LINKS:
            target = current.readlink()
            remaining += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            current = Path("/") if target.is_absolute() else current.parent


def _enter(folder: Path) -> None:
    """Change to the folder as it is in the new view, or to `/` if it is not there."""
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    if libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
