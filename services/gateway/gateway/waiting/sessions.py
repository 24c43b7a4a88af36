"""Waiting until a session is ready, whose files are being copied, packed or unpacked."""

from contracts.refusals import Refusal
from contracts.session.session import GetSession
from contracts.session.session_view import SessionView
from runtime.bus import Unavailable

from gateway.clients.auth.callers import User
from gateway.waiting import Disconnected, Waits


async def wait_until_ready(session: SessionView, caller: User, waits: Waits, disconnected: Disconnected) -> SessionView:
    """Return a session when it is ready, or as it is when the wait times out or this process shuts down.

    Raises:
        ClientDisconnect: the client disconnected.
        Refusal: the session was deleted, or its files could not be copied, packed or unpacked.
    """

    async def read(before: SessionView, _: bool) -> SessionView:
        try:
            return await caller.ask(GetSession(session_id=session.id))
        except Unavailable:  # another replica takes over and finishes the work
            return before

    session = await waits.until(_has_ended, session, read, disconnected)
    if session.error_code:
        raise Refusal(session.error_code, session.error_detail or "")
    return session


def _has_ended(session: SessionView) -> bool:
    return session.ready or session.error_code is not None
