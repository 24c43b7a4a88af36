"""Secrets of tests, which are recognised wherever they appear in clear: in files, tables, logs and responses.

A secret that a test chooses contains `PLANTED`. Those that the system issues are recognised by their form.
"""

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

PLANTED = "plantedsecret"
MIN_LENGTH = 16
"""Bytes of a text that is searched for: random content has shorter ones by chance."""
MAX_SHOWN = 20
"""Places that are reported at most."""
_CONTEXT = 40
_VANISHED = ": No such file or directory"
"""The end of the message about a file that an agent, which is just being ended, has removed during the search."""
_TIMEOUT = 120.0


def planted(text: str) -> str:
    """Return a secret that is recognised: `text` distinguishes it from others."""
    return f"{PLANTED}-{text}"


def searchable(text: str) -> bytes:
    """Return a text to search for, encoded.

    Raises:
        ValueError: it is so short that it may be found where nobody wrote it.
    """
    content = text.encode()
    if len(content) < MIN_LENGTH:
        raise ValueError(f"a text of {len(content)} bytes is too short to be searched for")
    return content


def _base64_forms(text: bytes) -> Iterator[str]:
    """Yield what Base64 makes of a text, whatever stands before and after it."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(text)) * 8 // 6
        yield base64.b64encode(bytes(before) + text + bytes(3)).decode()[first:last]


_FORMS = (PLANTED, *_base64_forms(PLANTED.encode()), PLANTED.encode().hex(), PLANTED.encode().hex().upper())
_TOKEN = "[A-Za-z0-9_-]"
_SHAPES = (
    f"agk_[0-9a-f]{{32}}_{_TOKEN}{{43}}",  # an API key
    rf"eyJ{_TOKEN}{{10,}}\.eyJ{_TOKEN}{{10,}}\.{_TOKEN}{{86}}",  # an access token
    rf"[0-9a-f]{{32}}\.{_TOKEN}{{43}}",  # a refresh token or a reset token
    "whsec_[A-Za-z0-9+/]{43}=",  # the secret of a trigger
    f"[?&]link={_TOKEN}{{43}}",  # a link to a report
)
PATTERN = "|".join([*(form.replace("+", r"\+") for form in _FORMS), *_SHAPES])
"""A regular expression for Python and `grep -E`."""
_SECRET = re.compile(PATTERN.encode())
_PARTS = tuple(part.encode() for part in (*_FORMS, "agk_", ".eyJ", "whsec_", "link="))
_END = re.compile(rf"\.{_TOKEN}{{43}}".encode())
"""Each secret contains one of the parts, or this end of a token: to search for them takes a tenth of the time."""


def revealed(content: bytes | str) -> list[str]:
    """Return each secret in a text, with what surrounds it."""
    if isinstance(content, str):
        content = content.encode(errors="replace")
    if not any(part in content for part in _PARTS) and not _END.search(content):
        return []
    return [
        content[max(0, found.start() - _CONTEXT) : found.end() + _CONTEXT].decode(errors="backslashreplace")
        for found in _SECRET.finditer(content)
    ]


def revealed_in_files(folder: Path) -> list[str]:
    """Return the files in a folder with a secret, each with the first one and what surrounds it."""
    # A search of 50 MB takes `grep` 0.2 s, and Python 2 s.
    command = ["grep", "-rlaE", "-D", "skip", "-e", PATTERN, "."]
    found = subprocess.run(  # noqa: S603  no shell
        command, cwd=folder, env={"PATH": os.defpath, "LC_ALL": "C"}, capture_output=True, timeout=_TIMEOUT, check=False
    )
    errors = found.stderr.decode().splitlines()
    only_vanished = bool(errors) and all(line.endswith(_VANISHED) for line in errors)
    if found.returncode not in (0, 1) and not (found.returncode == 2 and only_vanished):
        raise AssertionError(f"the search of {folder} failed ({found.returncode}): {errors}")
    names = sorted(found.stdout.decode().splitlines())[:MAX_SHOWN]
    return [f"{name}: {revealed((folder / name).read_bytes())[0]!r}" for name in names]


def check_files(folder: Path) -> None:
    """Search the files in a folder.

    Raises:
        AssertionError: a secret is in one.
    """
    check_none(str(folder), revealed_in_files(folder))


def check_none(place: str, found: list[str]) -> None:
    """Report the secrets that were found in a place.

    Raises:
        AssertionError: there is one.
    """
    if found:
        raise AssertionError(f"secrets in {place}:\n" + "\n".join(found))
