"""How much of the bucket each user's records take, so that nobody can push out the records of others."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

from contracts.wire import IDEMPOTENCY_PREFIX, IDEMPOTENCY_USAGE
from runtime.bus import BUS_ERRORS, Client, Unavailable
from runtime.counters import Counters
from runtime.logging import get_logger

from gateway.idempotency.keys import KeyedRequest
from gateway.problems import EdgeCode, Problem

log = get_logger()

DAY_SECONDS = 24 * 3600
MAX_RESPONSES_BYTES = 2**24
"""Once a user's records take as much on one day, further ones are stored without their responses."""
MAX_RECORDS_BYTES = 2**26
"""Once they take as much, further keyed requests are refused. Two days of one user fill half of the bucket."""
MAX_ANONYMOUS_BYTES = 2**25
"""Once the records of all clients without an account take as much on one day, they get no more. Two days: a quarter."""
OVERHEAD_BYTES = 256
"""What the bus stores of a record besides its value: at most as much, for its subject and its headers."""
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

    The counters are stored in files, as the records are. A gateway judges by the total that it got when it last
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
        return self._total(share) < share.responses

    def is_full(self, request: KeyedRequest) -> bool:
        """Return whether this request must not add a record today."""
        share = Share.of(request)
        return self._total(share) >= share.records

    def refusal(self) -> Problem:
        """Return the problem of a request that is not recorded."""
        seconds = DAY_SECONDS - int(self.clock() % DAY_SECONDS)
        detail = "Too many requests with an Idempotency-Key today. Send it without a key, or tomorrow (UTC)."
        return Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail, retry_after=seconds)

    async def add(self, request: KeyedRequest, size: int) -> None:
        """Count bytes of the record of a request; a negative size takes back what was not stored."""
        if size == 0:
            return
        key = self._key(Share.of(request))
        try:
            total = await self.counters.add(key, size)
        except (Unavailable, *BUS_ERRORS) as error:
            log.warning("records of keyed requests are not counted together", error=repr(error))
            total = self._known.get(key, 0) + size
        self._known[key] = total
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _total(self, share: Share) -> int:
        return self._known.get(self._key(share), 0)

    def _key(self, share: Share) -> str:
        return f"{int(self.clock() // DAY_SECONDS)}.{blake2b(share.name.encode(), digest_size=16).hexdigest()}"
