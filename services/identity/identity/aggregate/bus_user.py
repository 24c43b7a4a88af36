"""The rules for users of the bus: what they are called, and which events they receive."""

from contracts.event_types import EVENT_TYPES, MAX_PATTERNS, selection
from contracts.identity.bus_user import BusUserCreated
from contracts.identity.values import Role
from contracts.refusals import Code, Refusal

MAX_BUS_USERS = 20
"""Bus users of one account."""


def check_creation(created: BusUserCreated, role: Role, others: int) -> None:
    """Check a bus user that an account with this role, and `others` already, wants to create.

    Raises:
        Refusal: INVALID_EVENT_NAME; ADMINS_ONLY if another role wants the events of all users; TOO_MANY_BUS_USERS.
    """
    if not 0 < len(created.types) <= MAX_PATTERNS:
        raise Refusal(Code.INVALID_EVENT_NAME, f"types: must have 1 to {MAX_PATTERNS} types of events.")
    for pattern in created.types:  # each has to match an event of this release, so that no typing error is kept
        _check_type(pattern)
    if created.all_users and role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "Only administrators get the events of all users.")
    if others >= MAX_BUS_USERS:
        detail = f"The account has {MAX_BUS_USERS} bus users, which is the limit. Revoke one first."
        raise Refusal(Code.TOO_MANY_BUS_USERS, detail)


def _check_type(pattern: str) -> None:
    try:
        types = selected_types([pattern])
    except ValueError as reason:
        raise Refusal(Code.INVALID_EVENT_NAME, f"types: {reason}.") from None
    if not types:
        raise Refusal(Code.INVALID_EVENT_NAME, f"types: no event type matches {pattern}; see `/docs/events`.")


def selected_types(patterns: list[str]) -> list[str]:
    """Return the types of events that patterns select.

    Raises:
        ValueError: a pattern is malformed or matches no type.
    """
    return sorted(filter(selection(patterns), EVENT_TYPES))
