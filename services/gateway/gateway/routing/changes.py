"""Operations that change what no event records: they declare it, and the gateway reports them to the audit log."""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from uuid import UUID

from contracts.identity.audit import Outcome
from fastapi import Request
from fastapi.dependencies.models import Dependant
from runtime.bus import OutcomeUnknown
from starlette.responses import Response
from starlette.types import Scope

from gateway.problems import Problem, WaitAbandoned, WaitRefused
from gateway.routing import versions

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]

PATH = "path"


@dataclass(frozen=True)
class Change:
    """The change that a request made: the owner of the resource, and for files the path (`detail`) and the size."""

    outcome: Outcome
    owner_id: UUID | None = None
    detail: str | None = None
    size_bytes: int | None = None


class ChangeReports(Protocol):
    """Reports changes to the audit log: `gateway.entry.audit_reports`, which uses more than routes may import."""

    async def add_change(self, scope: Scope, change: Change) -> None:
        """Report that a request has changed something, or may have."""
        ...


class Unrecorded:
    """A dependency that declares that no event records what an operation changes.

    The entry in the audit log has the path within the resource, if the operation has one. If the body is the content,
    it also has its size.
    """

    def __init__(self, *, with_size: bool = False) -> None:
        self.with_size = with_size

    async def __call__(self) -> None:
        """Do nothing: the route class reports the change when it has succeeded."""

    async def report(self, request: Request, outcome: Outcome) -> None:
        """Report the change that the request has made, or may have made."""
        size = request.scope["received_bytes"] if self.with_size else None
        change = Change(outcome, versions.current().owner, request.path_params.get(PATH), size)
        reports: ChangeReports = request.app.state.gateway.audit_reports
        await reports.add_change(request.scope, change)


def reporting(handle: Handler, unrecorded: Unrecorded) -> Handler:
    """Return a handler of requests that reports what they have changed."""

    async def report(request: Request) -> Response:
        try:
            response = await handle(request)
        except OutcomeUnknown:
            await unrecorded.report(request, "unknown")
            raise
        except (WaitAbandoned, WaitRefused):  # it was carried out: nobody may hide a change by hanging up
            await unrecorded.report(request, "succeeded")
            raise
        except Problem as problem:
            if "Location" in problem.headers:  # it was carried out, and the result is read there later
                await unrecorded.report(request, "succeeded")
            raise
        if response.status_code < HTTPStatus.BAD_REQUEST:
            await unrecorded.report(request, "succeeded")
        return response

    return report


def declared(dependencies: Iterable[Dependant]) -> Unrecorded | None:
    """Return the declaration of an operation, or None if events record what it changes."""
    return next((each.call for each in dependencies if isinstance(each.call, Unrecorded)), None)
