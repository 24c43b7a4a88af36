"""A ring of symmetric keys, for secrets that are stored: the first key seals, all of them unseal."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from runtime.logging import get_logger
from runtime.secrets.sealing import KEY_BYTES, SecretUnreadable, seal, unseal
from runtime.starting import CannotStart

FORM = '{"keys": [{"id": "…", "key": "<32 bytes in base64>"}]}, newest first'

log = get_logger()


class InvalidKeyRing(CannotStart):
    """The ring of keys cannot be used."""


@dataclass(frozen=True)
class KeyRing:
    """Keys by id, newest first."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        """Read a ring from JSON; `where` is the variable it comes from, for the error message.

        Raises:
            InvalidKeyRing: it has another form, no key, a key of another length, or an id twice.
        """
        try:
            entries: list[dict[str, Any]] = json.loads(text)["keys"]
            keys = {str(entry["id"]): base64.b64decode(entry["key"], validate=True) for entry in entries}
        except (ValueError, LookupError, TypeError):  # without the cause, which may contain a key
            raise InvalidKeyRing(f"{where}: this is not a ring of keys: {FORM}") from None
        if not keys or len(keys) < len(entries) or {len(key) for key in keys.values()} != {KEY_BYTES}:
            raise InvalidKeyRing(f"{where}: keys need different ids and {KEY_BYTES} bytes each: {FORM}")
        return cls(keys)

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.keys))

    def seal(self, plain: bytes, place: str) -> tuple[str, bytes]:
        """Return a secret that is stored at `place`, sealed with the newest key, and the id of that key."""
        return self.newest, seal(self.keys[self.newest], plain, place)

    def unseal(self, key_id: str, sealed: bytes, place: str) -> bytes:
        """Return a secret that was sealed with the key of this id.

        Raises:
            SecretUnreadable: the ring has no such key, or another one with this id; or the secret was changed or moved.
        """
        if key_id not in self.keys:
            raise SecretUnreadable(f"{place}: the ring has no key {key_id!r}")
        return unseal(self.keys[key_id], sealed, place)


class KeyRingFile:
    """A ring in a file. It is read again when the file changes, so a new key needs no restart."""

    def __init__(self, path: Path, variable: str) -> None:
        """Read the file that a variable names.

        Raises:
            InvalidKeyRing: the ring cannot be used.
        """
        self.path, self._where = path, f"{variable}: {path}"
        self._stamp, self._ring = self._read()

    def __call__(self) -> KeyRing:
        """Return the present ring; the last valid one while the file cannot be read."""
        try:
            if _stamp(self.path) != self._stamp:
                self._stamp, self._ring = self._read()
        except (OSError, InvalidKeyRing) as error:
            log.warning("the changed ring of keys cannot be used", error=str(error))
        return self._ring

    def _read(self) -> tuple[tuple[int, ...], KeyRing]:
        try:
            return _stamp(self.path), KeyRing.parse(self.path.read_text(), self._where)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise InvalidKeyRing(f"{self._where}: the ring of keys cannot be read ({reason})") from None


type Ring = Callable[[], KeyRing]
"""Returns the present ring."""


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
