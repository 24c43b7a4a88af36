"""The ring of master keys, which wrap the data keys of aggregates: the first one wraps, all of them unwrap."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator
from runtime.logging import get_logger
from runtime.settings import Settings
from runtime.starting import CannotStart

from eventing.sealing import KEY_BYTES, SecretUnreadable, seal, unseal

FORM = '{"keys": [{"id": "…", "key": "<32 bytes in base64>"}]}, newest first'

log = get_logger()


class InvalidKeyRing(CannotStart):
    """The ring of master keys cannot be used."""


@dataclass(frozen=True)
class KeyRing:
    """Master keys by id, newest first."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str, where: str) -> "KeyRing":
        """Read a ring from JSON; `where` is the variable it comes from, for the error message.

        Raises:
            InvalidKeyRing: it has another form, no key, a key of another length, or an id twice.
        """
        try:
            entries: list[dict[str, Any]] = json.loads(text)["keys"]
            keys = {str(entry["id"]): base64.b64decode(entry["key"], validate=True) for entry in entries}
        except (ValueError, LookupError, TypeError):  # without the cause, which may contain a key
            raise InvalidKeyRing(f"{where}: this is not a ring of master keys: {FORM}") from None
        if not keys or len(keys) < len(entries) or {len(key) for key in keys.values()} != {KEY_BYTES}:
            raise InvalidKeyRing(f"{where}: keys need different ids and {KEY_BYTES} bytes each: {FORM}")
        return cls(keys)

    @property
    def newest(self) -> str:
        """The id of the key that wraps."""
        return next(iter(self.keys))

    def wrap(self, aggregate: UUID, data_key: bytes) -> tuple[str, bytes]:
        """Return a data key wrapped by the newest master key, and the id of that key."""
        return self.newest, seal(self.keys[self.newest], data_key, _place(aggregate))

    def unwrap(self, aggregate: UUID, key_id: str, wrapped: bytes) -> bytes:
        """Return a data key.

        Raises:
            SecretUnreadable: the ring has no such master key, or another one with this id.
        """
        if key_id not in self.keys:
            raise SecretUnreadable(f"{_place(aggregate)}: the ring has no master key {key_id!r}")
        return unseal(self.keys[key_id], wrapped, _place(aggregate))


class KeyRingFile:
    """A ring in a file. It is read again when the file changes, so a new master key needs no restart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp, self._ring = self._read()

    def __call__(self) -> KeyRing:
        """Return the present ring; the last valid one while the file cannot be read."""
        try:
            if _stamp(self.path) != self._stamp:
                self._stamp, self._ring = self._read()
        except (OSError, InvalidKeyRing) as error:
            log.warning("the changed ring of master keys cannot be used", error=str(error))
        return self._ring

    def _read(self) -> tuple[tuple[int, ...], KeyRing]:
        where = f"SECRETS_KEY_FILE: {self.path}"
        try:
            return _stamp(self.path), KeyRing.parse(self.path.read_text(), where)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise InvalidKeyRing(f"{where}: the ring of master keys cannot be read ({reason})") from None


class SecretsSettings(Settings):
    """Where the ring of master keys is: in a file, or as JSON in the environment (see `KeyRing.parse`)."""

    secrets_keys: str | None = Field(default=None, repr=False)
    secrets_key_file: Path | None = Field(default=None, validate_default=True)

    @field_validator("secrets_key_file")
    @classmethod
    def _one_source(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) == (info.data.get("secrets_keys") is None):
            raise ValueError("set either this variable or SECRETS_KEYS: the ring of master keys, which encrypt secrets")
        return value

    def key_ring(self) -> Callable[[], KeyRing]:
        """Return a function that returns the present ring.

        Raises:
            InvalidKeyRing: the ring cannot be used.
        """
        if self.secrets_key_file:
            return KeyRingFile(self.secrets_key_file)
        ring = KeyRing.parse(self.secrets_keys or "", "SECRETS_KEYS")
        return lambda: ring


def _place(aggregate: UUID) -> str:
    return f"data key of {aggregate}"


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
