"""Selection of what a stream sends by name: `?types=session.*,task.created`."""

from collections.abc import Callable

from contracts.event_types import Selected, selection

from gateway.problems import EdgeCode, Problem

OTHERS = frozenset({"text_delta", "connected", "heartbeat", "gap", "error"})
"""What streams send beside events."""


def wanted(types: str | None, default: str, alias: Callable[[str], str] = str) -> Selected:
    """Return a predicate on the names of events: names with `*` for any letters, separated by commas.

    `alias` returns the name that the stream itself uses for an event, by which it can be selected too.

    Raises:
        Problem: `types` is malformed, or one of them matches no event.
    """
    try:
        return selection((types or default).split(","), others=OTHERS, alias=alias)
    except ValueError as reason:
        error = {"loc": ["query", "types"], "msg": str(reason), "type": "types"}
        raise Problem(EdgeCode.VALIDATION_ERROR, f"types: {reason}.", errors=[error]) from None
