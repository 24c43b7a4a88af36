"""The quotas of each role, as the setting QUOTAS writes them, and the quotas of a user."""

from collections.abc import Mapping
from typing import Self, get_args
from uuid import UUID

from contracts.identity.values import Quotas, Role
from eventing.database import Connection, Database
from pydantic import ByteSize, TypeAdapter, ValidationError

ROLES: tuple[Role, ...] = get_args(Role.__value__)
NAMES = tuple(Quotas.model_fields)
DEFAULTS = {"concurrent_runs": "5"}
UNLIMITED = "none"
FORM = (
    "must be quotas like concurrent_runs=5, admin.concurrent_runs=none, sessions_per_month=1000, storage_bytes=10GiB, "
    "budget_per_month_usd=50"
)

COLUMNS = ", ".join(NAMES)
LIMITS = f"""
    SELECT {", ".join(f"coalesce(a.{name}, r.{name}) AS {name}" for name in NAMES)}
    FROM (SELECT $1::uuid AS user_id, $2::text AS role) AS u
    LEFT JOIN accounts AS a ON a.user_id = u.user_id
    LEFT JOIN role_quotas AS r ON r.role = coalesce(a.role, u.role)"""  # noqa: S608  no input
STORE = f"""
    INSERT INTO role_quotas (role, {COLUMNS}) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (role) DO UPDATE SET ({COLUMNS}) = ROW ({", ".join(f"excluded.{name}" for name in NAMES)})"""  # noqa: S608  no input


class Rules:
    """The quotas by role; None is unlimited."""

    def __init__(self, by_role: Mapping[Role, Quotas]) -> None:
        self.by_role = by_role

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rules of a setting: `quota=limit` for all roles, or `role.quota=limit`, separated by commas.

        Raises:
            ValueError: it is not of the form, or names a quota twice, or one that does not exist.
        """
        limits: dict[str, str] = {}
        for entry in filter(None, map(str.strip, text.split(","))):
            name, equals, limit = entry.partition("=")
            if not equals or name.strip() not in _NAMES or name.strip() in limits:
                raise ValueError(f"{FORM}; not {entry[:100]}")
            limits[name.strip()] = limit.strip()
        return cls({role: _quotas(role, DEFAULTS | limits) for role in ROLES})

    async def store(self, connection: Connection) -> None:
        """Store the rules, so that all replicas and `limits_of` use the same: those of the replica started last."""
        for role, quotas in self.by_role.items():
            await connection.execute(STORE, role, *(getattr(quotas, name) for name in NAMES))


async def limits_of(database: Connection | Database, user_id: UUID, role: Role) -> Quotas:
    """Return the limits of a user: the user's own ones where they are set, else those of the role; None is unlimited.

    The role is that of the account; until an event of the account was read, it is `role`.
    Before the service has stored its rules, everything that is not set for the user is unlimited.
    """
    row = await database.fetchrow(LIMITS, user_id, role)
    return Quotas.model_validate(dict(row or {}))


_NAMES = frozenset({*NAMES, *(f"{role}.{name}" for role in ROLES for name in NAMES)})


def _quotas(role: Role, limits: Mapping[str, str]) -> Quotas:
    own = {name: limits.get(f"{role}.{name}", limits.get(name, UNLIMITED)) for name in NAMES}
    try:
        if own["storage_bytes"] != UNLIMITED:
            own["storage_bytes"] = str(int(TypeAdapter(ByteSize).validate_python(own["storage_bytes"])))
        return Quotas.model_validate({name: None if limit == UNLIMITED else limit for name, limit in own.items()})
    except ValidationError as error:
        raise ValueError(f"{FORM}; {error.errors()[0]['msg']}") from None
