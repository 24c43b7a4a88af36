"""One attempt at a keyed request: exactly one gateway at a time works on it, and stores how it ended."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid5

from runtime import clock
from runtime.bus import Unavailable
from runtime.logging import get_logger

from gateway.entry.idempotency.keys import KeyedRequest
from gateway.entry.idempotency.records import Record, Records, State, Stored
from gateway.entry.idempotency.responses import StoredResponse
from gateway.ids import DerivedIds
from gateway.problems import EdgeCode, Problem
from gateway.routing.api_route import ACCOUNT_PREFIX

log = get_logger()

LEASE_SECONDS, RENEWAL_SECONDS = 5.0, 1.5
"""How long a request counts as running after its gateway has said so, and how often it says so."""
GETS_NEW_TOKENS = frozenset({f"{ACCOUNT_PREFIX}login", f"{ACCOUNT_PREFIX}refresh"})
"""The paths where a repetition is carried out as a new request."""
MAX_READS = 5
"""Maximum number of reads of a record while other gateways change it."""
RETRY_AFTER = 1


@dataclass
class Attempt:
    """The attempt of this gateway. If it works on the request without a lease, nothing of it is `stored`."""

    records: Records
    request: KeyedRequest
    digest: str
    began: int
    stored: Stored | None
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def ids(self) -> DerivedIds | None:
        """The ids of what it creates and sends; None for a request that gets new tokens each time."""
        if self.request.path in GETS_NEW_TOKENS:
            return None
        request = self.request.id
        # Clients without an account may share an address, and so a key that is not random.
        return DerivedIds(request if self.request.authenticated else uuid5(request, self.digest), self.began)

    async def stay_alive(self) -> None:
        """Renew the lease until it is lost, or until the attempt has ended."""
        while self.stored:
            await asyncio.sleep(RENEWAL_SECONDS)
            await self._write(_running(self.began, self.digest))

    async def open(self) -> None:
        """End the attempt: a repetition continues the request."""
        await self._end("open")

    async def free(self) -> None:
        """End the attempt, in which nothing was begun: the key may be used for another request."""
        await self._end("free")

    async def answer(self, response: StoredResponse, *, secret: bool) -> None:
        """End the attempt: repetitions get the response, or continue the request if it must not be stored."""
        may_store = self.records.usage.stores_responses(self.request)
        if may_store and (sealed := self.records.seals.seal(response, self.request, self.digest, secret=secret)):
            await self._end("answered", *sealed)
        else:
            await self.open()

    async def _end(self, state: State, key_id: str | None = None, content: bytes = b"") -> None:
        await self._write(Record(state=state, began=self.began, digest=self.digest, key_id=key_id, content=content))
        self.stored = None

    async def _write(self, record: Record) -> None:
        async with self._writing:  # a renewal must not come between reading and writing `stored`
            if not self.stored:
                return
            try:
                self.stored = await self.records.write(self.request, record, self.stored)
            except Unavailable as error:  # a repetition continues the request when the lease has expired
                log.warning("keyed request not recorded", error=str(error))


async def begin(records: Records, request: KeyedRequest, digest: str) -> Attempt | StoredResponse:
    """Begin or continue a request, or return the response to it.

    Raises:
        Problem: the key was used for another request, the request is running, or its user has too many records.
        Unavailable: the bus does not answer.
    """
    stored = await _read_if_full(records, request)
    if not stored and records.usage.is_full(request):
        return Attempt(records, request, digest, _began(None), None)
    for _ in range(MAX_READS):
        if stored and _is_answered(stored.record, request, digest):
            response = records.seals.open(stored.record.key_id, stored.record.content, request, digest)
            if response and response.variant == request.variant:
                return response
            # Keep the response: another client may be able to open it.
            return Attempt(records, request, digest, stored.record.began, None)
        began = _began(stored)
        if written := await records.write(request, _running(began, digest), stored):
            return Attempt(records, request, digest, began, written)
        stored = await records.read(request)
    raise _in_use()


async def begin_open(records: Records, request: KeyedRequest, digest: str) -> Attempt:
    """Begin or continue a request that any number of attempts may work on at the same time. Raises as `begin` does."""
    stored = await _read_if_full(records, request)
    for _ in range(MAX_READS):
        if stored and stored.record.state != "free":
            _check(stored.record, request, digest)
            return Attempt(records, request, digest, stored.record.began, None)
        record = Record(state="open", began=_began(None), digest=digest)
        if written := await records.write(request, record, stored):
            return Attempt(records, request, digest, record.began, written)
        stored = await records.read(request)
    raise _in_use()


async def _read_if_full(records: Records, request: KeyedRequest) -> Stored | None:
    """Return the record of a request that must not add one, or None if there is none or the user may add records.

    Raises:
        Problem: there is none, and the user has too many. Without an account, the request is carried out unrecorded.
    """
    if not records.usage.is_full(request):
        return None
    if not (stored := await records.read(request)) and request.authenticated:
        raise records.usage.refusal()
    return stored


def _began(stored: Stored | None) -> int:
    if stored and stored.record.state != "free":
        return stored.record.began
    return int(clock.now().timestamp() * 1000)


def _is_answered(record: Record, request: KeyedRequest, digest: str) -> bool:
    """Return whether there is a response to a request; if not, it has to be carried out. Raises as `begin` does."""
    if record.state == "free":
        return False
    _check(record, request, digest)
    if record.until and record.until > clock.now():
        raise _in_use()
    return record.state == "answered"


def _check(record: Record, request: KeyedRequest, digest: str) -> None:
    if record.digest != digest:
        detail = f"This key was used for another request to {request.path}. Use a new key for each request."
        raise Problem(EdgeCode.IDEMPOTENCY_KEY_REUSED, detail)


def _running(began: int, digest: str) -> Record:
    until = clock.now() + timedelta(seconds=LEASE_SECONDS)
    return Record(state="running", began=began, digest=digest, until=until)


def _in_use() -> Problem:
    detail = "A request with this key is running. Send it again later to get its response."
    return Problem(EdgeCode.IDEMPOTENCY_KEY_IN_USE, detail, retry_after=RETRY_AFTER)
