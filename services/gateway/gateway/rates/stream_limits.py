"""How many streams a user may have open, as the setting STREAMS_PER_USER writes it."""

from typing import Self, get_args

from contracts.identity.values import Role

DEFAULT_LIMIT = 50
_ROLES: tuple[Role, ...] = get_args(Role.__value__)


class StreamLimits:
    """The limit of each role."""

    def __init__(self, by_role: dict[str, int]) -> None:
        self.by_role = by_role

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the limits of a setting like `50, admin=200`. One without a role applies to all other roles.

        Raises:
            ValueError: it is not of this form, or has a role twice or an unknown role.
        """
        found: dict[str, int] = {}
        for entry in map(str.strip, text.split(",")):
            role, equals, number = entry.rpartition("=")
            role = role.strip() if equals else ""
            if role in found or (equals and role not in _ROLES):
                raise ValueError(f"{role or entry} is given twice, or is not a role")
            found[role] = _positive(number.strip())
        default = found.pop("", DEFAULT_LIMIT)
        return cls(dict.fromkeys(_ROLES, default) | found)

    def of(self, role: Role) -> int:
        """Return how many streams a user with a role may have open."""
        return self.by_role[role]


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ValueError("must be a number from 1 on, or numbers by role like 50, admin=200")
    return int(text)
