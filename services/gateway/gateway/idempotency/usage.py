"""How much of the bucket each user's records take, so that nobody can push out the records of others."""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from contracts.wire import IDEMPOTENCY_PREFIX, IDEMPOTENCY_USAGE
from runtime.bus import BUS_ERRORS, Client, Unavailable
from runtime.counters import Counters
from runtime.logging import get_logger

from gateway.problems import EdgeCode, Problem

log = get_logger()

DAY_SECONDS = 24 * 3600
MAX_RESPONSES_BYTES = 2**24
"""Once a user's records take as much on one day, further ones are stored without their responses."""
MAX_RECORDS_BYTES = 2**26
"""Once they take as much, further keyed requests are refused. Two days of one user fill half of the bucket."""
OVERHEAD_BYTES = 256
"""What the bus stores of a record besides its value: at most as much, for its subject and its headers."""
MAX_KNOWN = 20_000


class Usage:
    """Counts the bytes of records by user and day (UTC), on counters of the bus, which all gateways share.

    A gateway judges by the total that it got when it last counted, so that no request waits for the counter. Requests
    at the same moment may exceed a limit together. If the bus cannot count, the gateway counts alone.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.time) -> None:
        self.counters = Counters(client, IDEMPOTENCY_USAGE, IDEMPOTENCY_PREFIX, seconds=2 * DAY_SECONDS)
        self.clock = clock
        self._known: OrderedDict[str, int] = OrderedDict()

    def stores_responses(self, user: str) -> bool:
        """Return whether the responses to this user are stored."""
        return self._total(user) < MAX_RESPONSES_BYTES

    def is_full(self, user: str) -> bool:
        """Return whether no more requests of this user are recorded today."""
        return self._total(user) >= MAX_RECORDS_BYTES

    def refusal(self) -> Problem:
        """Return the problem of a request that is not recorded."""
        seconds = DAY_SECONDS - int(self.clock() % DAY_SECONDS)
        detail = "Too many requests with an Idempotency-Key today. Send it without a key, or tomorrow (UTC)."
        return Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail, retry_after=seconds)

    async def add(self, user: str, size: int) -> None:
        """Count a record whose value has this size."""
        key, size = self._key(user), size + OVERHEAD_BYTES
        try:
            total = await self.counters.add(key, size)
        except (Unavailable, *BUS_ERRORS) as error:
            log.warning("records of keyed requests are not counted together", error=repr(error))
            total = self._known.get(key, 0) + size
        self._known[key] = total
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _total(self, user: str) -> int:
        return self._known.get(self._key(user), 0)

    def _key(self, user: str) -> str:
        # Addresses of clients without an account may hold characters that subjects must not.
        return f"{int(self.clock() // DAY_SECONDS)}.{blake2b(user.encode(), digest_size=16).hexdigest()}"
