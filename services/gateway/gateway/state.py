"""The parts of the gateway that routes use."""

from dataclasses import dataclass
from functools import partial
from typing import Self, cast

from contracts.wire import OPEN_STREAMS, OPEN_STREAMS_PREFIX, RATE_LIMITS, RATE_PREFIX
from runtime import clock
from runtime.bus import Bus, Client
from runtime.bus.counters import Counters
from runtime.bus.holdings import Holdings
from runtime.metrics import Scrapes
from starlette.requests import HTTPConnection, Request

from gateway.clients.api_calls import ApiCalls
from gateway.clients.auth.api_keys import ApiKeys
from gateway.clients.auth.keys import Keys
from gateway.clients.auth.revocations import Revocations
from gateway.clients.auth.tokens import Tokens
from gateway.clients.presence import disconnected
from gateway.clients.rates.limiter import RETENTION_SECONDS, Limiter
from gateway.clients.rates.request_slots import RequestSlots
from gateway.clients.rates.rules import Rules
from gateway.clients.rates.stream_limits import StreamLimits
from gateway.entry.audit_reports import AuditReports
from gateway.entry.idempotency.records import Records
from gateway.entry.metrics import measure_sessions
from gateway.entry.parts import Parts
from gateway.entry.readiness import Readiness
from gateway.server_files.parser import FileParser
from gateway.settings import Settings
from gateway.streams.fan_out import Streams
from gateway.streams.open_streams import EXPIRY_SECONDS, OpenStreams
from gateway.waiting import Disconnected, Waits
from gateway.waiting.checks import Checks
from gateway.waiting.reports import Reports
from gateway.waiting.runs import Runs


@dataclass(frozen=True)
class Gateway(Parts):
    """The parts of this process, created once."""

    settings: Settings
    keys: Keys
    revocations: Revocations
    api_keys: ApiKeys
    waits: Waits
    runs: Runs
    reports: Reports
    checks: Checks
    files: FileParser
    streams: Streams
    scrapes: Scrapes
    readiness: Readiness

    @classmethod
    def on(cls, client: Client, settings: Settings, files: FileParser) -> Self:
        """Create the parts on a connection to the bus."""
        bus, waits = Bus(client, timeout=settings.ask_timeout_seconds), Waits(settings.query_wait_seconds)
        keys, revocations, api_keys = Keys(bus), Revocations(client), ApiKeys(bus)
        tokens = Tokens(keys, revocations, api_keys)
        readiness = Readiness(bus, keys, revocations)
        open_streams, heartbeat = _open_streams(client, settings), settings.stream_heartbeat_seconds
        counters = Counters(client, RATE_LIMITS, RATE_PREFIX, seconds=RETENTION_SECONDS)
        return cls(
            settings=settings,
            bus=bus,
            keys=keys,
            revocations=revocations,
            api_keys=api_keys,
            tokens=tokens,
            waits=waits,
            runs=Runs(client, waits),
            reports=Reports(client, waits),
            checks=Checks(client, waits),
            files=files,
            streams=Streams(client, bus, tokens, open_streams, heartbeat),
            scrapes=Scrapes("gateway", measures=[partial(measure_sessions, bus), readiness.health.measure]),
            readiness=readiness,
            limiter=Limiter(counters, Rules.parse(settings.rate_limits)),
            request_slots=RequestSlots(settings.concurrent_requests_per_user),
            records=Records(client, settings.replay_ring()),
            api_calls=ApiCalls(bus),
            audit_reports=AuditReports(bus),
        )

    def disconnected(self, request: Request) -> Disconnected:
        """Return what says whether the client of a request is gone: for what the request waits for."""
        return partial(disconnected, self.tokens, request)


def _open_streams(client: Client, settings: Settings) -> OpenStreams:
    holder = str(clock.new_id())
    holdings = Holdings(client, OPEN_STREAMS, OPEN_STREAMS_PREFIX, holder=holder, seconds=EXPIRY_SECONDS)
    return OpenStreams(holdings, StreamLimits.parse(settings.streams_per_user))


def gateway_of(request: HTTPConnection) -> Gateway:
    """Return the parts of the process that serves this request."""
    return cast(Gateway, request.app.state.gateway)
