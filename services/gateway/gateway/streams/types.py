"""Which events a client wants: `?types=session.*,task.created`."""

import re
from collections.abc import Callable

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.wire import event_name

from gateway.problems import EdgeCode, Problem

_PATTERN = re.compile(r"[a-z_*]{1,64}(\.[a-z_*]{1,64})?")
MOST = 32
EVENTS = frozenset(event_name(event.subject) for event in PUBLISHED_EVENTS)
KNOWN = frozenset(name.partition(".")[0] for name in EVENTS)
"""The services all of whose events are known; of others, patterns may say anything."""
OTHERS = frozenset({"text_delta", "connected", "heartbeat", "gap", "error"})

type Wanted = Callable[[str], bool]


def wanted(types: str | None, otherwise: str, called: Callable[[str], str] = str) -> Wanted:
    """Give whether an event's name is one of the `types`: names with `*` for any letters, separated by commas.

    `called` gives the name that the stream itself has for an event; it may be asked for by that, too.

    Raises:
        Problem: they cannot be understood, or one is a name that no event has.
    """
    patterns = [pattern.strip() for pattern in (types or otherwise).split(",")]
    if len(patterns) > MOST or not all(map(_PATTERN.fullmatch, patterns)):
        raise _invalid("Give names of events, with * for any letters")
    names = EVENTS | OTHERS | set(map(called, EVENTS))
    for pattern in patterns:
        service, dot, _ = pattern.partition(".")
        if (service in KNOWN or not dot) and pattern != "*" and not any(map(_expression(pattern).fullmatch, names)):
            raise _invalid(f"No event type matches {pattern}; names begin with their service, like session.tool_*")
    one = re.compile("|".join(_expression(pattern).pattern for pattern in patterns))
    if "*" in patterns:
        return lambda _: True
    return lambda name: bool(one.fullmatch(name) or one.fullmatch(called(name)))


def _expression(pattern: str) -> re.Pattern[str]:
    # A run of stars is one star: two would make matching slow.
    return re.compile(re.sub(r"\*+", "[a-z_]*", pattern).replace(".", r"\."))


def _invalid(why: str) -> Problem:
    error = {"loc": ["query", "types"], "msg": why, "type": "types"}
    return Problem(EdgeCode.VALIDATION_ERROR, f"types: {why}.", errors=[error])
