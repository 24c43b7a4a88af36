"""References to MCP servers in options of agents, which the registry checks wherever options are accepted."""

from contracts.mcp_registry.server import CheckReferences
from contracts.refusals import Code, Refusal

from gateway.clients.auth.callers import Anyone
from gateway.problems import EdgeCode, Problem
from gateway.schemas.options import Options

FIELD = ("sdk_options", "mcp_servers")


async def check_servers(options: Options | None, caller: Anyone) -> None:
    """Check that the caller may use the MCP servers that options name; options without any need no check.

    Raises:
        Problem: UNKNOWN_MCP_SERVER, which names the first server that does not exist for the caller.
    """
    if options is None or not options.mcp_servers:
        return
    try:
        await caller.ask(CheckReferences(references=options.mcp_servers))
    except Refusal as refusal:
        if refusal.code is not Code.MCP_SERVER_NOT_FOUND:
            raise
        error = {"loc": ["body", *FIELD], "msg": refusal.detail, "type": "unknown_mcp_server"}
        detail = f"{'.'.join(FIELD)}: {refusal.detail}"
        raise Problem(EdgeCode.UNKNOWN_MCP_SERVER, detail, errors=[error]) from None
