"""Backfills and triggers of a task."""

import pytest
from playwright.async_api import Dialog, Locator, expect
from runtime.testing import eventually
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console
from tests.e2e.tasks import UserTask, fire
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLEEPING = scripted(bash("sleep 300"), {"text": "never"})


def backfills(console: Console) -> Locator:
    return console.view.locator(".backfills tbody tr")


def triggers(console: Console) -> Locator:
    return console.view.locator(".triggers tbody tr")


async def start_backfill(console: Console, until: str) -> None:
    """Start a backfill of the first days of October."""
    await console.unfold("New backfill")
    form = console.page.get_by_role("form", name="Backfill")
    await form.get_by_label("From").fill("2025-10-01T00:00")
    await form.get_by_label("Until").fill(until)
    await console.press("Start backfill")


async def shown_secret(console: Console) -> str:
    secret = console.view.locator(".secret")
    await expect(secret).to_contain_text("shown only now: ")
    return (await secret.inner_text()).split(": ")[1]


async def test_backfills_are_started_watched_and_cancelled(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await start_backfill(console, "2025-10-02T00:00")
    form = console.page.get_by_role("form", name="Backfill")
    await expect(form.get_by_role("alert")).to_contain_text("schedule")
    user.http.patch(task.path, json={"schedule_cron": "0 9 * * *"}).raise_for_status()
    await console.press("Start backfill")
    await expect(backfills(console).locator(".done")).to_have_text("1 of 1")
    await expect(backfills(console).locator(".chip")).to_have_text("completed")
    assert len(task.executions(trigger="backfill")) == 1
    user.http.patch(task.path, json={"prompt_template": SLEEPING}).raise_for_status()
    await start_backfill(console, "2025-10-04T00:00")
    [execution] = await eventually(lambda: task.executions(trigger="backfill", status="running"))
    task.wait_for_tool_call(execution)  # or its session is created when the next test has nothing yet
    await backfills(console).get_by_role("button", name="Cancel").click()
    await expect(backfills(console).locator(".chip")).to_have_text(["cancelled", "completed"])
    await expect(backfills(console).get_by_role("button")).to_have_count(0)


async def test_a_trigger_is_created_fired_rotated_and_revoked(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await console.unfold("New trigger")
    await console.page.get_by_role("form", name="Trigger").get_by_label("Name").fill("Deployments")
    await console.press("Create trigger")
    await expect(triggers(console).get_by_role("rowheader")).to_have_text("Deployments")
    url, first = await triggers(console).locator("code").inner_text(), await shown_secret(console)
    fire({"url": url, "secret": first}, {}).raise_for_status()
    await expect(console.executions.locator(".trigger")).to_have_text("api")
    await expect(console.executions.locator(".chip")).to_have_text("completed")  # its session exists
    await expect(triggers(console).get_by_role("time")).not_to_be_empty()
    await console.press("Rotate secret")
    await expect(console.view.locator(".secret")).not_to_contain_text(first)
    assert (await shown_secret(console)).startswith("whsec_")
    await console.page.reload()
    await expect(triggers(console)).to_have_count(1)
    await expect(console.view.locator(".secret")).to_be_hidden()
    await console.press("Revoke")  # the browser of the tests dismisses the question
    await expect(triggers(console)).to_have_count(1)
    console.page.once("dialog", Dialog.accept)
    await console.press("Revoke")
    await expect(triggers(console)).to_have_count(0)
    assert user.items(f"{task.path}/triggers") == []
