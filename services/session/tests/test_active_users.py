"""Which users count as active: those who have sent a request just now."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from runtime.bus.envelope import Envelope
from session.agent.processors import Processors
from session.app import service

from services.session.tests.desk import OWNER

OTHER = UUID(int=7)


def others_are_active_after(envelope: Envelope) -> bool:
    processors = Processors({})
    dependencies: Any = SimpleNamespace(agents=SimpleNamespace(processors=processors))
    assert service.received
    service.received(dependencies, envelope)
    return processors.activity.is_beside(OTHER)


def test_a_user_who_sends_a_request_is_active() -> None:
    assert others_are_active_after(Envelope.begin(actor=OWNER, client_address="192.0.2.1"))


def test_what_a_service_does_for_a_user_does_not_make_the_user_active() -> None:
    assert not others_are_active_after(Envelope.begin(actor=OWNER, client_address="192.0.2.1").without_client())


def test_a_client_without_a_user_is_nobody() -> None:
    assert not others_are_active_after(Envelope.begin(client_address="192.0.2.1"))
