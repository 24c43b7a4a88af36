"""Tools for the runs of a session."""

from typing import Annotated
from uuid import UUID

from contracts.session.run import CancelRun, GetRun
from pydantic import Field

from gateway.mcp_server.call import Call
from gateway.mcp_server.session import SessionId
from gateway.mcp_server.tool import CANCELS, READS, Tools
from gateway.schemas.run import Metrics, Run

tools = Tools()


class RunId(SessionId):
    """Arguments of tools for one run."""

    run_id: Annotated[UUID, Field(description="Id of the run.")]


@tools.add(READS)
async def get_run(arguments: RunId, call: Call) -> Run:
    """Get a run: its status, and the agent's answer in `text` when it is completed."""
    run = await call.caller.ask(GetRun(**arguments.model_dump()))
    return Run.of(run, usage=Metrics.of(run.usage))


@tools.add(CANCELS)
async def cancel_run(arguments: RunId, call: Call) -> Run:
    """Cancel a queued or an active run. What it has recorded so far is kept, and the next queued run starts."""
    run = await call.caller.ask(CancelRun(**arguments.model_dump()))
    return Run.of(run, usage=Metrics.of(run.usage))
