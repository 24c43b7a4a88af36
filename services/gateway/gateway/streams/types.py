"""Which events a client wants: `?types=session.*,task.created`."""

import re
from collections.abc import Callable

from gateway.problems import EdgeCode, Problem

_PATTERN = re.compile(r"[a-z_*]{1,64}(\.[a-z_*]{1,64})?")
MOST = 32

type Wanted = Callable[[str], bool]


def wanted(types: str | None, otherwise: str) -> Wanted:
    """Give whether an event's name is one of the `types`: names with `*` for any letters, separated by commas.

    Raises:
        Problem: they cannot be understood.
    """
    patterns = [pattern.strip() for pattern in (types or otherwise).split(",")]
    if len(patterns) > MOST or not all(map(_PATTERN.fullmatch, patterns)):
        error = {"loc": ["query", "types"], "msg": "Give names of events, with * for any letters", "type": "types"}
        raise Problem(EdgeCode.VALIDATION_ERROR, "types: Give names of events, with * for any letters.", errors=[error])
    # A run of stars is one star: two would make matching slow.
    one = "|".join(re.sub(r"\*+", "[a-z_]*", pattern).replace(".", r"\.") for pattern in patterns)
    if "*" in patterns:
        return lambda _: True
    return lambda name: re.fullmatch(one, name) is not None
