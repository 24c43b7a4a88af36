"""Tasks are listed, created, changed and paused."""

import asyncio
import re
from typing import Any

import pytest
from onebox.testing.system import System
from playwright.async_api import Locator, expect

from tests.e2e.console.tab import Console
from tests.e2e.tasks import UserTask
from tests.e2e.user import User, set_active

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
NOWHERE = "0197a1f0-0000-7000-8000-000000000000"
NAMES = "all => all.map(each => each.ariaLabel ?? each.ariaLabelledByElements[0].innerText)"
LOCAL_TIME = (
    "new Date(document.querySelector('.next-runs time').dateTime).toLocaleTimeString('en-US', {timeStyle: 'short'})"
)
TEXTS = {
    "Name": "Nightly",
    "Prompt": "Read {{file}}",
    "Variables": '{"file": "a.log"}',
    "Allowed tools": "Read\nBash(ls *)",
    "Schedule": "nonsense",
    "Time zone": "Asia/Kolkata",
    "Retries": "2",
    "Timeout": "600",
}
CREATED = {
    "name": "Nightly",
    "prompt_template": "Read {{file}}",
    "variables": {"file": "a.log"},
    "allowed_tools": ["Read", "Bash(ls *)"],
    "is_scheduled": True,
    "schedule_cron": "0 9 1 7 *",
    "schedule_timezone": "Asia/Kolkata",
    "overlap_policy": "queue_one",
    "max_retries": 2,
    "timeout_seconds": 600,
    "pause_on_failure": True,
    "generate_report": True,
    "report_format": "pdf",
}


def form_of(console: Console) -> Locator:
    return console.page.get_by_role("form", name="Task")


def heading(console: Console) -> Locator:
    return console.page.get_by_role("heading", level=2)


@pytest.mark.long
async def test_tasks_are_listed_a_page_at_a_time_and_followed(console: Console, user: User) -> None:
    await console.open_tasks()
    await expect(console.page.get_by_text("There are no tasks yet.")).to_be_visible()
    for number in range(26):
        UserTask.create(user, name=f"number {number}")
    await expect(console.page.get_by_text("There are no tasks yet.")).to_be_hidden()
    await console.page.reload()
    await expect(console.tasks).to_have_count(25)
    kept, deleted = UserTask.create(user, name="kept"), UserTask.create(user, name="deleted")
    await expect(console.tasks).to_have_count(27)
    await expect(console.tasks.nth(1).get_by_role("cell")).to_have_text(["active", "", "", ""])
    kept.post("pause").raise_for_status()
    await expect(console.tasks.nth(1).locator(".state")).to_have_text("paused")
    user.http.delete(deleted.path).raise_for_status()
    await expect(console.tasks.first).to_contain_text("kept")
    await console.press("Load more")
    await expect(console.tasks).to_have_count(27)
    await expect(console.tasks.last).to_contain_text("number 0")
    await expect(console.page.get_by_role("button", name="Load more")).to_be_hidden()


@pytest.mark.long
async def test_a_task_is_listed_with_its_schedule_and_last_error(
    console: Console, user: User, console_system: System
) -> None:
    task = UserTask.create(user, name="Nightly", schedule_cron="0 0 1 1 *", schedule_timezone="Asia/Kolkata")
    await asyncio.to_thread(set_active, console_system, user, active=False)
    task.ended(task.execute()["execution_id"])
    await asyncio.to_thread(set_active, console_system, user, active=True)
    await console.open_tasks()
    await expect(console.tasks).to_contain_text("Nightly")
    await expect(console.tasks.locator(".schedule")).to_have_text("0 0 1 1 * Asia/Kolkata")
    await expect(console.tasks.locator(".next")).to_have_attribute("datetime", task.view()["next_run_at"])
    await expect(console.tasks.locator(".chip:visible")).to_have_text(["active", "failed"])
    await expect(console.tasks.locator(".problem")).to_have_text("OWNER_DISABLED")


