"""The settings of the identity service."""

from pathlib import Path

from eventing.service import ServiceSettings
from pydantic import EmailStr, Field


class Settings(ServiceSettings):
    """The settings; `admin_password` is used only if there is no administrator, and generated if it is not set."""

    key_ring_file: Path
    registration_open: bool = True
    admin_email: EmailStr = "admin@localhost.localdomain"
    admin_password: str | None = Field(default=None, min_length=8, max_length=1024, repr=False)
    first_admin_file: Path | None = None
