"""Translation of errors into reasons for users. They hold nothing that a server or a library wrote into an error."""

from collections.abc import Iterator
from typing import cast

from contracts.refusals import Code
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from mcp_connection.failures import ConnectionFailed


def translated(errors: BaseException) -> ConnectionFailed:
    """Return why a connection failed."""
    for error in _leaves(errors):
        match error:
            case ConnectionFailed():
                return error
            case TimeoutError():
                return ConnectionFailed(Code.MCP_SERVER_TIMEOUT, "The server did not answer in time.")
            case ValidationError():
                return ConnectionFailed(Code.MCP_SERVER_INVALID, "The server does not conform to the protocol.")
            case MCPError():
                return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The server refused to begin a session.")
            case _:
                pass
    return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The connection to the server failed.")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for child in cast(BaseExceptionGroup[BaseException], error).exceptions:
            yield from _leaves(child)
    else:
        yield error
