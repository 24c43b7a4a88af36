"""STDIO: each server is a program in a sandbox of its own, which exchanges one message per line."""

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

import anyio
from contracts.mcp_registry.values import ServerConnection
from contracts.refusals import Code
from mcp.client._transport import TransportStreams  # the library has no public name for it
from mcp.shared.message import SessionMessage
from runtime.http.addresses import AddressRules
from runtime.logging import get_logger
from sandbox import Heartbeats, Program, Sandbox, SandboxedProcess
from sandbox.egress import PROXY_VARIABLES, AllowedHosts, EgressProxy

from mcp_connection.failures import ConnectionFailed
from mcp_connection.limits import ConnectionLimits
from mcp_connection.stdio.diagnostics import Diagnostics
from mcp_connection.stdio.messages import receive, send
from mcp_connection.stdio.process import Running, run
from mcp_connection.transports import FailureReport

log = get_logger()

# Node.js ignores the variables of proxies by default.
NETWORK_VARIABLES = {"NODE_USE_ENV_PROXY": "1", "NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}
NO_SANDBOX = "STDIO servers need bubblewrap, which is not available where the service runs."
TOO_MANY_PROGRAMS = "Too many STDIO servers are running. Try again later."


class StdioTransport:
    """Runs STDIO servers; a context manager that sends them heartbeats. Without a sandbox it runs none.

    Servers may read the paths in `readable`, besides /usr and the Python of the service.
    """

    def __init__(
        self, sandbox: Sandbox, rules: AddressRules, limits: ConnectionLimits, readable: tuple[Path, ...] = ()
    ) -> None:
        self._sandbox, self._egress, self._limits, self._readable = sandbox, EgressProxy(rules), limits, readable
        self._count, self._processes = 0, set[SandboxedProcess]()
        self._heartbeats = Heartbeats(lambda: list(self._processes))

    def __enter__(self) -> Self:
        """Start to send heartbeats."""
        self._heartbeats.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to send heartbeats."""
        self._heartbeats.stop()

    @asynccontextmanager
    async def __call__(
        self, server: ServerConnection, workspace: Path | None, report: FailureReport
    ) -> AsyncGenerator[TransportStreams]:
        """Run a server while the context is open, and yield the streams of its messages.

        Raises:
            ConnectionFailed: the program could not be started.
        """
        if not self._sandbox.confines:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, NO_SANDBOX)
        hosts, diagnostics = _allowed_hosts(server), Diagnostics(server)
        received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, sent = anyio.create_memory_object_stream[SessionMessage](0)
        with received, incoming, outgoing, sent:
            async with self._run(self._sandbox, server, workspace) as running, anyio.create_task_group() as tasks:
                tasks.start_soon(diagnostics.read, running.stderr)
                try:
                    async with self._network(await _listener(running, server), hosts):
                        tasks.start_soon(receive, running, received, diagnostics, self._limits.message_bytes, report)
                        tasks.start_soon(send, running, sent)
                        yield incoming, outgoing
                finally:
                    tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def _run(self, sandbox: Sandbox, server: ServerConnection, workspace: Path | None) -> AsyncGenerator[Running]:
        async with AsyncExitStack() as exits:
            exits.enter_context(self._counted())
            try:
                running = await exits.enter_async_context(run(sandbox, self._program(server, workspace)))
            except OSError as error:
                raise _not_started(server, repr(error)) from error
            self._processes.add(running.sandboxed)
            exits.callback(self._processes.discard, running.sandboxed)
            yield running

    @contextmanager
    def _counted(self) -> Generator[None]:
        """Count a program from before its start to its end. Raise ConnectionFailed beyond the limit."""
        if self._count >= self._limits.programs:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, TOO_MANY_PROGRAMS)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    def _program(self, server: ServerConnection, workspace: Path | None) -> Program:
        definition = server.definition
        has_network = bool(definition.network_hosts)
        return Program(
            command=(definition.command or "", *definition.args),
            variables={**(NETWORK_VARIABLES if has_network else {}), **server.env},
            listener_variables=PROXY_VARIABLES if has_network else (),
            workspace=None if definition.workspace == "none" else workspace,
            writable=definition.workspace == "write",
            readable=self._readable,
            resources=self._limits.program_resources,
        )

    @asynccontextmanager
    async def _network(self, listener: socket.socket | None, hosts: AllowedHosts) -> AsyncGenerator[None]:
        if listener is None:
            yield
            return
        async with self._egress.serve(listener, hosts):
            yield


def _allowed_hosts(server: ServerConnection) -> AllowedHosts:
    try:
        return AllowedHosts(server.definition.network_hosts)
    except ValueError as error:
        raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, f"network_hosts: {error}") from error


async def _listener(running: Running, server: ServerConnection) -> socket.socket | None:
    try:
        listener = await running.wait_started()
    except ProcessLookupError as error:
        raise _not_started(server, "the sandbox ended before the program started") from error
    running.sandboxed.send_heartbeat()  # a program without a first one would outlive a service that hangs
    return listener


def _not_started(server: ServerConnection, reason: str) -> ConnectionFailed:
    log.warning("mcp server could not be started", server_id=str(server.id), reason=reason)
    return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The program could not be started.")
