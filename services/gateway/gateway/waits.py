"""Waiting for work that a service does behind its answer: asked again, in growing steps, until it is done."""

import asyncio
from collections.abc import Awaitable, Callable

from runtime.bus import Unavailable
from starlette.requests import ClientDisconnect, Request

from gateway.runs import Runs

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0


async def settled[V](
    ask: Callable[[], Awaitable[V]], done: Callable[[V], bool], view: V, runs: Runs, request: Request
) -> V:
    """Ask until it is done, and give the last answer: also when the wait was long enough, or this process ends.

    Raises:
        ClientDisconnect: the client hung up.
        Refusal: what was asked about is gone.
    """
    pause, give_up = FIRST_PAUSE, asyncio.get_running_loop().time() + runs.longest_wait
    while not done(view) and not runs.closing and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        if await request.is_disconnected():
            raise ClientDisconnect
        try:
            view = await ask()
        except Unavailable:  # whoever takes the service's place will do it
            continue
    return view
