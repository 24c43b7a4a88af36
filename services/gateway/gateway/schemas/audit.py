"""Models of the audit log."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from contracts.identity.audit import AuditEntry as Entry
from contracts.identity.audit import AuditFilter, ListAuditEntries, Outcome
from contracts.identity.values import OPERATOR_ID
from contracts.messages import Page
from contracts.samples import API_KEY, AUDIT_ENTRY, SESSION, TIME, USER
from pydantic import AfterValidator, Field
from runtime.bus.envelope import plain_address

from gateway.problems.validation_messages import mismatch
from gateway.schemas.base import ResponseModel
from gateway.schemas.lists import KeysetWindow, Links, ListPage
from gateway.schemas.times import Time

MAX_ACTIONS = 32
_ACTION = re.compile(r"[A-Za-z_.*]{1,100}")

type ActorKind = Literal["user", "operator", "anonymous", "system"]


def _check_actions(text: str) -> str:
    actions = text.split(",")
    if len(actions) > MAX_ACTIONS or not all(map(_ACTION.fullmatch, actions)):
        raise mismatch(f"Must be at most {MAX_ACTIONS} actions separated by commas; * stands for any characters")
    return text


def _check_address(text: str) -> str:
    try:
        return plain_address(text)
    except ValueError:
        raise mismatch("Must be an IP address") from None


class AuditWindow(KeysetWindow):
    """Query parameters of the audit log."""

    action: Annotated[
        Annotated[str, AfterValidator(_check_actions)] | None,
        Field(description="Actions, separated by commas; `*` matches any characters.", examples=["session.*"]),
    ] = None
    user_id: Annotated[UUID | None, Field(description="User who did it.", examples=[USER])] = None
    resource_id: Annotated[UUID | None, Field(description="Resource that it was done to.", examples=[SESSION])] = None
    outcome: Annotated[Outcome | None, Field(description="Outcome.", examples=["denied"])] = None
    client_address: Annotated[
        Annotated[str, AfterValidator(_check_address)] | None,
        Field(description="IP address that it was done from.", examples=["192.0.2.1"]),
    ] = None
    from_at: Annotated[Time | None, Field(alias="from", description="Earliest time, included.", examples=[TIME])] = None
    to_at: Annotated[Time | None, Field(alias="to", description="Latest time, excluded.", examples=[TIME])] = None
    format: Annotated[
        Literal["json", "jsonl"] | None,
        Field(
            description="`jsonl`: return all entries, one a line, as with `Accept: application/jsonl`.",
            examples=["json"],
        ),
    ] = None

    @property
    def filter(self) -> AuditFilter:
        """The conditions of the entries."""
        return AuditFilter(
            actions=self.action.split(",") if self.action else [],
            user_id=self.user_id,
            resource_id=self.resource_id,
            outcome=self.outcome,
            client_address=self.client_address,
            from_at=self.from_at,
            to_at=self.to_at,
        )

    def query(self) -> ListAuditEntries:
        """Return the query for the page."""
        return ListAuditEntries(
            filter=self.filter, skip=self.skip, limit=self.limit, after=self.after, before=self.before
        )

    def links(self, path: str, page: Page[Any]) -> Links:
        """Return links by cursor, since the total is counted only up to a limit."""
        links = self._cursors(path, page)
        if not (self.skip or self.after or self.before):
            links.prev = None
        return links


class AuditEntry(Entry, ResponseModel):
    """An entry of the audit log: a change, or a refusal of permission."""

    sample = {
        "id": AUDIT_ENTRY,
        "at": TIME,
        "outcome": "succeeded",
        "action": "session.created",
        "error_code": None,
        "actor": "user",
        "user_id": USER,
        "role": "user",
        "credential": {"kind": "api_key", "id": API_KEY},
        "resource_type": "session",
        "resource_id": SESSION,
        "owner_id": USER,
        "client_address": "192.0.2.1",
        "correlation_id": "request-1",
        "causation_id": None,
        "detail": None,
        "size_bytes": None,
    }

    actor: Annotated[
        ActorKind,
        Field(
            description="Who did it: a `user`, an `operator` on the machine, an `anonymous` client, or the `system`."
        ),
    ]
    error_code: Annotated[str | None, Field(description="Code of the refusal; null if the outcome is `succeeded`.")] = (
        None
    )
    user_id: Annotated[UUID | None, Field(description="Id of the user who did it; null if nobody is known.")] = None
    detail: Annotated[str | None, Field(description="Path of a file that was written or deleted; else null.")] = None
    size_bytes: Annotated[int | None, Field(description="Size of a file that was written; else null.")] = None

    @classmethod
    def showing(cls, entry: Entry) -> "AuditEntry":
        """Return the model of an entry."""
        return cls.of(entry, actor=_actor(entry))


class AuditPage(ListPage[AuditEntry]):
    """Entries of the audit log, newest first."""

    total: Annotated[int, Field(description="Number of entries that match, counted up to 10,000.")]


def _actor(entry: Entry) -> ActorKind:
    if entry.user_id == OPERATOR_ID:
        return "operator"
    if entry.user_id:
        return "user"
    return "anonymous" if entry.client_address else "system"
