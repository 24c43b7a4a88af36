"""Reports to the audit log of what has no event: refusals of permission, and some changes.

No request waits for a refusal to be reported. The response to a change waits until its entry is stored, at most for a
second.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from itertools import islice
from typing import Any
from uuid import UUID

from contracts.catalogue import PUBLISHED_EVENTS, RESOURCES
from contracts.identity.audit import MAX_DETAIL_LENGTH, MAX_ENTRIES, AuditEntry, RecordEntries
from contracts.refusals import Code
from runtime import clock
from runtime.bus import Bus, Unavailable
from runtime.bus.envelope import Envelope
from starlette.requests import HTTPConnection
from starlette.types import Scope

from gateway.clients.auth.token import Token
from gateway.clients.client_address import exact_address
from gateway.entry import metrics
from gateway.problems import EdgeCode, Problem
from gateway.routing.changes import Change

REPORT_SECONDS = 0.05
"""How long entries wait for others that go with them in one message. A gateway that is killed loses those."""
CHANGE_SECONDS = 1.0
"""How long the response to a change waits for its entry."""
MAX_WAITING = 10_000
"""Entries that wait while the identity service is unavailable; more are counted and lost."""
FAILED_AUTHENTICATION = frozenset(
    (
        *(Code.INVALID_CREDENTIALS, Code.ACCOUNT_LOCKED, Code.ADDRESS_LOCKED, Code.WRONG_PASSWORD),
        *(Code.INVALID_REFRESH_TOKEN, Code.INVALID_RESET_TOKEN, Code.INVALID_SIGNATURE, Code.LINK_NOT_VALID),
    )
)
ID_SUFFIX = "_id"
RESOURCE_TYPES = {"key": "api_key", "server": "mcp_server"}
"""The types of resources whose ids have another name in paths."""
CHANGED = frozenset((*RESOURCES, *(event.resource[0] for event in PUBLISHED_EVENTS if event.resource)))
"""The types of resources in the entries of events."""


def is_denial(problem: Problem) -> bool:
    """Return whether a problem is a refusal of permission, rather than of what was asked for.

    A request without valid credentials is none: nobody is known whom something is denied to. Nor is a preflight request
    of a browser, which no rate limit counts: anyone could fill the log.
    """
    # A resource of somebody else, which does not exist for the client.
    hidden = problem.owner is not None and problem.status == HTTPStatus.NOT_FOUND
    forbidden = problem.status == HTTPStatus.FORBIDDEN and problem.code is not EdgeCode.ORIGIN_NOT_ALLOWED
    return hidden or forbidden or problem.code in FAILED_AUTHENTICATION


class AuditReports:
    """Reports refusals and changes of this gateway; `waiting` are the entries that are not reported yet."""

    def __init__(self, bus: Bus, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self.bus, self.sleep = bus, sleep
        self.waiting = deque[AuditEntry]()
        self._added, self._reporting = asyncio.Event(), asyncio.Lock()

    def add(
        self, scope: Scope, problem: Problem, action: str | None = None, ids: Mapping[str, object] | None = None
    ) -> None:
        """Report a problem, if it is a refusal of permission; `ids` are those of the resources, by their names.

        The operation and the ids are by default those of the request.
        """
        if is_denial(problem):
            named: Mapping[str, object] = scope.get("path_params", {}) if ids is None else ids
            resource = _resource(named) or (_missing_type(problem), None)
            refusal = {"outcome": "denied", "error_code": problem.code, "owner_id": problem.owner}
            self._add(_entry(scope, resource, action=action or _operation(scope), **refusal))

    async def add_change(self, scope: Scope, change: Change) -> None:
        """Report that the request has changed something. Returns when that is stored, or after a second."""
        resource, detail = _resource(scope["path_params"]) or (None, None), change.detail and _printable(change.detail)
        self._add(_entry(scope, resource, action=_operation(scope), **vars(change) | {"detail": detail}))
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(CHANGE_SECONDS):
                await self.flush()

    def _add(self, entry: AuditEntry) -> None:
        if len(self.waiting) >= MAX_WAITING:
            metrics.lost_audit_entries.inc()
        else:
            self.waiting.append(entry)
            self._added.set()

    async def report(self) -> None:
        """Wait for an entry, and report it with those that follow within a moment; to be run repeatedly."""
        await self._added.wait()
        await self.sleep(REPORT_SECONDS)
        await self.flush()

    async def flush(self) -> None:
        """Report all entries. Those whose report fails keep waiting; a repetition does not add them twice.

        Raises:
            Unavailable: the identity service did not answer.
        """
        async with self._reporting:
            while self.waiting:
                batch = list(islice(self.waiting, MAX_ENTRIES))
                await self.bus.ask(RecordEntries(entries=batch), Envelope.begin())
                for _ in batch:
                    self.waiting.popleft()
            self._added.clear()


def _entry(scope: Scope, resource: tuple[str | None, UUID | None], **fields: Any) -> AuditEntry:
    token = scope.get("authenticated")
    actor, credential = (token.actor, token.credential) if isinstance(token, Token) else (None, None)
    return AuditEntry(
        id=clock.new_id(),
        at=clock.now(),
        user_id=actor and actor.user_id,
        role=actor and actor.role,
        credential=credential,
        resource_type=resource[0],
        resource_id=resource[1],
        client_address=exact_address(HTTPConnection(scope)),
        correlation_id=scope["request_id"],
        **fields,
    )


def _operation(scope: Scope) -> str:
    route = scope.get("route")
    return getattr(route, "operation_id", None) or getattr(route, "name", metrics.UNMATCHED)


def _resource(ids: Mapping[str, object]) -> tuple[str, UUID] | None:
    """Return the type and the id of the resource: the innermost one that events are about, else the first one."""
    kinds = {name: name.removesuffix(ID_SUFFIX) for name in ids if name.endswith(ID_SUFFIX)}
    named = [(RESOURCE_TYPES.get(kind, kind), id) for name, kind in kinds.items() if (id := _parsed(ids[name]))]
    changed = [each for each in named if each[0] in CHANGED]
    return next(iter((*reversed(changed), *named)), None)


def _missing_type(problem: Problem) -> str | None:
    """Return the type of a denied resource that the path does not name."""
    return problem.code.removesuffix("_NOT_FOUND").lower() if problem.status == HTTPStatus.NOT_FOUND else None


def _printable(text: str) -> str:
    """Return a text that can be stored: shortened, without NUL and without characters that have no encoding."""
    text = text.replace("\0", "\ufffd").encode(errors="replace").decode()
    return text if len(text) <= MAX_DETAIL_LENGTH else f"{text[: MAX_DETAIL_LENGTH - 1]}…"


def _parsed(id: object) -> UUID | None:
    with suppress(ValueError):
        return UUID(str(id))
    return None
