"""Models of triggers, the signed URLs that start a task."""

from base64 import b64encode
from typing import Annotated, Self
from uuid import UUID

from contracts.samples import EXECUTION, TASK, TRIGGER
from contracts.task_scheduler.trigger import CreateTrigger, FireTrigger, TriggerView
from contracts.task_scheduler.trigger import NewTrigger as NewTriggerView
from contracts.task_scheduler.values import ExecutionStatus
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import Request

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel, SecretResponse
from gateway.schemas.lists import ListPage

MAX_HEADER_LENGTH = 1000

_EXAMPLE_URL = f"https://agents.example.com/api/v1/tasks/{TASK}/triggers/{TRIGGER}/fire"
Url = Annotated[str, Field(description="URL to send signed requests to.")]


class NewTrigger(RequestBody):
    """A trigger to create."""

    sample = {"name": "Deployments"}

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=200), Field(description="What uses the trigger.")
    ] = ""

    def command(self, task_id: UUID) -> CreateTrigger:
        """Return the command."""
        return CreateTrigger(task_id=task_id, trigger_id=ids.new_id(), name=self.name)


class Trigger(TriggerView, ResponseModel):
    """A trigger, without its secret."""

    sample = TriggerView.sample | {"url": _EXAMPLE_URL}

    url: Url

    @classmethod
    def at(cls, request: Request, view: TriggerView) -> Self:
        """Return the model of a trigger, with its URL at the host that the request was sent to."""
        return cls.of(view, url=_url(request, view))


class TriggerWithSecret(NewTriggerView, SecretResponse):
    """A trigger with its secret, which is shown only once."""

    sample = NewTriggerView.sample | {"url": _EXAMPLE_URL}

    url: Url

    @classmethod
    def at(cls, request: Request, view: NewTriggerView) -> Self:
        """Return the model of a trigger, with its URL at the host that the request was sent to."""
        return cls.of(view, url=_url(request, view))


class TriggerPage(ListPage[Trigger]):
    """Triggers, newest first."""


class WebhookHeaders(BaseModel):
    """The headers of a signed request, which Standard Webhooks defines.

    They are optional here, since a request without them is answered like one with a wrong signature.
    """

    webhook_id: Annotated[str, Field(description="Unique id of the message; required.", examples=["msg_1"])] = ""
    webhook_timestamp: Annotated[
        str, Field(description="Unix time at which the request was signed; required.", examples=["1764147600"])
    ] = ""
    webhook_signature: Annotated[
        str, Field(description="Signatures as `v1,<base64>`, separated by spaces; required.", examples=["v1,c2lnbg=="])
    ] = ""

    @property
    def complete(self) -> bool:
        """Whether the request has all headers, each of an acceptable length."""
        return all(0 < len(value) <= MAX_HEADER_LENGTH for value in vars(self).values())

    def command(self, task_id: UUID, trigger_id: UUID, body: bytes) -> FireTrigger:
        """Return the command; the service verifies the signature of the body."""
        return FireTrigger(task_id=task_id, trigger_id=trigger_id, body=b64encode(body), **vars(self))


class Fired(ResponseModel):
    """The execution that a signed request created. The sender learns no more of the task than this."""

    sample = {"execution_id": EXECUTION, "status": "running"}

    execution_id: Annotated[UUID, Field(description="Id of the execution that the request created.")]
    status: Annotated[ExecutionStatus, Field(description="Current status.")]


def _url(request: Request, view: TriggerView) -> str:
    return f"{request.base_url}api/v1/tasks/{view.task_id}/triggers/{view.id}/fire"
