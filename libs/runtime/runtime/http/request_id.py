"""The id of an HTTP request, which its response, its log lines and all messages that it causes share."""

import re

from runtime import clock

HEADER = "x-request-id"
_VALID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def accepted_or_new(value: str) -> str:
    """Return the id that a client sent if it is well-formed, so that it can be logged, or else a new one."""
    return value if _VALID.fullmatch(value) else str(clock.new_id())
