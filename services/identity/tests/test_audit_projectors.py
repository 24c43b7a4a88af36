"""The audit log has the changes of all services, each once, whatever happens to the identity service."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from contracts.catalogue import EVENTS
from contracts.identity.audit import AuditEntry, ExportAuditEntries
from contracts.mcp_registry.server import ServerCreated
from contracts.messages import Actor, Event
from contracts.report.report import ReportRequested
from contracts.samples import TRIGGER
from contracts.session.conversation import MessageRecorded
from contracts.session.session import SessionCreated, SessionDeleted
from contracts.session.template import TemplateCreated
from contracts.task_scheduler.execution import ExecutionCreated
from contracts.task_scheduler.trigger import TriggerRotated
from contracts.wire import event_filter, event_stream
from eventing.bus.streams import provision
from eventing.testing import background, eventually
from eventing.testing.publishing import publish
from identity.app import service
from identity.audit_log import is_change, projectors
from identity.operations import OPERATOR
from identity.settings import Settings
from runtime.bus import Bus, Client, Unavailable, connected, ordered
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream, jetstream

ADA = Actor(user_id=UUID(int=1), role="user")
CAUSE = Envelope.begin(correlation_id="request-1", actor=ADA, client_address="192.0.2.1")
CHANGES: list[type[Event]] = [SessionCreated, TemplateCreated, ExecutionCreated, ReportRequested, ServerCreated]


@pytest.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    async with connected(nats_url, "test") as client:
        yield client


@pytest.fixture
async def js(client: Client, monkeypatch: pytest.MonkeyPatch) -> JetStream:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.2)
    js = jetstream(client)
    for name in EVENTS:
        await provision(js, event_stream(name), [event_filter(name)])
    return js


@pytest.fixture
def settings(migrated_url: str, nats_url: str, key_ring_file: Path, tmp_path: Path, quick_passwords: None) -> Settings:
    return Settings(
        database_url=migrated_url,
        nats_url=nats_url,
        key_ring_file=key_ring_file,
        first_admin_file=tmp_path / "admin.json",
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    async with background(service.run(settings, stop)) as [run]:
        yield
        stop.set()
        await eventually(run.done)


async def recorded(client: Client, n: int) -> list[AuditEntry]:
    """Wait until there are `n` entries besides that of the administrator, and return them, oldest first."""

    async def entries() -> list[AuditEntry] | None:
        try:
            found = await Bus(client, timeout=1).ask(ExportAuditEntries(), Envelope.begin(actor=OPERATOR))
        except Unavailable:
            return None
        others = [entry for entry in reversed(found) if not entry.action.startswith("identity.")]
        return others if len(others) >= n else None

    found = await eventually(entries)
    assert len(found) == n
    return found


async def test_changes_of_all_services_are_recorded_without_progress(
    settings: Settings, client: Client, js: JetStream
) -> None:
    async with running(settings):
        for kind in (MessageRecorded, *CHANGES):
            await publish(js, kind.example(), envelope=CAUSE)
        found = await recorded(client, len(CHANGES))
    kinds = {entry.resource_type for entry in found}
    assert kinds == {"session", "template", "execution", "report", "mcp_server"}
    assert {(entry.user_id, entry.client_address, entry.correlation_id) for entry in found} == {
        (ADA.user_id, "192.0.2.1", "request-1")
    }


async def test_a_trigger_is_a_resource_of_its_own_but_of_an_earlier_release(
    settings: Settings, client: Client, js: JetStream
) -> None:
    async with running(settings):
        await publish(js, TriggerRotated.example())
        event = await publish(js, TriggerRotated.example(), resource="")
        found = await recorded(client, 2)
    resources = [(entry.resource_type, entry.resource_id) for entry in found]
    assert resources == [("trigger", UUID(TRIGGER)), ("task", event.id)]


async def test_entries_are_complete_and_unique_after_restarts(
    settings: Settings, client: Client, js: JetStream
) -> None:
    for n in range(1, 4):
        await publish(js, SessionCreated.example())
        async with running(settings):
            await publish(js, SessionDeleted.example())
            await recorded(client, 2 * n)


async def test_two_replicas_record_each_change_once(settings: Settings, client: Client, js: JetStream) -> None:
    async with running(settings):
        for _ in range(50):
            await publish(js, SessionCreated.example())
        async with running(settings):
            await recorded(client, 50)
        for _ in range(50):
            await publish(js, SessionDeleted.example())
        await recorded(client, 100)


async def test_an_event_that_is_projected_again_has_one_entry(
    settings: Settings, client: Client, js: JetStream
) -> None:
    event = await publish(js, SessionCreated.example())
    # As a relay does after the bus has lost its data.
    again = {"ce_id": str(event.envelope.message_id), "ce_time": event.at.isoformat()}
    await publish(js, SessionCreated.example(), at=event.id, envelope=None, **again)
    async with running(settings):
        await publish(js, SessionDeleted.example())
        found = await recorded(client, 2)
    assert {entry.action for entry in found} == {"session.created", "session.deleted"}


def test_every_other_service_has_a_projector() -> None:
    assert {one.stream for one in projectors()} == {event_stream(name) for name in EVENTS if name != "identity"}


@pytest.mark.parametrize(
    ("kind", "expected"), [(SessionCreated, True), (MessageRecorded, False), (EVENTS["identity"][0], True)]
)
def test_changes_are_events_that_are_no_progress(kind: type[Event], expected: bool) -> None:
    assert is_change(kind) is expected
