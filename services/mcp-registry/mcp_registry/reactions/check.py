"""Checks servers: connects, lists their tools and measures the time."""

import asyncio
import time
from typing import ClassVar

from contracts.mcp_registry.check import CheckRequested, RecordCheck
from contracts.mcp_registry.values import CheckResult, Tool
from contracts.refusals import Code, Refusal
from eventing.reactions import Reactions, UnfinishedWork
from eventing.reactions.jobs import Job, JobFailed, job
from mcp_connection import ConnectionFailed

from mcp_registry.dependencies import Dependencies

IN_PROGRESS = "SELECT id AS aggregate, checking AS work FROM servers WHERE checking IS NOT NULL"
CONCURRENCY = 32
"""Checks mostly wait. Servers that hang must not hold up the checks of others."""
CHECK_SECONDS = 30.0
MAX_TEXT = 200
"""Characters of what a server says about itself."""

reactions = Reactions()


@job(reactions, "check_server", concurrency=CONCURRENCY)
class CheckServerJob(Job[Dependencies, CheckRequested]):
    """Checks a server. The health of a server is the result of the job, so it fails only if none can be found out."""

    unfinished: ClassVar = UnfinishedWork(IN_PROGRESS, lambda recorded: recorded.event.check_id)
    give_up_code: ClassVar = Code.MCP_SERVER_UNAVAILABLE

    async def work(self) -> None:
        """Check the server, and record the result."""
        try:
            server = await self.dependencies.servers.get(self.recorded.id, self.recorded.envelope)
        except Refusal as refusal:
            raise JobFailed(refusal.code, refusal.detail) from refusal
        started_at = time.monotonic()
        try:
            async with asyncio.timeout(CHECK_SECONDS), self.dependencies.connector.connect(server) as upstream:
                tools = await upstream.list_tools()
                latency_ms = (time.monotonic() - started_at) * 1000
                name, version = _cut(upstream.name), _cut(upstream.version)
        except ConnectionFailed as failure:
            raise JobFailed(failure.code, failure.detail) from failure
        except TimeoutError as error:
            raise JobFailed(Code.MCP_SERVER_TIMEOUT, f"The check took longer than {CHECK_SECONDS:.0f} s.") from error
        await self._record(CheckResult(latency_ms=latency_ms, server_name=name, server_version=version), tools)

    async def fail(self, failure: JobFailed) -> None:
        """Record that the server could not be used."""
        await self._record(CheckResult(error_code=failure.code, error_detail=failure.detail), None)

    async def discard(self) -> None:
        """Do nothing: a check leaves nothing behind."""

    async def _record(self, result: CheckResult, tools: list[Tool] | None) -> None:
        command = RecordCheck(server_id=self.recorded.id, check_id=self.event.check_id, result=result, tools=tools)
        await self.reaction.send(command)


def _cut(text: str) -> str | None:
    return text[:MAX_TEXT] or None
