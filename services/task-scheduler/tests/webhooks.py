"""Triggers of a task, and requests to their URLs."""

import base64
import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.trigger import (
    CreateTrigger,
    FiredTrigger,
    FireTrigger,
    NewTrigger,
)
from eventing.handling.dispatch import Dispatcher
from eventing.store import START
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from standardwebhooks import Webhook

from .desk import NOON, Desk


async def create_trigger(desk: Desk, task_id: UUID) -> NewTrigger:
    """Create a trigger of a task."""
    return await desk.send(CreateTrigger(task_id=task_id, trigger_id=new_id(), name="Deployments"))


def signed(
    trigger: NewTrigger, webhook_id: str = "msg_1", *, secret: str | None = None, at: datetime = NOON, **payload: Any
) -> FireTrigger:
    """Return a request, which is signed with the secret of the trigger by default."""
    body = json.dumps(payload or {"version": "1.4"})
    return FireTrigger(
        task_id=trigger.task_id,
        trigger_id=trigger.id,
        webhook_id=webhook_id,
        webhook_timestamp=str(int(at.timestamp())),
        webhook_signature=Webhook(secret or trigger.secret).sign(webhook_id, at, body),
        body=base64.b64encode(body.encode()),
    )


async def fire(desk: Desk, command: FireTrigger, desk_of: Dispatcher[Any] | None = None) -> FiredTrigger:
    """Send a request as the gateway does: for no user."""
    return await (desk_of or desk.dispatcher).send(command, Envelope.begin())


async def refused(desk: Desk, command: FireTrigger, code: Code) -> str:
    """Assert that a request is refused and has recorded nothing; return the detail."""
    before = len(await desk.dispatcher.store.feed(START, 1000))
    with pytest.raises(Refusal) as refusal:
        await fire(desk, command)
    assert refusal.value.code is code
    assert len(await desk.dispatcher.store.feed(START, 1000)) == before
    return refusal.value.detail
