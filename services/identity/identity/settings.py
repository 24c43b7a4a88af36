"""The settings of the identity service."""

from pathlib import Path

import runtime.settings
from eventing.service import ServiceSettings
from pydantic import EmailStr, Field, PositiveInt


class KeySettings(runtime.settings.Settings):
    """The setting that a rotation of the keys needs."""

    key_ring_file: Path


class DatabaseSettings(runtime.settings.Settings):
    """The setting that the pruning of the audit log needs."""

    database_url: str


class Settings(ServiceSettings):
    """The settings; `admin_password` is used only if there is no administrator, and generated if it is not set.

    `login_failures_per_account` and `login_failures_per_address` limit the failed logins of 15 minutes.
    """

    key_ring_file: Path
    registration_open: bool = True
    admin_email: EmailStr = "admin@localhost.localdomain"
    admin_password: str | None = Field(default=None, min_length=8, max_length=1024, repr=False)
    first_admin_file: Path | None = None
    login_failures_per_account: PositiveInt = 10
    login_failures_per_address: PositiveInt = 10
