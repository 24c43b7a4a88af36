"""What the identity service can be told."""

from pathlib import Path

from eventing.service import ServiceSettings
from pydantic import EmailStr, Field


class Settings(ServiceSettings):
    """`admin_password` is asked for only when there is no administrator yet; without it one is made up."""

    key_ring_file: Path
    registration_open: bool = True
    admin_email: EmailStr = "admin@localhost.localdomain"
    admin_password: str | None = Field(default=None, min_length=8, max_length=1024, repr=False)
    first_admin_file: Path | None = None
