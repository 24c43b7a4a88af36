"""The clock and the source of ids: the two inputs that pure code must be passed."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


def now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  the only place that reads the clock


def new_id() -> UUID:
    """Return a new UUID of version 7 (RFC 9562), which sorts by time of creation."""
    return uuid_utils.compat.uuid7()
