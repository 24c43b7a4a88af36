"""All messages about the audit log: what was changed by whom, and what was denied to whom."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.identity.values import Role
from contracts.messages import Command, Credential, KeysetWindow, Message, Page, Query
from contracts.samples import AUDIT_ENTRY, SESSION, TIME, USER

MAX_ENTRIES = 500
"""Entries in one command."""
MAX_DETAIL_LENGTH = 500
"""Characters of the detail of an entry."""
MAX_EXPORTED = 500
"""Entries in one part of an export."""

type Outcome = Literal["succeeded", "denied", "unknown"]
"""`unknown` is the outcome of a change whose service did not answer: it may have been made."""

type Address = Annotated[str, Field(max_length=45)]
"""An IP address in its usual form."""


class AuditEntry(Message):
    """A change, or a refusal of permission.

    `action` is the public name of the event that recorded a change. Of a refusal, which has an `error_code`, and of a
    change without an event, it is the operation. Of the latter, `detail` is what it changed within the resource, such
    as the path of a file, and `size_bytes` is what it wrote. The user did it from `client_address`, authenticated by
    `credential`; without an address, a service did it by itself. Ids of entries sort by time.
    """

    id: UUID = Field(description="Id of the entry.")
    at: datetime = Field(description="Time of the change or the refusal.")
    outcome: Outcome = Field(description="`succeeded`, `denied`, or `unknown` if the service did not answer.")
    action: str = Field(
        max_length=200,
        description="Event that recorded the change; of a refusal, or a change without an event, the operation.",
    )
    error_code: str | None = Field(default=None, max_length=100)
    user_id: UUID | None = None
    role: Role | None = Field(default=None, description="Role that the user had; null if it was not known.")
    credential: Credential | None = Field(
        default=None, description="What the user authenticated with; null if a service did it."
    )
    resource_type: str | None = Field(
        default=None, max_length=100, description="Type of the resource; null if there is none."
    )
    resource_id: UUID | None = Field(default=None, description="Id of the resource; null if there is none.")
    owner_id: UUID | None = Field(
        default=None, description="Id of the user that the resource belongs to; null if unknown."
    )
    client_address: Address | None = Field(
        default=None, description="IP address of the client; null if a service did it by itself."
    )
    correlation_id: str = Field(
        max_length=128, description="`X-Request-ID` of the request that led to it, also in all logs."
    )
    causation_id: UUID | None = Field(default=None, description="Id of the message that caused the change.")
    detail: str | None = Field(default=None, max_length=MAX_DETAIL_LENGTH)
    size_bytes: int | None = Field(default=None, ge=0)


_ENTRY = {
    "id": AUDIT_ENTRY,
    "at": TIME,
    "outcome": "denied",
    "action": "deleteSession",
    "error_code": "SESSION_NOT_FOUND",
    "user_id": USER,
    "role": "user",
    "resource_type": "session",
    "resource_id": SESSION,
    "owner_id": USER,
    "client_address": "192.0.2.1",
    "correlation_id": "request-1",
}


class RecordEntries(Command[None]):
    """Add refused requests, and changes without an event, to the audit log; entries that it has are skipped."""

    subject = "cmd.identity.record_refusals"
    sample = {"entries": [_ENTRY]}

    entries: list[AuditEntry] = Field(max_length=MAX_ENTRIES)


class AuditFilter(Message):
    """The conditions of entries; in `actions`, `*` stands for any characters. `from_at` is included, `to_at` is not."""

    actions: list[Annotated[str, Field(pattern=r"^[A-Za-z_.*]{1,100}$")]] = Field(default=[], max_length=32)
    user_id: UUID | None = None
    resource_id: UUID | None = None
    outcome: Outcome | None = None
    client_address: Address | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


_FILTER = {"actions": ["session.*"], "user_id": USER, "outcome": "succeeded", "from_at": TIME}


class ListAuditEntries(KeysetWindow, Query[Page[AuditEntry]]):
    """Return entries of the audit log, newest first. The total is exact up to a limit."""

    subject = "qry.identity.list_audit_entries"
    sample = {"filter": _FILTER, "limit": 20}

    filter: AuditFilter = AuditFilter()


class ExportAuditEntries(Query[list[AuditEntry]]):
    """Return a part of the audit log, newest first: the entries after the one with the id `after`, or the first."""

    subject = "qry.identity.export_audit_entries"
    sample = {"filter": _FILTER, "after": AUDIT_ENTRY}

    filter: AuditFilter = AuditFilter()
    after: UUID | None = None
