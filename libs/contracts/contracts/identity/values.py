"""Values that accounts are made of."""

from typing import Literal

type Role = Literal["admin", "user", "viewer"]
