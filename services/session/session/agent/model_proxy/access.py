"""One agent's access to the model: open during its turns, for the models of its session, within its budget."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import cast

from contracts.refusals import Refusal
from eventing.database import TRANSIENT_ERRORS
from runtime.telemetry import Origin

from session.agent.handover import Handover
from session.agent.model_proxy.body import Request
from session.agent.model_proxy.usage import Meter
from session.ceilings import UNLIMITED, Ceiling
from session.ceilings.model_names import is_listed
from session.quotas.spending import Spending

MAX_CONCURRENT_REQUESTS = 8
"""The number of one agent's requests that are forwarded concurrently; others wait."""
MAX_WAITING_REQUESTS = 64
WAIT_SECONDS = 120.0
MAX_PENDING_BODY_BYTES = 64 * 2**20


class Denied(Exception):
    """A request is not forwarded; the error has a status, the provider's name for the type of error, and a message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


class Access:
    """One agent's access to the model.

    With empty `models`, it may use any model that its `ceiling` allows. `searches` returns whether the provider may
    search the web for it now.
    """

    def __init__(
        self,
        models: tuple[str, ...] = (),
        ceiling: Ceiling = UNLIMITED,
        searches: Callable[[], bool] = lambda: False,
    ) -> None:
        self.meter = Meter()
        self._models, self._ceiling, self._searches = models, ceiling, searches
        self._open, self._budget_usd = False, None
        self.origin = Origin()
        """The trace and the ids of the turn: a request is served by a task that an earlier turn has started."""
        self.spending: Spending | None = None
        self.refusal: Refusal | None = None
        """Why requests of this turn are refused: the user has used up a quota, or is disabled."""
        self._slots, self._requests, self._bytes = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS), 0, 0
        self._handover, self._forwarded = cast(Handover | None, None), 0
        self._active = set[asyncio.Timeout]()
        self.reading = asyncio.Lock()

    @contextmanager
    def turn(
        self, budget_usd: Decimal | None, spending: Spending | None = None, handover: Handover | None = None
    ) -> Generator[None]:
        """Allow and meter requests while the context is open; on exit, cancel those that are still running."""
        self.meter, self._budget_usd, self._open, self._handover = Meter(), budget_usd, True, handover
        self.spending, self.refusal, self.origin = spending, None, Origin()
        try:
            yield
        finally:
            self._open = False
            if handover:
                handover.close()
            self.meter.close()
            while self._active:
                self._active.pop().reschedule(0)

    @property
    def in_use(self) -> bool:
        """Whether the agent waits for the model."""
        return self._requests > 0

    @property
    def exhausted(self) -> bool:
        """Whether this turn has used up its budget."""
        return self._budget_usd is not None and self.meter.cost_usd >= self._budget_usd

    def check(self) -> None:
        """Check that a request may be forwarded now.

        Raises:
            Denied: no turn is running, or its budget is used up.
        """
        if not self._open:
            raise Denied(403, "permission_error", "The model can be used only during a run of the session.")
        if self.exhausted:
            raise Denied(402, "billing_error", "The session reached its `max_budget_usd`.")

    async def check_spending(self) -> None:
        """Check that the user may spend more in this month.

        Raises:
            Denied: the budget is used up, or is not known because the database is not available; the user is disabled.
        """
        try:
            refusal = await self.spending.refusal() if self.spending else None
        except TRANSIENT_ERRORS:
            raise Denied(503, "api_error", "The budget of the user cannot be read at the moment.") from None
        if refusal:
            self.refusal = refusal
            raise Denied(402, "billing_error", refusal.detail)

    @asynccontextmanager
    async def forwarding(self) -> AsyncGenerator[None]:
        """Count a request that is forwarded; it never is if the agent is ended because its replica stops."""
        if self._handover:
            await self._handover.before_request(lambda: not self._forwarded)
        self._forwarded += 1
        try:
            yield
        finally:
            self._forwarded -= 1

    def check_requested(self, requested: Request) -> None:
        """Check that the session may use all models of a request, and let the provider search the web if it asks that.

        Raises:
            Denied: it may not.
        """
        if requested.searches and not self._searches():
            raise Denied(403, "permission_error", "A search of the web was not approved.")
        for model in requested.models:
            listed = not self._models or any(is_listed(model, each) for each in self._models)
            if not (listed and self._ceiling.allows_model(model)):
                offered = ", ".join(self._models or self._ceiling.models or ())
                raise Denied(403, "permission_error", f"The model {model} is not available: use one of {offered}.")

    @asynccontextmanager
    async def request(self, body_bytes: int) -> AsyncGenerator[None]:
        """Hold one of the agent's request slots, for a request whose body has `body_bytes` bytes.

        Raises:
            Denied: the request may not be forwarded now, or the agent has too many requests.
            TimeoutError: the turn is over.
        """
        self.check()
        if (
            self._requests >= MAX_CONCURRENT_REQUESTS + MAX_WAITING_REQUESTS
            or self._bytes + body_bytes > MAX_PENDING_BODY_BYTES
        ):
            raise _too_many_requests()
        self._requests += 1
        self._bytes += body_bytes
        try:
            async with asyncio.timeout(None) as scope:
                self._active.add(scope)
                try:
                    async with self._slot():
                        yield
                finally:
                    self._active.discard(scope)
        finally:
            self._requests -= 1
            self._bytes -= body_bytes

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            self.check()
            raise _too_many_requests() from None
        try:
            self.check()
            yield
        finally:
            self._slots.release()


def _too_many_requests() -> Denied:
    return Denied(429, "rate_limit_error", f"The agent has more than {MAX_CONCURRENT_REQUESTS} concurrent requests.")
