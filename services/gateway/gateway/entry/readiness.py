"""The readiness of this gateway, which is about itself alone, and the report about the whole system."""

import asyncio

from contracts.catalogue import SERVICES
from contracts.messages import ping_query
from runtime.bus import Bus, Unavailable
from runtime.bus.envelope import Envelope
from runtime.http.health import Health, NotReady

from gateway.clients.auth.keys import Keys
from gateway.clients.auth.revocations import Revocations

PINGS = {service: ping_query(service)() for service in SERVICES}
"""The query that asks each service for the state of its own dependencies."""


class Readiness:
    """Whether this gateway can answer requests. It can while other services cannot: then theirs get errors."""

    def __init__(self, bus: Bus, keys: Keys, revocations: Revocations) -> None:
        self.bus, self.keys, self.revocations = bus, keys, revocations
        self.closed: str | None = None
        """Why requests should not be sent here, although they would be answered."""
        self.health = Health({"bus": bus.check, "keys": self._check_keys, "revocations": self._check_revocations})
        self.health.checks["open"] = self._check_open

    async def of_system(self) -> dict[str, str]:
        """Return the state of this gateway, of each service, and of the services' dependencies as they report them."""
        reports = await asyncio.gather(self.health.report(), *(self._of_service(name) for name in PINGS))
        return {name: result for report in reports for name, result in report.items()}

    async def _of_service(self, name: str) -> dict[str, str]:
        found: dict[str, str] = {}

        async def ask() -> None:
            try:
                found.update(await self.bus.ask(PINGS[name], Envelope.begin()))
            except Unavailable:
                raise NotReady("the service does not reply") from None

        report = await Health({name: ask}).report()
        return report | {f"{name}_{dependency}": result for dependency, result in found.items()}

    async def _check_keys(self) -> None:
        if not self.keys.published:
            raise NotReady("the keys of access tokens are not loaded yet")

    async def _check_revocations(self) -> None:
        if not self.revocations.known:
            raise NotReady("the revoked tokens are not loaded yet")

    async def _check_open(self) -> None:
        if self.closed:
            raise NotReady(self.closed)
