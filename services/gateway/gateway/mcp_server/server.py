"""The MCP server of one request: it dispatches calls of tools and reads of resources, and maps problems."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
)
from runtime import clock
from runtime.bus import OutcomeUnknown
from runtime.logging import get_logger
from starlette.requests import ClientDisconnect

from gateway.entry import metrics
from gateway.entry.idempotency.keys import MEMBER
from gateway.entry.idempotency.messages import continuing
from gateway.mcp_server import approval, conversation, execution, report, run, session, task
from gateway.mcp_server.call import PATH, Call
from gateway.mcp_server.resources import TEMPLATES, list_resources, read_resource
from gateway.mcp_server.tool import Tool
from gateway.problems import Problem, translation
from gateway.schemas.base import ResponseModel

log = get_logger()

MODULES = (session, run, conversation, task, execution, report, approval)
TOOLS: dict[str, Tool] = {tool.definition.name: tool for module in MODULES for tool in module.tools.all}
INSTRUCTIONS = (
    "Runs Claude Code agents in sessions. Create a session, query it, and read its answer, its messages or a report. "
    "Results name ids that other tools take. Errors begin with a code."
)
SUCCEEDED = "OK"

type Context = ServerRequestContext[dict[str, Any], Any]


def create_server(call: Call, version: str) -> Server:
    """Return the server of one request. It keeps nothing, so any replica can serve the next one."""

    async def list_tools(_context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.definition for tool in TOOLS.values()])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        with_progress = replace(call, report_progress=context.session.report_progress)
        key = cast(dict[str, object], params.meta or {}).get(MEMBER)
        return await _call_tool(params.name, params.arguments or {}, with_progress, key)

    async def resources(_context: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        with _protocol_errors(call):
            return await list_resources(params.cursor if params else None, call)

    async def templates(_context: Context, _params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def read(_context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        with _protocol_errors(call):
            return await read_resource(params.uri, call)

    server = Server(
        "agentapi",
        version=version,
        title="AI-Agent-API",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=lambda name: TOOLS[name].definition.input_schema if name in TOOLS else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=resources,
        on_list_resource_templates=templates,
        on_read_resource=read,
    )
    server.middleware.clear()  # traces are made by `gateway.entry.edge`
    return server


async def _call_tool(name: str, arguments: dict[str, Any], call: Call, key: object) -> CallToolResult:
    tool = TOOLS.get(name)
    if tool is None:
        raise MCPError(INVALID_PARAMS, f"There is no tool {name[:100]}.")
    outcome, key = SUCCEEDED, None if tool.annotations.read_only_hint else key
    try:
        async with continuing(call.gateway.records, call.caller.token, f"MCP {name}", key, arguments):
            result = _succeeded(await tool(arguments, call))
    except ClientDisconnect:
        raise MCPError(CONNECTION_CLOSED, "The client disconnected.") from None
    except Exception as error:  # noqa: BLE001  `translation` logs those that are not expected
        problem = _problem(error, is_repeatable=key is not None or tool.annotations.idempotent_hint is True)
        # Other names than those of the tool are the client's own text.
        named = {field: arguments[field] for field in tool.arguments.model_fields if field in arguments}
        call.gateway.audit_reports.add(call.request.scope, problem, f"mcp.{name}", named)
        outcome, result = str(problem.code), _failed(problem, call)
    metrics.count_tool_call(name, outcome)
    log.info("tool called", tool=name, outcome=outcome)
    return result


def _problem(error: Exception, *, is_repeatable: bool) -> Problem:
    if isinstance(error, OutcomeUnknown) and not is_repeatable:
        return translation.in_doubt("check whether it took effect")
    return translation.of(error)


def _succeeded(model: ResponseModel) -> CallToolResult:
    text = model.encoded().decode()
    return CallToolResult(content=[TextContent(text=text)], structured_content=json.loads(text))


def _failed(problem: Problem, call: Call) -> CallToolResult:
    """Return a result that models can read and act on; protocol errors are hidden from them."""
    text = f"{problem.code}: {problem.detail}"
    return CallToolResult(content=[TextContent(text=text)], is_error=True, _meta={"problem": _body(problem, call)})


def _body(problem: Problem, call: Call) -> dict[str, Any]:
    return problem.body(PATH, call.caller.request_id, clock.now())


@contextmanager
def _protocol_errors(call: Call) -> Generator[None]:
    """Turn problems into errors of the protocol."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  `translation` logs those that are not expected
        problem = translation.of(error)
        code = INVALID_PARAMS if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR else INTERNAL_ERROR
        raise MCPError(code, f"{problem.code}: {problem.detail}", _body(problem, call)) from None
