import asyncio
from asyncio import StreamReader, StreamWriter

from runtime import bus
from runtime.testing import eventually

INFO = b'INFO {"max_payload": 1048576}\r\n'


async def test_an_attempt_to_reconnect_that_fails_leaves_no_connection_open():
    connections, closed = list[StreamWriter](), list[int]()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        number = len(connections)
        connections.append(writer)
        if number == 1:
            writer.write_eof()  # as a server that stops before it has greeted
        else:
            writer.write(INFO)
        while line := await reader.readline():
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
        closed.append(number)
        writer.close()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        bus.connected(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", "test") as client,
    ):
        connections[0].close()
        await eventually(lambda: len(connections) == 3 and client.is_connected)
        await eventually(lambda: 1 in closed)
        assert 2 not in closed
