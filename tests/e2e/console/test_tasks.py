"""Tasks are listed and created."""

import asyncio
import re

import pytest
from onebox.testing.system import System
from playwright.async_api import expect
from simulator.testing import scripted

from tests.e2e.console.tab import Console
from tests.e2e.tasks import UserTask
from tests.e2e.user import User, set_active

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILING = scripted({"status": 400})


async def test_the_list_shows_the_tasks_a_page_at_a_time(console: Console, user: User) -> None:
    for number in range(27):
        UserTask.create(user, name=f"number {number}")
    await console.open_tasks()
    await expect(console.tasks).to_have_count(25)
    await expect(console.tasks.first).to_contain_text("number 26")
    UserTask.create(user, name="new")
    await expect(console.tasks.first).to_contain_text("new")
    await console.press("Load more")
    await expect(console.tasks).to_have_count(28)
    await expect(console.tasks.last).to_contain_text("number 0")
    await expect(console.page.get_by_role("button", name="Load more")).to_be_hidden()


async def test_a_task_is_listed_with_its_schedule_and_last_error(console: Console, user: User) -> None:
    task = UserTask.create(user, FAILING, name="Nightly", schedule_cron="0 0 1 1 *", schedule_timezone="Asia/Kolkata")
    task.ended(task.execute()["execution_id"])
    await console.open_tasks()
    await expect(console.tasks).to_contain_text("Nightly")
    await expect(console.tasks.locator(".schedule")).to_have_text("0 0 1 1 * Asia/Kolkata")
    await expect(console.tasks.locator(".next")).to_have_attribute("datetime", task.view()["next_run_at"])
    await expect(console.tasks.locator(".chip:visible")).to_have_text(["active", "failed"])
    await expect(console.tasks.locator(".problem")).to_have_text("MODEL_ERROR")


async def test_a_task_of_a_disabled_owner_is_listed_with_the_reason(
    console: Console, user: User, system: System
) -> None:
    task = UserTask.create(user)
    await asyncio.to_thread(set_active, system, user, active=False)
    task.execute()
    await console.open_tasks()
    await expect(console.tasks.locator(".last")).to_have_text("failed")
    await expect(console.tasks.locator(".problem")).to_have_text("OWNER_DISABLED")


async def test_a_task_without_a_schedule_is_listed_without_times(console: Console, user: User) -> None:
    UserTask.create(user, name="By hand")
    await console.open_tasks()
    await expect(console.tasks.get_by_role("cell")).to_have_text(["active", "", "", ""])


async def test_the_list_follows_changes_of_tasks(console: Console, user: User) -> None:
    task, deleted = UserTask.create(user, name="kept"), UserTask.create(user, name="deleted")
    await console.open_tasks()
    await expect(console.tasks).to_have_count(2)
    task.post("pause").raise_for_status()
    await expect(console.tasks.last.locator(".state")).to_have_text("paused")
    user.http.delete(deleted.path).raise_for_status()
    await expect(console.tasks).to_have_text([re.compile("kept")])


async def test_the_list_without_tasks_says_so(console: Console, user: User) -> None:
    await console.open_tasks()
    await expect(console.page.get_by_text("There are no tasks yet.")).to_be_visible()
    UserTask.create(user)
    await expect(console.page.get_by_text("There are no tasks yet.")).to_be_hidden()


async def test_a_task_is_created_with_the_values_of_the_form(console: Console, user: User) -> None:
    await console.open_tasks()
    await console.unfold("New task")
    form = console.page.get_by_role("form", name="Task")
    texts = {
        "Name": "Nightly",
        "Prompt": "Read {{file}}",
        "Variables": '{"file": "a.log"}',
        "Allowed tools": "Read\nBash(ls *)",
        "Schedule": "0 9 * * *",
        "Time zone": "Asia/Kolkata",
        "Retries": "2",
        "Timeout": "600",
    }
    for label, text in texts.items():
        await form.get_by_label(label).fill(text)
    await form.get_by_label("still active").select_option("queue_one")
    await form.get_by_label("Pause the task").check()
    await form.get_by_label("Generate a report").check()
    await form.get_by_label("Format of the report").select_option("PDF")
    await console.press("Save")
    await expect(console.page.get_by_role("heading", level=2)).to_have_text("Nightly")
    [listed] = user.items("/tasks")
    assert console.page.url.endswith(f"#tasks/{listed['id']}")
    expected = {
        "name": "Nightly",
        "prompt_template": "Read {{file}}",
        "variables": {"file": "a.log"},
        "allowed_tools": ["Read", "Bash(ls *)"],
        "is_scheduled": True,
        "schedule_cron": "0 9 * * *",
        "schedule_timezone": "Asia/Kolkata",
        "overlap_policy": "queue_one",
        "max_retries": 2,
        "timeout_seconds": 600,
        "pause_on_failure": True,
        "generate_report": True,
        "report_format": "pdf",
    }
    assert expected.items() <= UserTask(user, listed["id"]).view().items()


async def test_an_invalid_schedule_is_reported_in_the_form(console: Console, user: User) -> None:
    await console.open_tasks()
    await console.unfold("New task")
    form = console.page.get_by_role("form", name="Task")
    for label, text in {"Name": "Nightly", "Prompt": "Go", "Schedule": "nonsense"}.items():
        await form.get_by_label(label).fill(text)
    await console.press("Save")
    await expect(form.get_by_role("alert")).to_contain_text("schedule_cron")
    await expect(form.get_by_label("Name")).to_have_value("Nightly")
    assert user.items("/tasks") == []


async def test_an_administrator_sees_the_owners_of_tasks(door: Console, user: User) -> None:
    UserTask.create(user)
    await door.log_in(System.admin_email, System.admin_password)
    await expect(door.page.get_by_role("link", name="Tasks")).to_be_visible()
    await door.open_tasks()
    await expect(door.tasks.first.locator(".owner")).to_have_text(user.name)


async def test_a_small_screen_shows_tasks_uncropped(console: Console, user: User) -> None:
    UserTask.create(user, "word" * 200, name="word" * 40, schedule_cron="0 0 1 1 *")
    await console.page.set_viewport_size({"width": 360, "height": 640})
    await console.open_tasks()
    await console.page.get_by_role("link", name="wordword").click()
    await expect(console.next_runs).to_have_count(5)
    assert await console.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await console.view.evaluate("view => view.scrollWidth <= view.clientWidth")
    await console.press("Menu")
    await console.page.get_by_role("link", name="Sessions").click()
    await expect(console.view).to_be_hidden()
