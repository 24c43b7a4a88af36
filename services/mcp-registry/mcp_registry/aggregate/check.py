"""The decisions of an McpServer about its checks and its tools."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import assert_never
from uuid import UUID

from contracts.mcp_registry.check import (
    CheckEvent,
    CheckRequested,
    ServerChecked,
    ToolsAccepted,
    ToolsChanged,
    ToolsListed,
)
from contracts.mcp_registry.values import CheckResult, Fingerprint, ServerHealth, Tool, ToolsDifference
from contracts.refusals import Code, Refusal

from mcp_registry.aggregate.state import State

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 60.0, 3600.0
"""The pause after a failed check doubles with each failure."""
JITTER = 0.1
"""The part of a pause by which it may be shorter, so that servers created together are not checked together."""
MAX_UNACCEPTED_LISTS = 20
"""A hostile server may list other tools at each check. Further lists are not stored until its owner accepts one."""
TOO_MANY_LISTS = (
    f"The tools changed {MAX_UNACCEPTED_LISTS} times since they were accepted. The newest list is not stored."
)


@dataclass(frozen=True)
class ToolList:
    """The tools that a server listed, and their fingerprints by name."""

    tools: list[Tool]
    fingerprints: dict[str, Fingerprint]


@dataclass(frozen=True)
class CheckTimes:
    """The time of a check, and the pause until the next one of a healthy server."""

    now: datetime
    interval_seconds: float

    def next_after(self, failures: int, server_id: UUID) -> datetime:
        """Return the time of the next check after a number of failures in a row."""
        seconds = self.interval_seconds
        if failures:
            seconds = min(MAX_RETRY_SECONDS, MIN_RETRY_SECONDS * 2 ** min(failures - 1, 10))
        digest = sha256(f"{server_id} {failures}".encode()).digest()
        return self.now + timedelta(seconds=seconds * (1 - JITTER * digest[0] / 255))


class Checking(State):
    """Checks and their results, and the tools that the owner accepted.

    Only fingerprints of tools are kept, at most as many as a check may list.
    """

    def request_check(self, check_id: UUID) -> UUID:
        """Request a check unless one is in progress; return the id of that which is in progress now.

        Raises:
            Refusal: SERVER_DISABLED.
        """
        if not self.is_enabled:
            raise Refusal(Code.SERVER_DISABLED, f"MCP server {self.definition.name!r} is disabled. Enable it first.")
        if self.checking is None:
            self.record(CheckRequested(check_id=check_id))
        return self.checking or check_id

    def request_check_if_enabled(self, check_id: UUID) -> None:
        """Request a check, which replaces one in progress: that one may have used an earlier definition."""
        if self.is_enabled:
            self.record(CheckRequested(check_id=check_id))

    def record_check(self, check_id: UUID, result: CheckResult, listed: ToolList | None, times: CheckTimes) -> None:
        """Record the result of a check, and the tools if the server listed others. Ignores an outdated check."""
        if check_id != self.checking:
            return
        if listed and (self.accepted is None or listed.fingerprints != self.listed):
            if self.unaccepted_lists < MAX_UNACCEPTED_LISTS:
                self._list(listed)
            else:
                result = result.model_copy(update={"error_detail": TOO_MANY_LISTS})
        failures = 0 if result.error_code is None else self.failures + 1
        self.record(
            ServerChecked(
                check_id=check_id,
                health=self._health(result, listed),
                result=result,
                failures=failures,
                next_at=times.next_after(failures, self.id),
            )
        )

    def accept_tools(self, version: str) -> None:
        """Accept the tools as the server listed them last. Records nothing if there was no other list.

        Raises:
            Refusal: TOOLS_CHANGED; the owner has seen another list.
        """
        if version != tools_version(self.listed):
            raise Refusal(
                Code.TOOLS_CHANGED, "The tools have changed since you read them. Read them again, then accept."
            )
        if self.unaccepted_lists:
            self.record(ToolsAccepted())

    def _list(self, listed: ToolList) -> None:
        self.record(ToolsListed(tools=listed.tools, fingerprints=listed.fingerprints))
        if self.listed != self.accepted:
            self.record(ToolsChanged(difference=tools_difference(self.accepted or {}, self.listed)))

    def _health(self, result: CheckResult, listed: ToolList | None) -> ServerHealth:
        if result.error_code is Code.AUTHORIZATION_REQUIRED:
            return "authorization_required"
        if result.error_code is not None or listed is None:
            return "unhealthy"
        return "healthy" if listed.fingerprints == self.accepted else "changed"

    def apply_check(self, event: CheckEvent) -> None:
        """Fold one event about checks."""
        match event:
            case CheckRequested():
                self.checking = event.check_id
            case ServerChecked():
                self.checking, self.failures = None, event.failures
            case ToolsListed():
                self.listed = event.fingerprints
                if self.accepted is None:
                    self.accepted = event.fingerprints
                else:
                    self.unaccepted_lists += 1
            case ToolsChanged():
                pass
            case ToolsAccepted():
                self.accepted, self.unaccepted_lists = self.listed, 0
            case _:
                assert_never(event)


def tools_difference(accepted: dict[str, Fingerprint], listed: dict[str, Fingerprint]) -> ToolsDifference:
    """Return the names of the tools that differ from the accepted ones."""
    return ToolsDifference(
        added=sorted(listed.keys() - accepted.keys()),
        removed=sorted(accepted.keys() - listed.keys()),
        changed=sorted(name for name in listed.keys() & accepted.keys() if listed[name] != accepted[name]),
    )


def tools_version(listed: dict[str, Fingerprint]) -> str:
    """Return what identifies a list of tools: its owner accepts the list that they have seen, and no later one."""
    return sha256("".join(sorted(listed.values())).encode()).hexdigest()
