"""The egress proxy: the only way out of a sandbox to the hosts that a program may reach."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from runtime.http.addresses import Address, AddressNotAllowed, AddressRules, HostNotFound

from sandbox.egress.allowed_hosts import AllowedHosts
from sandbox.egress.relaying import Connection, relay
from sandbox.egress.request import InvalidRequest, ProxyRequest, parse

__all__ = ["PROXY_VARIABLES", "AllowedHosts", "EgressProxy"]

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
MAX_HEAD_BYTES = 2**15
HEAD_SECONDS = 10.0
CONNECT_SECONDS = 10.0
MAX_CONNECTIONS_OF_PROGRAM = 64
BACKLOG = 16
TUNNEL_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Denied(Exception):
    """A request is not forwarded; the error has the status of the response, and its text."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class EgressProxy:
    """An HTTP proxy for programs in sandboxes, each of which may reach certain hosts only.

    A host name is resolved here, and the connection goes to an address that `rules` permit. A tunnel's content is not
    inspected: a program can reach whatever an allowed host serves.
    """

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules

    @asynccontextmanager
    async def serve(self, listener: socket.socket, allowed: AllowedHosts) -> AsyncGenerator[None]:
        """Serve the program that connects to `listener`, and close all of its connections on exit."""
        tasks = set[asyncio.Task[None]]()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = cast(asyncio.Task[None], asyncio.current_task())
            tasks.add(task)
            try:
                async with Connection(reader, writer) as client:
                    if len(tasks) > MAX_CONNECTIONS_OF_PROGRAM:
                        _refuse(client, Denied(503, "The program has too many connections."))
                    else:
                        await self._answer(client, allowed)
            finally:
                tasks.discard(task)

        server = await asyncio.start_server(answer, sock=listener, limit=MAX_HEAD_BYTES, backlog=BACKLOG)
        try:
            yield
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _answer(self, client: Connection, allowed: AllowedHosts) -> None:
        try:
            request = parse(await _head(client.reader))
            async with await self._connect(request, allowed) as host:
                client.writer.write(TUNNEL_OPEN if request.is_tunnel else b"")
                host.writer.write(request.head)
                await relay(client, host)
        except InvalidRequest as error:
            _refuse(client, Denied(400, str(error)))
        except Denied as denied:
            _refuse(client, denied)
        except (OSError, EOFError):
            pass  # the program closed its connection

    async def _connect(self, request: ProxyRequest, allowed: AllowedHosts) -> Connection:
        name = f"{request.host}:{request.port}"
        if not allowed.permit(request.host, request.port):
            raise Denied(403, f"{name} is not one of the hosts that this program may reach.")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                addresses = await self._rules.addresses(request.host, request.port)
                return await _open(addresses, request.port)
        except AddressNotAllowed as error:
            raise Denied(403, str(error)) from error
        except HostNotFound as error:
            raise Denied(502, str(error)) from error
        except (OSError, TimeoutError) as error:
            raise Denied(502, f"{name} cannot be reached.") from error


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Denied(431, f"The head of a request has at most {MAX_HEAD_BYTES} bytes.") from None
    except TimeoutError:
        raise Denied(408, f"The head of a request took longer than {HEAD_SECONDS:.0f} s.") from None


async def _open(addresses: list[Address], port: int) -> Connection:
    """Connect to the first address that accepts the connection."""
    failure = OSError("The host has no address.")
    for address in addresses:
        try:
            return Connection(*await asyncio.open_connection(str(address), port, limit=MAX_HEAD_BYTES))
        except OSError as error:
            failure = error
    raise failure


def _refuse(client: Connection, denied: Denied) -> None:
    body = f"{denied.detail}\n".encode()
    head = [f"HTTP/1.1 {denied.status} {REASONS[denied.status]}", "Content-Type: text/plain; charset=utf-8"]
    head += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    client.writer.write("\r\n".join(head).encode() + body)
