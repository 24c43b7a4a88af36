"""Names of downloaded files, derived from texts that users and agents wrote."""

import re
import unicodedata

MAX_NAME_BYTES = 180
"""Most file systems allow 255 bytes; browsers and users add to a name."""
_RESERVED = re.compile(r'[<>:"/\\|?*\s]+')
"""Characters that a file system or a shell may interpret, and white space."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
"""Names that Windows reserves for devices, with any suffix."""


def file_name(title: str, suffix: str, default: str) -> str:
    """Return a name for a file with this suffix that is safe on every system, and reads like the title.

    Control and format characters are removed: an override of the text direction could disguise the suffix.
    """
    visible = (char for char in title if char.isspace() or unicodedata.category(char)[0] != "C")
    stem = _RESERVED.sub(" ", "".join(visible)).strip(" .")
    stem = stem.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip(" .")
    if not stem or _DEVICE.fullmatch(stem.partition(".")[0].strip()):
        stem = f"{default} {stem}".strip()
    return stem + suffix
