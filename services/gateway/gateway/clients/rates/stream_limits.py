"""How many streams a user may have open, as the setting STREAMS_PER_USER writes it."""

from typing import Self

from contracts.identity.values import ROLES, Role
from runtime.named_values import NamedValues

DEFAULT_LIMIT, MAX_LIMIT = 50, 1_000_000
_OTHERS = ""
"""The name of the limit that is written without a role."""


class StreamLimits:
    """The limit of each role."""

    def __init__(self, by_role: dict[Role, int]) -> None:
        self.by_role = by_role

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the limits of a setting like `50, admin=200`. One without a role applies to all other roles.

        Raises:
            ValueError: see `NamedValues`.
        """
        found = _LIMITS.parse(text)
        default = found.get(_OTHERS, DEFAULT_LIMIT)
        return cls({role: found.get(role, default) for role in ROLES})

    def of(self, role: Role) -> int:
        """Return how many streams a user with a role may have open."""
        return self.by_role[role]


def _limit(_name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LIMIT)) and 0 < int(text) <= MAX_LIMIT):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


_LIMITS = NamedValues(_limit, example="50, admin=200", alone=ROLES, unnamed=_OTHERS)
