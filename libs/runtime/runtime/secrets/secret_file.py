"""Secrets in files, as containers get them."""

import stat
from pathlib import Path

MAX_BYTES = 64 * 1024


def read_secret(path: Path, *, may_be_empty: bool = False) -> str:
    """Return the text in a file, without the line breaks at its end.

    Raises:
        ValueError: it is no file, cannot be read, has more than 64 KiB, no UTF-8, or no text unless it may be empty.
            The message contains neither the text nor the path, which may be a secret, too, if somebody mistook one for
            the other.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
            raise ValueError("this is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES} bytes")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("the file does not contain UTF-8 text") from None
    if not text and not may_be_empty:
        raise ValueError("the file is empty")
    return text
