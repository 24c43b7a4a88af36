"""A view of the file system in which an account reaches what lies in folders that are closed to it."""

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 0x1000, 0x4000, 0x80000
_MOST_LINKS = 40  # as the kernel follows


def closed(paths: Iterable[Path]) -> list[Path]:
    """Return the outermost folders on the way to `paths` that may not be entered with our rights of the moment."""
    shut: set[Path] = set()
    for path in paths:
        before = Path("/")
        for place in _way(path):
            if not before.is_symlink() and not os.access(before, os.X_OK, effective_ids=True):
                shut.add(before)
                break
            before = place
    return sorted(place for place in shut if not shut & set(place.parents))


def lay_open(paths: Iterable[Path], shut: Sequence[Path]) -> None:
    """Change, for this process and its children alone, what lies in the folders `shut`: `paths`, and nothing else.

    Each folder is covered by an empty one that all may enter, into which the paths are mounted.

    Raises:
        OSError: the kernel refuses; it takes CAP_SYS_ADMIN.
    """
    if sys.platform != "linux":
        raise OSError(0, "only Linux knows mount namespaces")
    here = Path.cwd()
    os.unshare(os.CLONE_NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    ways = [[*_way(path)] for path in paths]
    links = {place: place.readlink() for way in ways for place in way if place.is_symlink()}
    opened = {way[-1]: (os.open(way[-1], os.O_PATH), way[-1].is_dir()) for way in ways}
    for place in shut:
        _mount("tmpfs", str(place), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    covered = {place for way in ways for place in way if set(place.parents) & set(shut)}
    mask = os.umask(0o022)
    # Shorter paths first: what lies in a folder comes with it.
    for place in sorted(covered & set(opened), key=lambda place: len(place.parts)):
        if not os.path.lexists(place):
            _show(place, *opened[place])
    for place in sorted(covered - set(opened), key=lambda place: len(place.parts)):
        if not os.path.lexists(place):
            place.symlink_to(links[place]) if place in links else place.mkdir()
    os.umask(mask)
    for descriptor, _ in opened.values():
        os.close(descriptor)
    _enter(here)


def _show(place: Path, opened: int, is_folder: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        place.mkdir()
    else:
        place.touch()
    _mount(f"/proc/self/fd/{opened}", str(place), None, _MS_BIND | _MS_REC)


def _way(path: Path) -> Iterator[Path]:
    """Yield every place that the kernel comes to on the way to `path`: the links, and at last what they lead to."""
    place, waiting, links = Path("/"), [*reversed(path.absolute().parts[1:])], 0
    while waiting:
        part = waiting.pop()
        place = place.parent if part == ".." else place / part
        yield place
        if place.is_symlink() and (links := links + 1) <= _MOST_LINKS:
            target = place.readlink()
            waiting += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            place = Path("/") if target.is_absolute() else place.parent


def _enter(folder: Path) -> None:
    """Stand in the folder of this name that can be seen now, if there is one."""
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    if libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
