"""A query to a warm session, over the API, against the same words put to a Claude Code of our own by the SDK."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

from claude_agent_sdk import ClaudeSDKClient, PermissionResultAllow, ToolPermissionContext
from contracts.session.values import SdkOptions
from runtime.clock import new_id
from session.agent.options import AgentSpec, Limits, options, variables
from session.model_proxy import ModelProxy
from session.sandbox import Sandbox

from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import Side, interleaved, timed
from tests.bench.stage import Stage
from tests.e2e.user import scripted

ROUNDS, WARMING = 60, 5
TOKEN = "bench"
TOOLS = ["Bash", "Read", "Write"]
PROMPT = scripted({"text": "Nothing unusual is in the logs."})
AIM = Aim(25, " ms more", most=True)


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    control = await stage.section.enter_async_context(_directly(stage))
    async with await Connection.open(stage.port) as connection:
        sides = {"ours": _over_http(stage, connection), "control": control}
        await interleaved(sides, WARMING)
        rounds = await interleaved(sides, ROUNDS)
    ours, control = rounds.median("ours"), rounds.median("control")
    slow = {side: milliseconds(rounds.percentile(side, 95)) for side in sides}
    more = (ours - control) * 1000
    return [
        Line("POST query; the SDK, in the same sandbox", milliseconds(ours), milliseconds(control), more, AIM, " ms"),
        Line("  p95", slow["ours"], slow["control"]),
    ]


def _over_http(stage: Stage, connection: Connection) -> Side:
    user = stage.user()
    token, session_id = str(user.http.headers["authorization"]), user.create(*TOOLS)
    request = Request.post(f"/api/v1/sessions/{session_id}/query", token, {"message": PROMPT}, 200)
    return timed(lambda: connection.ask(request))


@asynccontextmanager
async def _directly(stage: Stage) -> AsyncGenerator[Side]:
    """Run the agent as the service does, but for what makes it ours: nothing is stored, nobody is told."""
    sandbox, _ = await Sandbox.find()
    spec = AgentSpec(new_id(), stage.folder.path / "bench-agent", SdkOptions(allowed_tools=TOOLS))
    cell = sandbox.cell(spec.workspace, variables(TOKEN, Limits()))
    transcript = cast(Any, None)
    confined = sandbox.bwrap is not None
    wanted = options(spec, cell, transcript, begun=False, confined=confined, permit=_permit, complain=lambda _: None)
    client = ClaudeSDKClient(replace(wanted, session_store=None))
    async with ModelProxy(stage.model, None) as proxy:
        await client.connect()
        await proxy.serve(cell.admit(), TOKEN)
        try:
            yield timed(lambda: _ask(client))
        finally:
            with suppress(Exception):  # it was killed by then
                cell.kill()
                await client.disconnect()
            cell.remove()


async def _permit(_name: str, _given: dict[str, Any], _context: ToolPermissionContext) -> PermissionResultAllow:
    return PermissionResultAllow()


async def _ask(client: ClaudeSDKClient) -> None:
    await client.query(PROMPT)
    async for _ in client.receive_response():
        pass
