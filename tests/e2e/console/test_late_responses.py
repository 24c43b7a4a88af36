"""A page shows the latest state, although responses arrive late."""

import re

import pytest
from onebox.testing.system import System
from playwright.async_api import expect
from simulator.testing import DONE, bash, calling, scripted

from tests.e2e.console.late import LateResponse, handled
from tests.e2e.console.mcp.lab import register
from tests.e2e.console.tab import Console
from tests.e2e.tasks import UserTask
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOWHERE = "https://mcp.invalid/"
LARGE = {"file_path": "/workspace/b.txt", "content": "line\n" * 4000}


async def test_an_action_on_a_task_does_not_hide_a_later_change(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    paused = await LateResponse.of(console.page, "/pause$")
    await console.press("Pause")
    await expect(console.state).to_have_text("paused")
    read = await LateResponse.of(console.page, f"{task.path}$")
    await paused.arrive()
    await read.sent()
    task.post("resume").raise_for_status()
    await handled(console, user)
    await read.arrive()
    await expect(console.view.locator(".pause")).to_have_attribute("aria-busy", "false")
    await expect(console.state).to_have_text("active")


@pytest.mark.long
async def test_the_button_of_a_task_does_what_it_says(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    next_runs = await LateResponse.of(console.page, "/next-runs")
    task.post("pause").raise_for_status()
    await next_runs.sent()
    async with console.page.expect_request(re.compile("/(pause|resume)$")) as sending:
        await console.press("Pause")
    assert (await sending.value).url.endswith("/pause")
    await next_runs.arrive()


async def test_what_was_deleted_is_not_shown_again(console: Console, user: User) -> None:
    for path in (UserTask.create(user).path, f"/mcp-servers/{register(user, NOWHERE)}"):
        await console.page.goto(f"{console.base_url}/console/#{path[1:]}")
        await expect(console.view.locator(".title .connection")).to_have_text("live")
        if "mcp" in path:
            await expect(console.health).to_have_text("unhealthy")
        read = await LateResponse.of(console.page, f"{path}$")
        user.http.patch(path, json={"name": "Renamed"}).raise_for_status()
        await read.sent()
        user.http.delete(path).raise_for_status()
        await handled(console, user)
        await read.arrive()
        await expect(console.view.get_by_role("heading", level=2)).to_have_text("Renamed")
        await expect(console.view.locator(".main.alert")).to_contain_text("was deleted")
        await expect(console.view.locator(".content")).to_be_hidden()


@pytest.mark.long
async def test_an_approval_that_was_decided_is_not_pending_again(door: Console, admin: User) -> None:
    await door.page.clock.install()
    await door.enter_as(admin)
    session_id = admin.create("Read")
    admin.submit(session_id, scripted(bash("touch one"), DONE)).raise_for_status()
    await expect(door.pending).to_have_accessible_name("Approvals 1 pending")
    read = await LateResponse.of(door.page, "/approvals.*status=pending")
    await door.page.clock.fast_forward("01:00")
    await read.sent()
    [approval] = admin.items("/approvals", status="pending")
    admin.http.post(f"/approvals/{approval['id']}/approve").raise_for_status()
    await handled(door, admin)
    await read.arrive()
    await handled(door, admin)
    await expect(door.pending).to_have_accessible_name("Approvals")


async def test_a_call_that_has_ended_is_not_shown_as_waiting_again(console: Console, user: User) -> None:
    await console.open(user.create("Read"))
    read = await LateResponse.of(console.page, "/tool-calls/")
    await console.ask(scripted(calling(("Write", LARGE)), DONE))
    await read.sent()
    await console.press("Approve")
    await expect(console.chip(console.tools)).to_have_text("success")
    await read.arrive()
    await expect(console.tools.locator(".file")).to_contain_text("/workspace/b.txt")
    await expect(console.chip(console.tools)).to_have_text("success")
    await expect(console.tools.locator(".output")).not_to_be_empty()


@pytest.mark.long
async def test_the_choice_of_servers_is_the_latest_one(console: Console, user: User) -> None:
    read = await LateResponse.of(console.page, "/mcp-servers.*is_enabled=true")
    form = console.page.get_by_text("New session")
    await form.click()
    await read.sent()
    register(user, NOWHERE)
    for _ in ("closed", "opened"):
        await form.click()
    await handled(console, user)
    await read.arrive()
    await handled(console, user)
    await expect(console.page.locator("#start [name=mcp_servers]")).to_have_count(1)


@pytest.mark.long
async def test_an_action_does_not_leave_a_page_that_was_opened_meanwhile(console: Console, user: User) -> None:
    await console.open_servers(register(user, NOWHERE))
    deleted = await LateResponse.of(console.page, "/mcp-servers/[^/]+$")
    console.page.once("dialog", lambda dialog: dialog.accept())
    await console.press("Delete")
    await deleted.sent()
    await console.open_tasks()
    await deleted.arrive()
    await handled(console, user)
    await expect(console.page).to_have_url(re.compile("#tasks$"))


@pytest.mark.long
async def test_the_account_is_that_of_the_latest_login(
    door: Console, user: User, admin: User, console_system: System
) -> None:
    viewer = await LateResponse.of(door.page, "/auth/me$")
    await door.log_in(user.email)
    await viewer.sent()
    await door.press("Log out")
    await door.page.get_by_label("E-mail").fill(console_system.admin_email)
    await door.page.get_by_label("Password").fill(console_system.admin_password)
    await door.press("Log in")
    await expect(door.page.locator("#account")).not_to_be_empty()
    await viewer.arrive()
    await handled(door, admin)
    await door.open_approvals()
    await expect(door.view.locator(".foreign")).to_be_visible()  # to administrators
