"""Waiting for a session that is copied, packed or unpacked: asked again, in growing steps, until that is over."""

import asyncio

from contracts.refusals import Refusal
from contracts.session.session import GetSession, SessionView
from runtime.bus import Unavailable
from starlette.requests import ClientDisconnect, Request

from gateway.auth.callers import User
from gateway.state import gateway_of

FIRST_PAUSE, MAX_PAUSE = 0.02, 1.0


async def settled(view: SessionView, caller: User, request: Request) -> SessionView:
    """Give the session when it is ready: as it then is, or when the wait was long enough or this process ends.

    Raises:
        ClientDisconnect: the client hung up.
        Refusal: the session is gone; or what was waited for failed, as the session tells.
    """
    runs, now = gateway_of(request).runs, asyncio.get_running_loop().time
    pause, give_up = FIRST_PAUSE, now() + runs.longest_wait
    while not (view.ready or view.error_code or runs.closing or now() >= give_up):
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)
        if await request.is_disconnected():
            raise ClientDisconnect
        try:
            view = await caller.ask(GetSession(session_id=view.id))
        except Unavailable:  # whoever takes the service's place will do it
            continue
    if view.error_code:
        raise Refusal(view.error_code, view.error_detail or "")
    return view
