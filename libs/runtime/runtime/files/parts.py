"""Parts of files, as they are answered to clients."""

import mimetypes
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from contracts.files import DEFAULT_CONTENT_TYPE, ByteRange, FilePart
from contracts.refusals import Code, Refusal

from runtime.files.paths import FILE, opened, opened_folder, os_errors_as_refusals, split_path

_TYPES = mimetypes.MimeTypes(filenames=())  # not those of this machine


def read_part(path: Path, window: ByteRange, content_type: str | None = None) -> FilePart:
    """Return a part of a file of the service's own; past its end, no bytes. Blocks.

    Without a `content_type` it is the one that the file's name stands for.

    Raises:
        Refusal: FILE_NOT_FOUND, NOT_A_FILE; FILE_CHANGED, it is not in the state that the window's `etag` names.
    """
    with os_errors_as_refusals(path.name), opened(path, FILE) as descriptor:
        return _read(descriptor, window, content_type or content_type_of(path.name))


def read_part_within(root: Path, path: str, window: ByteRange) -> FilePart:
    """Return a part of a file below a folder, by a path that a client names. Blocks.

    Raises:
        Refusal: as `read_part` does; INVALID_PATH.
    """
    *above, name = split_path(path)
    with os_errors_as_refusals(path), opened_folder(root, above) as within, opened(name, FILE, within) as descriptor:
        return _read(descriptor, window, content_type_of(name))


def content_type_of(name: str) -> str:
    """Return the content type that a file's name stands for; a compressed file has none of its own."""
    kind, encoding = _TYPES.guess_type(f"/{name}")
    return DEFAULT_CONTENT_TYPE if encoding or not kind else kind


def modified_at(status: os.stat_result) -> datetime:
    """Return when a file was changed."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # its owner may set it to what no calendar knows
        return datetime.fromtimestamp(0, UTC)


def _read(descriptor: int, window: ByteRange, content_type: str) -> FilePart:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Refusal(Code.NOT_A_FILE, "This is not a regular file.")
    # Whoever changes a file can set its other times back, not this one.
    etag = f"{status.st_ino:x}-{status.st_size:x}-{status.st_ctime_ns:x}"
    if window.etag not in (None, etag):
        raise Refusal(Code.FILE_CHANGED, "The file has changed meanwhile.")
    return FilePart(
        size_bytes=status.st_size,
        modified_at=modified_at(status),
        etag=etag,
        content_type=content_type,
        data=os.pread(descriptor, window.length, window.offset),
    )
