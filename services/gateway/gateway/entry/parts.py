"""The parts of the process that the layers use."""

from dataclasses import dataclass

from runtime.bus import Bus

from gateway.clients.api_calls import ApiCalls
from gateway.clients.auth.tokens import Tokens
from gateway.clients.rates.limiter import Limiter
from gateway.clients.rates.request_slots import RequestSlots
from gateway.entry.audit_reports import AuditReports
from gateway.entry.idempotency.records import Records


@dataclass(frozen=True)
class Parts:
    """Those that are created once; `gateway.state.Gateway` has them, and more, for the routes."""

    bus: Bus
    tokens: Tokens
    limiter: Limiter
    request_slots: RequestSlots
    records: Records
    api_calls: ApiCalls
    audit_reports: AuditReports
