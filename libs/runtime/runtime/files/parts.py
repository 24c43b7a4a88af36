"""Reading parts of files for clients."""

import mimetypes
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from contracts.files import DEFAULT_CONTENT_TYPE, ByteRange, FilePart
from contracts.refusals import Code, Refusal

from runtime.files.paths import FILE, opened, opened_folder, os_errors_as_refusals, split_path

_TYPES = mimetypes.MimeTypes(filenames=())  # the built-in types only, the same on every machine


def read_part(path: Path, window: ByteRange, content_type: str | None = None) -> FilePart:
    """Return a part of a file that the service owns; empty past the end of the file. Blocks.

    The content type is derived from the name of the file unless it is passed.

    Raises:
        Refusal: FILE_NOT_FOUND, NOT_A_FILE; FILE_CHANGED if its state is not that of the window's `etag`.
    """
    with os_errors_as_refusals(path.name), opened(path, FILE) as descriptor:
        return _read(descriptor, window, content_type or content_type_of(path.name))


def read_part_within(root: Path, path: str, window: ByteRange) -> FilePart:
    """Return a part of a file below `root`, at a path that a client sent. Blocks.

    Raises:
        Refusal: as `read_part` does; INVALID_PATH.
    """
    *above, name = split_path(path)
    with os_errors_as_refusals(path), opened_folder(root, above) as within, opened(name, FILE, within) as descriptor:
        return _read(descriptor, window, content_type_of(name))


def content_type_of(name: str) -> str:
    """Return the content type for the name of a file; compressed and unknown files have the generic type."""
    kind, encoding = _TYPES.guess_type(f"/{name}")
    return DEFAULT_CONTENT_TYPE if encoding or not kind else kind


def modified_at(status: os.stat_result) -> datetime:
    """Return the time when a file was last modified."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # the owner may set a time that `datetime` cannot represent
        return datetime.fromtimestamp(0, UTC)


def etag_of(status: os.stat_result) -> str:
    """Return the tag of a file, which changes with the file."""
    # The ctime, since a process that changes a file can set its mtime back, but not its ctime.
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_ctime_ns:x}"


def _read(descriptor: int, window: ByteRange, content_type: str) -> FilePart:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Refusal(Code.NOT_A_FILE, "This is not a regular file.")
    etag = etag_of(status)
    if window.etag not in (None, etag):
        raise Refusal(Code.FILE_CHANGED, "The file has changed since it was first read. Start the download again.")
    return FilePart(
        size_bytes=status.st_size,
        modified_at=modified_at(status),
        etag=etag,
        content_type=content_type,
        data=os.pread(descriptor, window.length, window.offset),
    )
