"""Where the ring of master keys is, which wrap the data keys of aggregates."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from runtime.secrets.key_ring import KeyRing, KeyRingFile, Ring
from runtime.settings import Settings


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

    def key_ring(self) -> Ring:
        """Return a function that returns the present ring.

        Raises:
            InvalidKeyRing: the ring cannot be used.
        """
        if self.secrets_key_file:
            return KeyRingFile(self.secrets_key_file, "SECRETS_KEY_FILE")
        ring = KeyRing.parse(self.secrets_keys or "", "SECRETS_KEYS")
        return lambda: ring
