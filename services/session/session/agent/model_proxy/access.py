"""One agent's access to the model: open during its turns, for the models of its session, as long as there is money."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal

from session.agent.model_proxy.usage import Meter

MAX_CONCURRENT_REQUESTS = 8
"""So many requests of one agent are with the provider; more wait for their turn."""
MAX_WAITING_REQUESTS = 64
WAIT_SECONDS = 120.0
MAX_PENDING_BODY_BYTES = 64 * 2**20
FAMILIES = ("fable", "haiku", "opus", "sonnet")
"""Names that Claude Code takes for the newest model of a family."""
LONG_CONTEXT = "[1m]"
"""Follows the name of a model in Claude Code, and is no part of what it asks the provider for."""


class Denied(Exception):
    """A request is not passed on: the status, the provider's word for the kind of error, and why."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


class Access:
    """What one agent may ask of the model. Without `models` it may ask any."""

    def __init__(self, models: tuple[str, ...] = ()) -> None:
        self.meter = Meter()
        self._models = models
        self._open, self._budget_usd = False, None
        self._slots, self._requests, self._bytes = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS), 0, 0
        self._active = set[asyncio.Timeout]()
        self.reading = asyncio.Lock()

    @contextmanager
    def turn(self, budget_usd: Decimal | None) -> Generator[None]:
        """Let requests pass, and count what they use, until leaving; then break off those that are still under way."""
        self.meter, self._budget_usd, self._open = Meter(), budget_usd, True
        try:
            yield
        finally:
            self._open = False
            self.meter.close()
            while self._active:
                self._active.pop().reschedule(0)

    @property
    def exhausted(self) -> bool:
        """Whether this turn has used the money that there was for it."""
        return self._budget_usd is not None and self.meter.cost_usd >= self._budget_usd

    def check(self) -> None:
        """See that a request may pass now.

        Raises:
            Denied: no turn is going on, or its money is used up.
        """
        if not self._open:
            raise Denied(403, "permission_error", "The model can be used only while a run of the session is going on.")
        if self.exhausted:
            raise Denied(402, "billing_error", "The session reached its max_budget_usd.")

    def check_models(self, requested: list[str]) -> None:
        """See that all these models may be requested.

        Raises:
            Denied: the session may not use one of them.
        """
        for model in requested:
            if self._models and not any(_matches(model, listed) for listed in self._models):
                offered = ", ".join(self._models)
                raise Denied(403, "permission_error", f"The model {model} is not offered here: use one of {offered}.")

    @asynccontextmanager
    async def request(self, body_bytes: int) -> AsyncGenerator[None]:
        """Hold one of the agent's places at the provider, for a request with a body of so many bytes.

        Raises:
            Denied: it may not pass now, or too much of the same agent is under way.
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


def _matches(model: str, listed: str) -> bool:
    name = listed.removesuffix(LONG_CONTEXT)
    return model == name or (name in FAMILIES and model.startswith("claude-") and name in model)


def _too_many_requests() -> Denied:
    return Denied(429, "rate_limit_error", f"The agent has more than {MAX_CONCURRENT_REQUESTS} requests under way.")
