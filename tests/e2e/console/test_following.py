"""Events are shown once, even if the connection breaks."""

import re
from collections.abc import Awaitable, Callable

import pytest
from onebox.testing.system import System
from playwright.async_api import Route, expect
from simulator.testing import bash, scripted

from tests.e2e.console.late import LateResponse, handled
from tests.e2e.console.tab import Console
from tests.e2e.console.wire import Wire
from tests.e2e.tasks import UserTask
from tests.e2e.user import HELD, User, let_go

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = "Reconnecting …"


def out_of_reach(position: str) -> Callable[[Route], Awaitable[None]]:
    """Resume from a position that the server does not have: it answers with a gap, behind all that is there."""

    async def resume(route: Route) -> None:
        await route.continue_(headers={**route.request.headers, "last-event-id": position})

    return resume


async def test_a_session_is_followed_over_breaks_silence_and_a_gap(
    remote: Console, wire: Wire, user: User, console_system: System
) -> None:
    session_id = user.create()
    said = list[re.Pattern[str]]()

    def say(*words: str) -> None:
        turns = [bash(word) if word.startswith("echo") else {"text": word} for word in words]
        user.ask(session_id, scripted(*turns)).raise_for_status()
        said.extend(map(re.compile, ("Go on", *words)))

    async def late(route: Route) -> None:
        say("echo one", "Said while the page loads.")
        await route.continue_()

    say("Said before.")  # the agent has started when the page waits for `late`, which it does for a minute at most
    await remote.page.route(re.compile("/messages"), late, times=1)
    await remote.open(session_id)
    await expect(remote.entries).to_have_text(said)
    wire.cut()
    await expect(remote.connection).to_have_text(LOST)
    say("echo two", "Said meanwhile.")
    wire.mend()
    await expect(remote.connection).to_have_text("live")
    await expect(remote.entries).to_have_text(said)
    await expect(remote.tools.locator(".chip")).to_have_text(["success", "success"])
    held = user.submit(session_id, HELD).raise_for_status().json()["id"]
    # The page has nothing more to read then: it notices no silence as long as it waits for a response.
    await expect(remote.tools.last.locator(".chip")).to_have_text("running")
    wire.silence()
    wire.refuse()  # or a connection might replace this one before the page is looked at
    let_go(console_system, session_id)
    user.ended(session_id, held)
    said.extend(map(re.compile, ("Go on", "until", "at last")))
    await remote.page.clock.fast_forward("01:00")  # silence is noticed
    await expect(remote.connection).to_have_text(LOST)
    wire.mend()
    await remote.page.clock.fast_forward("01:00")
    await expect(remote.entries).to_have_text(said)
    wire.cut()
    say("Said in the gap.")
    await remote.page.route(re.compile("/sessions/.*/events"), out_of_reach("999999999"), times=1)
    wire.mend()
    await expect(remote.entries).to_have_text(said)


@pytest.mark.long
@pytest.mark.parametrize("of_one", [True, False])
async def test_a_change_that_a_gap_missed_stays_visible(
    remote: Console, wire: Wire, user: User, *, of_one: bool
) -> None:
    task = UserTask.create(user)
    await remote.open_tasks(task.id if of_one else None)
    read = await LateResponse.of(remote.page, f"{task.path}$")
    user.http.patch(task.path, json={"name": "Before"}).raise_for_status()
    await read.sent()
    wire.cut()
    user.http.patch(task.path, json={"name": "In the gap"}).raise_for_status()
    await remote.page.route(re.compile("/events"), out_of_reach("task_scheduler-999999999"), times=1)
    wire.mend()
    await handled(remote, user)
    await read.arrive()
    await handled(remote, user)
    await expect(remote.view.locator("h2" if of_one else "tbody th")).to_have_text("In the gap")
