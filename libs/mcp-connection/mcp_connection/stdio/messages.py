"""The messages of a STDIO server, one per line."""

from contextlib import suppress

import mcp_types
from anyio import BrokenResourceError, ClosedResourceError
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from contracts.refusals import Code
from mcp.shared.message import SessionMessage

from mcp_connection.failures import ConnectionFailed
from mcp_connection.messages import check_message
from mcp_connection.stdio.diagnostics import Diagnostics
from mcp_connection.stdio.lines import read_lines
from mcp_connection.stdio.process import Running
from mcp_connection.transports import FailureReport

STATUS_SECONDS = 1.0
OUT_OF_MEMORY = "The program needed more memory than it may use, and was ended."

type Received = MemoryObjectSendStream[SessionMessage | Exception]
type Sent = MemoryObjectReceiveStream[SessionMessage]


async def receive(
    running: Running, received: Received, diagnostics: Diagnostics, max_bytes: int, report: FailureReport
) -> None:
    """Pass on the messages of a server until it ends or a message has more than `max_bytes`, and report why.

    A line that is not a message is logged and skipped: many programs print a greeting.
    """
    async with received:
        try:
            async for line in read_lines(running.stdout, max_bytes):
                check_message(line, max_bytes)
                try:
                    message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    diagnostics.report_invalid(line)
                else:
                    await received.send(SessionMessage(message))
            report(await _end_of(running, diagnostics))
        except ConnectionFailed as failed:
            report(failed)
        except (BrokenResourceError, ClosedResourceError):
            pass  # the connection is being closed


async def send(running: Running, sent: Sent) -> None:
    """Send messages to a server, each when the one before it has been read."""
    async with sent:
        with suppress(OSError):  # it has ended
            async for message in sent:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                running.stdin.write(f"{text}\n".encode())
                await running.stdin.drain()


async def _end_of(running: Running, diagnostics: Diagnostics) -> ConnectionFailed:
    """Return why a program that has closed its output cannot be used any more."""
    status = await running.status(STATUS_SECONDS)
    if running.sandboxed.ran_out_of_memory():
        return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, OUT_OF_MEMORY)
    reason = "closed its output" if status is None else f"ended with status {status}"
    last_line = diagnostics.last_line
    return ConnectionFailed(
        Code.MCP_SERVER_UNAVAILABLE, f"The program {reason}" + (f": {last_line}" if last_line else ".")
    )
