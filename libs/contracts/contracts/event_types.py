"""The selection of events by type: `session.*,task.created`."""

import re
from collections.abc import Callable, Iterable

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.wire import event_name

EVENT_TYPES = frozenset(event_name(event.subject) for event in PUBLISHED_EVENTS)
"""The types of all events that leave their service."""
MAX_PATTERNS = 32
MALFORMED = f"Must be at most {MAX_PATTERNS} event names separated by commas; * stands for any letters"
_PATTERN = re.compile(r"[a-z_*]{1,64}(\.[a-z_*]{1,64})?")
_KNOWN = frozenset(name.partition(".")[0] for name in EVENT_TYPES)
"""The services whose events are all known; patterns for other services are not checked."""

type Selected = Callable[[str], bool]


def selection(
    patterns: Iterable[str], *, others: frozenset[str] = frozenset(), alias: Callable[[str], str] = str
) -> Selected:
    """Return a predicate on the types of events: `patterns` are types with `*` for any letters.

    `others` are types beside those of events. `alias` returns another name by which a type can be selected, too.

    Raises:
        ValueError: a pattern is malformed or matches no type, or there are too many; the text is for the client.
    """
    patterns = [pattern.strip() for pattern in patterns]
    if len(patterns) > MAX_PATTERNS or not all(map(_PATTERN.fullmatch, patterns)):
        raise ValueError(MALFORMED)
    names = EVENT_TYPES | others | set(map(alias, EVENT_TYPES))
    for pattern in patterns:
        service, dot, _ = pattern.partition(".")
        if (service in _KNOWN or not dot) and pattern != "*" and not any(map(_expression(pattern).fullmatch, names)):
            raise ValueError(f"No event type matches {pattern}; names begin with their service, like session.tool_*")
    if "*" in patterns:
        return lambda _: True
    expression = re.compile("|".join(_expression(pattern).pattern for pattern in patterns))
    return lambda name: bool(expression.fullmatch(name) or expression.fullmatch(alias(name)))


def _expression(pattern: str) -> re.Pattern[str]:
    # Consecutive stars are one star: two would make matching quadratic.
    return re.compile(re.sub(r"\*+", "[a-z_]*", pattern).replace(".", r"\."))