async def test_a_task_is_created_with_the_values_of_the_form(console: Console, user: User) -> None:
    await console.open_tasks()
    await console.unfold("New task")
    form = form_of(console)
    for label, text in TEXTS.items():
        await form.get_by_label(label).fill(text)
    await form.get_by_label("still active").select_option("queue_one")
    await form.get_by_label("Pause the task").check()
    await form.get_by_label("Generate a report").check()
    await form.get_by_label("Format of the report").select_option("PDF")
    await console.press("Save")
    await expect(form.get_by_role("alert")).to_contain_text("schedule_cron")
    await expect(form.get_by_label("Name")).to_have_value("Nightly")
    assert user.items("/tasks") == []
    await form.get_by_label("Schedule").fill("0 9 1 7 *")
    await console.press("Save")
    await expect(heading(console)).to_have_text("Nightly")
    [listed] = user.items("/tasks")
    assert console.page.url.endswith(f"#tasks/{listed['id']}")
    assert CREATED.items() <= UserTask(user, listed["id"]).view().items()
    await expect(console.next_runs).to_have_count(5)
    await expect(console.next_runs.first).to_contain_text(re.compile(r"Jul 1, 20\d\d, 09:00 AM \(Asia/Kolkata\)"))
    await expect(console.next_runs.first.locator(".local")).to_contain_text(await console.page.evaluate(LOCAL_TIME))


async def test_a_task_is_paused_resumed_and_changed(console: Console, user: User) -> None:
    options: dict[str, Any] = {"timeout_seconds": 600, "max_retries": 2, "allowed_tools": []}
    task = UserTask.create(user, schedule_cron="0 9 * * *", **options)
    await console.open_tasks(task.id)
    await console.press("Pause")
    await expect(console.state).to_have_text("paused")
    await expect(console.next_runs).to_have_count(0)
    await expect(console.page.get_by_text("The task is paused.")).to_be_visible()
    assert task.view()["is_active"] is False
    await console.press("Resume")
    await expect(console.state).to_have_text("active")
    await expect(console.next_runs).to_have_count(5)
    assert task.view()["is_active"] is True
    await console.unfold("Edit")
    form = form_of(console)
    await expect(form.get_by_label("Retries")).to_have_value("2")
    await form.get_by_label("Prompt").fill("Being written")
    await form.get_by_label("Schedule").fill("30 10 * * *")
    await form.get_by_label("Timeout").fill("")
    user.http.patch(task.path, json={"name": "Renamed"}).raise_for_status()
    await expect(heading(console)).to_have_text("Renamed")
    await expect(form.get_by_label("Prompt")).to_have_value("Being written")
    await console.press("Save")
    await expect(form).to_be_hidden()
    await expect(console.next_runs.first).to_contain_text("10:30 AM (UTC)")
    expected = options | {"name": "Renamed", "prompt_template": "Being written", "timeout_seconds": None}
    assert (expected | {"schedule_cron": "30 10 * * *", "is_scheduled": True}).items() <= task.view().items()
    await console.unfold("Edit")
    await expect(form.get_by_label("Name")).to_have_value("Renamed")  # is filled in once it is open
    await form.get_by_label("Name").fill("after")
    await form.get_by_label("Schedule").fill("")
    await console.press("Save")
    await expect(heading(console)).to_have_text("after")
    await expect(console.page.get_by_text("The task has no schedule.")).to_be_visible()
    assert task.view()["is_scheduled"] is False


@pytest.mark.long
async def test_a_task_that_is_deleted_or_missing_is_reported(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    regions = console.view.get_by_role("region")
    await expect(regions.first).to_be_visible()
    names: list[str] = await regions.evaluate_all(NAMES)
    assert len(set(names)) == len(names) > 5
    user.http.delete(task.path).raise_for_status()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("was deleted")
    await expect(console.page.get_by_role("button", name="Pause")).to_be_hidden()
    await console.page.goto(f"{console.base_url}/console/#tasks/{NOWHERE}")
    await expect(console.page.get_by_role("heading", name="Task not found")).to_be_visible()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("does not exist")
    await expect(console.page.get_by_role("button", name="Run now")).to_be_hidden()


@pytest.mark.long
async def test_markup_in_the_fields_of_a_task_is_shown_as_text(console: Console, user: User) -> None:
    task = UserTask.create(user, HOSTILE, name=HOSTILE, variables={"text": HOSTILE})
    await console.open_tasks(task.id)
    await console.unfold("Run now")
    await console.press("Preview prompt")
    await expect(console.view.locator(".preview")).to_contain_text(HOSTILE)
    await expect(heading(console)).to_have_text(HOSTILE)
    await expect(console.view.locator(".prompt")).to_contain_text(HOSTILE)
    await expect(console.view.locator("dl")).to_contain_text("<img src=x")
    await console.page.get_by_role("link", name="Tasks").click()
    await expect(console.tasks).to_contain_text(HOSTILE)
    assert await console.page.locator("img, body script").count() == 0
    assert await console.page.title() == "AI-Agent-API"
