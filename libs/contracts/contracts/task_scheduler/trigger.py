"""All messages about triggers: signed URLs that start a task."""

from datetime import datetime
from uuid import UUID

from pydantic import Base64Bytes, Field

from contracts.messages import Command, Event, KeysetWindow, Message, Page, Query, View
from contracts.samples import TASK, TIME, TRIGGER
from contracts.task_scheduler.execution_view import ExecutionView


class TriggerView(View):
    """A trigger, without its secret."""

    sample = {
        "id": TRIGGER,
        "task_id": TASK,
        "name": "Deployments",
        "created_at": TIME,
        "rotated_at": None,
        "last_fired_at": None,
    }

    id: UUID = Field(description="Id of the trigger.")
    task_id: UUID = Field(description="Id of the task.")
    name: str = Field(description="What uses the trigger.")
    created_at: datetime = Field(description="Time of creation.")
    rotated_at: datetime | None = Field(description="Time of the last change of the secret; null if there is none.")
    last_fired_at: datetime | None = Field(description="Time of the last verified request; null if there is none.")


class NewTrigger(TriggerView):
    """A trigger with its secret, which is shown only now."""

    sample = TriggerView.sample | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}

    secret: str = Field(repr=False, description="Secret that signs requests; it is not shown again.")


class GetTrigger(Query[TriggerView]):
    """Return one trigger of a task."""

    subject = "qry.task_scheduler.get_trigger"
    sample = {"task_id": TASK, "trigger_id": TRIGGER}

    task_id: UUID
    trigger_id: UUID


class ListTriggers(KeysetWindow, Query[Page[TriggerView]]):
    """Return the triggers of a task, newest first."""

    subject = "qry.task_scheduler.list_triggers"
    sample = {"task_id": TASK}

    task_id: UUID


class CreateTrigger(Command[NewTrigger]):
    """Create a trigger, with a new secret."""

    subject = "cmd.task_scheduler.create_trigger"
    sample = {"task_id": TASK, "trigger_id": TRIGGER, "name": "Deployments"}

    task_id: UUID
    trigger_id: UUID
    name: str = ""


class RotateTrigger(Command[NewTrigger]):
    """Replace the secret of a trigger; the previous one stays valid for a day."""

    subject = "cmd.task_scheduler.rotate_trigger"
    sample = {"task_id": TASK, "trigger_id": TRIGGER}

    task_id: UUID
    trigger_id: UUID


class RevokeTrigger(Command[None]):
    """Revoke a trigger: its URL starts nothing any more."""

    subject = "cmd.task_scheduler.revoke_trigger"
    sample = {"task_id": TASK, "trigger_id": TRIGGER}

    task_id: UUID
    trigger_id: UUID


class FiredTrigger(Message):
    """The execution that a request to a trigger's URL started; `repeated` if an earlier request had started it."""

    execution: ExecutionView
    repeated: bool


class FireTrigger(Command[FiredTrigger]):
    """Start the task of a trigger, after verifying the request: headers and body as Standard Webhooks defines them.

    The message names no actor: the signature is the authorization.
    """

    subject = "cmd.task_scheduler.fire_trigger"
    sample = {
        "task_id": TASK,
        "trigger_id": TRIGGER,
        "webhook_id": "msg_1",
        "webhook_timestamp": "1764147600",
        "webhook_signature": "v1,c2lnbmF0dXJl",
        "body": "e30=",
    }

    task_id: UUID
    trigger_id: UUID
    webhook_id: str
    webhook_timestamp: str
    webhook_signature: str
    body: Base64Bytes


class TriggerCreated(Event):
    """A trigger was created."""

    subject = "evt.task_scheduler.trigger_created"
    resource = ("trigger", "trigger_id")
    sample = {"trigger_id": TRIGGER, "name": "Deployments"}

    trigger_id: UUID
    name: str


class TriggerRotated(Event):
    """The secret of a trigger was replaced."""

    subject = "evt.task_scheduler.trigger_rotated"
    resource = ("trigger", "trigger_id")
    sample = {"trigger_id": TRIGGER}

    trigger_id: UUID


class TriggerFired(Event):
    """A verified request to the URL of a trigger was accepted."""

    subject = "evt.task_scheduler.trigger_fired"
    resource = ("trigger", "trigger_id")
    sample = {"trigger_id": TRIGGER, "webhook_id": "msg_1", "at": TIME}

    trigger_id: UUID
    webhook_id: str
    at: datetime


class TriggerRevoked(Event):
    """A trigger was revoked."""

    subject = "evt.task_scheduler.trigger_revoked"
    resource = ("trigger", "trigger_id")
    sample = {"trigger_id": TRIGGER}

    trigger_id: UUID


class TriggerSecret(Message):
    """The secret of a trigger, and the previous one while it is still valid."""

    secret: str = Field(repr=False, description="Secret that signs requests; it is not shown again.")
    previous: str | None = Field(default=None, repr=False)
    previous_until: datetime | None = None


class TriggerSecretsSet(Event):
    """The secrets of all triggers of the task were replaced, by the id of the trigger."""

    subject = "evt.task_scheduler.trigger_secrets_set"
    secret = True
    sample = {"secrets": {TRIGGER: {"secret": "whsec_c2VjcmV0"}}}

    secrets: dict[UUID, TriggerSecret] = Field(default={}, repr=False)


TriggerEvent = TriggerCreated | TriggerRotated | TriggerFired | TriggerRevoked | TriggerSecretsSet
