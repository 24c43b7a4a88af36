"""The position of a client in the events: the id of the last event that it has seen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from gateway.problems import EdgeCode, Problem

_NUMBER = re.compile(r"[0-9]{1,18}")
_NAMED = re.compile(r"([a-z_]+)-([0-9]{1,18})")
MAX_LENGTH = 1000
INVALID = "Not an event id of this stream; send the id of an event that you received from it, or 0"


@dataclass
class Cursor:
    """The last sequence number that the client has seen, by service."""

    services: Sequence[str]
    seen: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def parse(cls, text: str, services: Sequence[str]) -> Self:
        """Read an event id: a number for one service, `identity-12.session-345` for several, 0 for the beginning.

        Raises:
            Problem: it is not an id of such a stream.
        """
        if _NUMBER.fullmatch(text) and (len(services) == 1 or int(text) == 0):
            return cls(services, dict.fromkeys(services, int(text)))
        parts = [_NAMED.fullmatch(part) for part in text.split(".")] if len(text) < MAX_LENGTH else [None]
        seen = {part[1]: int(part[2]) for part in parts if part and part[1] in services}
        if len(services) == 1 or len(seen) != len(parts):
            error = {"loc": ["query", "after"], "msg": INVALID, "type": "event_id"}
            raise Problem(EdgeCode.VALIDATION_ERROR, f"after: {INVALID}.", errors=[error])
        return cls(services, dict.fromkeys(services, 0) | seen)

    @classmethod
    def at(cls, seen: Mapping[str, int]) -> Self:
        """Return the cursor of a client that has seen these sequence numbers."""
        return cls(tuple(seen), dict(seen))

    def __str__(self) -> str:
        if len(self.services) == 1:
            return str(self.seen.get(self.services[0], 0))
        return ".".join(f"{service}-{self.seen.get(service, 0)}" for service in self.services)
