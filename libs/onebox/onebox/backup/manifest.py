"""What a backup says about itself, and the file of keys beside it."""

import hashlib
from datetime import datetime
from importlib.metadata import version
from io import BufferedReader
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from onebox.backup import BackupFailed

FORMAT = 1
RELEASE = version("agentapi-onebox")
MAX_KEYS_BYTES = 2**20


class Manifest(BaseModel):
    """The first member of a backup."""

    format: int = FORMAT
    product: str = RELEASE
    created_at: datetime
    postgres: int
    """The major version of PostgreSQL that the dump needs."""
    migrations: dict[str, list[str]]
    """The migrations that were applied, by service."""

    def check(self) -> None:
        """Check that this release can restore the backup.

        Raises:
            BackupFailed: a later release made it.
        """
        if self.format > FORMAT or _numbers(self.product) > _numbers(RELEASE):
            raise BackupFailed(
                f"The backup was made by release {self.product} (format {self.format}), and this is {RELEASE} (format "
                f"{FORMAT}). Restore it with that release, or a later one."
            )


class End(BaseModel):
    """The last member of a backup."""

    gone: list[tuple[str, str]]
    """Top-level entries that were saved, but deleted before the state that the dump has: a folder, and a name in it."""


class Keys(BaseModel):
    """The file of keys: the key rings by name, and what belongs to them."""

    format: int = FORMAT
    sha256: str
    """Of the backup."""
    unpacked_bytes: int = Field(ge=0)
    rings: dict[str, str]

    @classmethod
    def read(cls, file: Path) -> "Keys":
        """Read the file.

        Raises:
            BackupFailed: there is none, or it is something else.
        """
        try:
            with file.open("rb") as opened:
                return cls.model_validate_json(opened.read(MAX_KEYS_BYTES))
        except FileNotFoundError:
            raise BackupFailed(f"{file} is missing. It has the keys of the backup: put it beside it.") from None
        except ValidationError:
            raise BackupFailed(f"{file} is not the file of keys of a backup.") from None

    def check(self, backup: BufferedReader, name: Path) -> None:
        """Check that the backup is complete, unchanged and the one that these keys belong to.

        Raises:
            BackupFailed: it is not.
        """
        if hashlib.file_digest(backup, "sha256").hexdigest() != self.sha256:
            raise BackupFailed(f"{name} is incomplete or was changed, or {name}.keys belongs to another backup.")
        backup.seek(0)


def keys_of(backup: Path) -> Path:
    """Return the path of the file of keys of a backup."""
    return backup.with_name(f"{backup.name}.keys")


def _numbers(release: str) -> list[int]:
    return [int(part) for part in release.split(".") if part.isdecimal()]
