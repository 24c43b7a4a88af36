"""The settings of the identity service."""

from pathlib import Path
from typing import Annotated, Self

import runtime.settings
from eventing.bus.streams import MIN_STREAM_BYTES
from eventing.service import ServiceSettings
from pydantic import AfterValidator, EmailStr, Field, PositiveInt, model_validator
from runtime.bus.nkeys import ACCOUNT, KeyPair
from runtime.settings import MAY_BE_EMPTY

from identity.credentials.passwords import is_common


def _uncommon(password: str) -> str:
    if is_common(password):
        raise ValueError("is one of the most common passwords. Choose another one, or unset it to have one generated")
    return password


class KeySettings(runtime.settings.Settings):
    """The setting that a rotation of the keys needs."""

    key_ring_file: Path


class DatabaseSettings(runtime.settings.Settings):
    """The settings that the pruning of the audit log needs: one of the two."""

    database_url: str | None = Field(default=None, repr=False)
    migration_database_url: str | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if not self.url:
            raise ValueError("MIGRATION_DATABASE_URL must be set")
        return self

    @property
    def url(self) -> str:
        """The URL with the role that owns the tables, if there are two."""
        return self.migration_database_url or self.database_url or ""


def _issuer(seed: str) -> str:
    if KeyPair.of_seed(seed).kind != ACCOUNT:
        raise ValueError("must be the seed of an account of NATS, which begins with SA")
    return seed


class Settings(ServiceSettings):
    """The settings; `admin_password` is used only if there is no administrator, and generated if it is not set.

    `login_failures_per_account` and `login_failures_per_address` limit the failed logins of 15 minutes.
    `bus_issuer_seed` signs what bus users may do; without it there are none. `bus_url` is where they reach NATS. Their
    events stay on the bus for `bus_retention_seconds`, and up to `bus_max_bytes`; the oldest are dropped.
    """

    key_ring_file: Path
    registration_open: bool = True
    admin_email: EmailStr = "admin@localhost.localdomain"
    admin_password: Annotated[str, Field(min_length=8, max_length=1024), AfterValidator(_uncommon)] | None = Field(
        default=None, repr=False
    )
    first_admin_file: Path | None = None
    login_failures_per_account: PositiveInt = 10
    login_failures_per_address: PositiveInt = 100
    bus_issuer_seed: Annotated[Annotated[str, AfterValidator(_issuer)] | None, MAY_BE_EMPTY] = Field(
        default=None, repr=False
    )
    bus_url: str | None = None
    bus_retention_seconds: float = Field(default=7 * 24 * 3600.0, ge=60, le=365 * 24 * 3600)
    bus_max_bytes: int = Field(default=2**28, ge=MIN_STREAM_BYTES)
