"""Events are shown once, even if the connection breaks."""

import re

import pytest
from playwright.async_api import Route, expect
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console
from tests.e2e.console.wire import Wire
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_events_during_loading_are_shown_once(console: Console, user: User) -> None:
    session_id = user.create()

    async def late(route: Route) -> None:
        user.ask(session_id, scripted(bash("echo one"), {"text": "Meanwhile."})).raise_for_status()
        await route.continue_()

    await console.page.route(re.compile("/messages"), late, times=1)
    await console.open(session_id)
    await console.ask(scripted({"text": "Later."}))
    shown = [re.compile(part) for part in ("Go on", "echo one", "Meanwhile.", "Go on", "Later.")]
    await expect(console.entries).to_have_text(shown)


async def test_a_broken_stream_is_resumed_without_loss_or_repetition(far: Console, wire: Wire, user: User) -> None:
    session_id = user.create()
    await far.open(session_id)
    await far.ask(scripted({"text": "Said before."}))
    await expect(far.status).to_have_text("active")
    wire.cut()
    await expect(far.connection).to_have_text("Reconnecting …")
    user.ask(session_id, scripted(bash("echo one"), {"text": "Said meanwhile."})).raise_for_status()
    wire.mend()
    await expect(far.connection).to_have_text("live")
    shown = [re.compile(part) for part in ("Go on", "Said before.", "Go on", "echo one", "Said meanwhile.")]
    await expect(far.entries).to_have_text(shown)
    await expect(far.chip(far.tools)).to_have_text("success")


async def test_a_silent_connection_is_replaced(far: Console, wire: Wire, user: User) -> None:
    session_id = user.create()
    await far.open(session_id)
    wire.silence()
    wire.refuse()  # or a connection might replace this one before the page is looked at
    user.ask(session_id, scripted({"text": "Said into silence."})).raise_for_status()
    await far.page.clock.fast_forward("01:00")  # silence is noticed
    await expect(far.connection).to_have_text("Reconnecting …")
    wire.mend()
    await far.page.clock.fast_forward("01:00")
    await expect(far.entries.last).to_contain_text("Said into silence.")


async def test_a_session_is_reloaded_after_a_gap(far: Console, wire: Wire, user: User) -> None:
    session_id = user.create()
    await far.open(session_id)
    wire.cut()
    user.ask(session_id, scripted({"text": "Said in the gap."})).raise_for_status()
    await far.page.route(re.compile("/sessions/.*/events"), out_of_reach, times=1)
    wire.mend()
    await expect(far.entries.last).to_contain_text("Said in the gap.")


async def out_of_reach(route: Route) -> None:
    """Resume from where the server has nothing: it answers with a gap, behind all that is there."""
    await route.continue_(headers={**route.request.headers, "last-event-id": "999999999"})
