"""The quotas of each role, as the setting QUOTAS writes them, and the quotas of a user."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Self
from uuid import UUID

from contracts.identity.values import ROLES, Quotas, Role
from eventing.database import Connection, Database
from pydantic import ByteSize, TypeAdapter, ValidationError
from runtime.named_values import NamedValues, of_role

NAMES = tuple(Quotas.model_fields)
DEFAULTS: dict[str, int | Decimal | None] = {"concurrent_runs": 5}
UNLIMITED = "none"
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
            ValueError: see `NamedValues`.
        """
        limits = DEFAULTS | _QUOTAS.parse(text)
        return cls({role: _quotas(role, limits) for role in ROLES})

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


def _quotas(role: Role, limits: Mapping[str, int | Decimal | None]) -> Quotas:
    return Quotas.model_validate({name: of_role(limits, role, name, None) for name in NAMES})


def _limit(name: str, text: str) -> int | Decimal | None:
    if text == UNLIMITED:
        return None
    quota = name.rpartition(".")[2]
    try:
        limit = int(_SIZE.validate_python(text)) if quota == "storage_bytes" else text
        return getattr(Quotas.model_validate({quota: limit}), quota)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].partition(", unable to parse")[0]) from None


_SIZE = TypeAdapter(ByteSize)
_QUOTAS = NamedValues(
    _limit,
    example="concurrent_runs=5, admin.concurrent_runs=none, sessions_per_month=1000, storage_bytes=10GiB, "
    "budget_per_month_usd=50",
    names=NAMES,
)
