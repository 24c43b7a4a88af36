"""Waiting for the descriptors of files that are not read by the event loop."""

import asyncio
import socket


async def wait_readable(file: socket.socket | int) -> None:
    """Wait until a socket or another descriptor, such as that of a process, is ready to be read."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(file, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)
