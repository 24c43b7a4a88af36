"""Time and ids: the two inputs that no pure code may make for itself."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


def now() -> datetime:
    """Give the current time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  the one place


def new_id() -> UUID:
    """Make a UUID of version 7 (RFC 9562): unique, and in the order of time."""
    return uuid_utils.compat.uuid7()
