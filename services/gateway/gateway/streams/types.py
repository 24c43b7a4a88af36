"""Selection of events by name: `?types=session.*,task.created`."""

import re
from collections.abc import Callable

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.wire import event_name

from gateway.problems import EdgeCode, Problem

_PATTERN = re.compile(r"[a-z_*]{1,64}(\.[a-z_*]{1,64})?")
MAX_PATTERNS = 32
EVENTS = frozenset(event_name(event.subject) for event in PUBLISHED_EVENTS)
KNOWN = frozenset(name.partition(".")[0] for name in EVENTS)
"""The services whose events are all known; patterns for other services are not checked."""
OTHERS = frozenset({"text_delta", "connected", "heartbeat", "gap", "error"})

type Wanted = Callable[[str], bool]


def wanted(types: str | None, default: str, alias: Callable[[str], str] = str) -> Wanted:
    """Return a predicate on the names of events: names with `*` for any letters, separated by commas.

    `alias` returns the name that the stream itself uses for an event, by which it can be selected too.

    Raises:
        Problem: `types` is malformed, or one of them matches no event.
    """
    patterns = [pattern.strip() for pattern in (types or default).split(",")]
    if len(patterns) > MAX_PATTERNS or not all(map(_PATTERN.fullmatch, patterns)):
        raise _invalid(f"Must be at most {MAX_PATTERNS} event names separated by commas; * stands for any letters")
    names = EVENTS | OTHERS | set(map(alias, EVENTS))
    for pattern in patterns:
        service, dot, _ = pattern.partition(".")
        if (service in KNOWN or not dot) and pattern != "*" and not any(map(_expression(pattern).fullmatch, names)):
            raise _invalid(f"No event type matches {pattern}; names begin with their service, like session.tool_*")
    expression = re.compile("|".join(_expression(pattern).pattern for pattern in patterns))
    if "*" in patterns:
        return lambda _: True
    return lambda name: bool(expression.fullmatch(name) or expression.fullmatch(alias(name)))


def _expression(pattern: str) -> re.Pattern[str]:
    # Consecutive stars are one star: two would make matching quadratic.
    return re.compile(re.sub(r"\*+", "[a-z_]*", pattern).replace(".", r"\."))


def _invalid(reason: str) -> Problem:
    error = {"loc": ["query", "types"], "msg": reason, "type": "types"}
    return Problem(EdgeCode.VALIDATION_ERROR, f"types: {reason}.", errors=[error])
