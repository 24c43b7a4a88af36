"""Value types of accounts."""

from typing import Literal

type Role = Literal["admin", "user", "viewer"]
