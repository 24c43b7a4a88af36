"""Whether an agent may stay warm after a turn."""

import asyncio

from contracts.refusals import Code
from runtime.logging import get_logger
from sandbox import Sandbox, SandboxedProcess

from session.agent.agent_events import Finished
from session.agent.options import AgentSpec

log = get_logger()

TIMEOUT = 10.0


async def settles(process: SandboxedProcess, sandbox: Sandbox, memory_bytes: int) -> bool:
    """Kill what a turn has left running; return whether the agent is now as small as an idle one.

    Programs hold memory beyond their end, too: in files of the sandbox, or in the agent's own process.
    """
    if not sandbox.confines:  # the agent has no tools
        return True
    try:
        async with asyncio.timeout(TIMEOUT):
            remains = await process.end_children()
    except OSError as error:  # TimeoutError is one
        log.warning("agent did not become idle", error=repr(error))
        return False
    settled = not remains.processes and remains.memory_bytes <= memory_bytes
    if not settled:
        log.info("agent not kept warm", processes=remains.processes, memory_bytes=remains.memory_bytes)
    return settled


def spent_budget(spec: AgentSpec, finished: Finished) -> bool:
    """Return whether a turn used up the budget that was left when it began."""
    used_up = spec.budget_usd is not None and finished.cost_usd >= spec.budget_usd
    return used_up or finished.error_code is Code.BUDGET_EXCEEDED
