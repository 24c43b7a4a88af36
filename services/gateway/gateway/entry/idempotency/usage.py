"""How much of the bucket each user's records take, so that nobody can push out the records of others."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

from contracts.wire import IDEMPOTENCY_PREFIX, IDEMPOTENCY_USAGE
from runtime.bus import BUS_ERRORS, Client, Unavailable
from runtime.bus.counters import Counters
from runtime.logging import get_logger

from gateway.entry.idempotency.keys import KeyedRequest
from gateway.problems import EdgeCode, Problem

log = get_logger()

DAY_SECONDS = 24 * 3600
MAX_RESPONSES_BYTES = 2**24
"""Once a user's records take as much on one day, further ones are stored without their responses."""
MAX_RECORDS_BYTES = 2**26
"""Once they take as much, further keyed requests are refused. Two days of one user fill half of the bucket."""
MAX_ANONYMOUS_BYTES = 2**25
"""Once the records of all clients without an account take as much on one day, they get no more. Two days: a quarter."""
MAX_DAY_BYTES = 2**27
"""Once the records of all together take as much on one day, none has a response. Two days fill the bucket."""
MAX_PART = 4
"""One user's records with responses may take at most 1/MAX_PART of what is left of `MAX_DAY_BYTES`.

So they take less where many users store some: each of `n` users at most one of `n + MAX_PART` parts of the day.
"""
EVERYBODY = "everybody"
"""The name under which the records of all are counted together."""
OVERHEAD_BYTES = 256
"""Upper bound of the bytes that the bus stores for a record besides its value: its subject and headers."""
MAX_KNOWN = 20_000


@dataclass(frozen=True)
class Share:
    """Whose records are counted together, and how many bytes they may take on one day, with and without responses."""

    name: str
    responses: int
    records: int

    @classmethod
    def of(cls, request: KeyedRequest) -> Self:
        """Return the share that a request counts for: that of its user, or the one of all clients without an account.

        A client without an account may have any number of addresses, so a share for each would limit nobody.
        """
        if request.authenticated:
            return cls(request.user, MAX_RESPONSES_BYTES, MAX_RECORDS_BYTES)
        return cls("anonymous", MAX_ANONYMOUS_BYTES, MAX_ANONYMOUS_BYTES)


class Usage:
    """Counts the bytes of records by share and day (UTC), on counters of the bus, which all gateways have in common.

    The counters are stored in files, as the records are. A gateway judges by the totals that it got when it last
    counted. Requests at the same moment may exceed a limit together. If the bus cannot count, the gateway counts alone.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.time) -> None:
        seconds = 2 * DAY_SECONDS
        self.counters = Counters(client, IDEMPOTENCY_USAGE, IDEMPOTENCY_PREFIX, seconds=seconds, durable=True)
        self.clock = clock
        self._known: OrderedDict[str, int] = OrderedDict()

    def stores_responses(self, request: KeyedRequest) -> bool:
        """Return whether the response to this request may be stored."""
        share = Share.of(request)
        return self._total(share.name) < min(share.responses, self._free // MAX_PART)

    def is_full(self, request: KeyedRequest) -> bool:
        """Return whether this request must not add a record today."""
        share = Share.of(request)
        return self._total(share.name) >= share.records

    def refusal(self) -> Problem:
        """Return the problem of a request that is not recorded."""
        seconds = DAY_SECONDS - int(self.clock() % DAY_SECONDS)
        detail = "Too many requests with an Idempotency-Key today. Send it without a key, or tomorrow (UTC)."
        return Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail, retry_after=seconds)

    def add(self, request: KeyedRequest, size: int) -> Awaitable[object]:
        """Count bytes of the record of a request; a negative size takes back what was not stored.

        The counting is begun before what the caller begins next.
        """
        names = (Share.of(request).name, EVERYBODY) if size else ()
        return asyncio.gather(*(self._count(self._key(name), size) for name in names))

    async def _count(self, key: str, size: int) -> None:
        try:
            total = await self.counters.add(key, size)
        except (Unavailable, *BUS_ERRORS) as error:
            log.warning("records of keyed requests are not counted together", error=repr(error))
            total = self._known.get(key, 0) + size
        self._known[key] = total
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    @property
    def _free(self) -> int:
        return max(0, MAX_DAY_BYTES - self._total(EVERYBODY))

    def _total(self, name: str) -> int:
        return self._known.get(self._key(name), 0)

    def _key(self, name: str) -> str:
        return f"{int(self.clock() // DAY_SECONDS)}.{blake2b(name.encode(), digest_size=16).hexdigest()}"
