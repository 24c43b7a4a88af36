"""The list of sessions shows their latest state, although responses arrive late."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.e2e.console.late import LateResponse, handled
from tests.e2e.console.tab import Console
from tests.e2e.streams import following
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


def rename(user: User, session_id: str, name: str) -> None:
    user.http.patch(f"/sessions/{session_id}", json={"name": name}).raise_for_status()


async def test_a_deleted_session_is_not_listed_again(console: Console, user: User) -> None:
    session_id = user.create()
    await expect(console.sessions).to_have_count(1)
    read = await LateResponse.of(console.page, f"/sessions/{session_id}$")
    rename(user, session_id, "Renamed")
    await read.sent()
    with following(user, "/events", types="session.deleted") as events:
        user.http.delete(f"/sessions/{session_id}").raise_for_status()
        await asyncio.to_thread(next, events)
    await read.arrive()
    await handled(console, user)
    await expect(console.sessions).to_have_count(1)


async def test_a_change_shown_by_the_open_session_stays_listed(console: Console, user: User) -> None:
    session_id = user.create()
    await expect(console.sessions).to_have_count(1)
    read = await LateResponse.of(console.page, f"/sessions/{session_id}$")
    rename(user, session_id, "First")
    await read.sent()
    await console.open(session_id)
    rename(user, session_id, "Second")
    await expect(console.page.get_by_role("heading", level=2)).to_have_text("Second")
    await read.arrive()
    await handled(console, user)
    await expect(console.sessions.locator(".name").last).to_have_text("Second")


@pytest.mark.long
async def test_a_change_of_a_session_is_listed_although_its_page_is_left(console: Console, user: User) -> None:
    session_id = user.create()
    await console.open(session_id)
    await expect(console.page.get_by_role("heading", level=2)).to_have_text("one")
    read = await LateResponse.of(console.page, f"/sessions/{session_id}$")
    rename(user, session_id, "Renamed")
    await read.sent()
    await console.page.get_by_role("link", name="Sessions").click()
    await expect(console.sessions.locator(".name")).to_have_text("Renamed")
    await read.arrive()


async def test_a_session_created_during_a_search_is_listed(console: Console, user: User) -> None:
    read = await LateResponse.of(console.page, "/sessions.*q=")
    await console.page.get_by_role("searchbox", name="Search sessions").fill("fix")
    await read.sent()
    with following(user, "/events", types="session.created") as events:
        user.http.post("/sessions", json={"name": "Fix it"}).raise_for_status()
        await asyncio.to_thread(next, events)
    await read.arrive()
    await expect(console.sessions.locator(".name")).to_have_text("Fix it")
