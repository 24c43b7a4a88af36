"""A task is run, and its executions and reports are watched."""

import re

import pytest
from onebox.testing.system import System
from playwright.async_api import Locator, expect
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console
from tests.e2e.tasks import UserTask
from tests.e2e.user import HELD, User, let_go

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILING_ONCE = {"status": 403, "times": 1, "then": {"text": "Fine."}}
SLEEPING = scripted(bash("sleep 300"), {"text": "never"})
HELD_ABOUT = scripted(bash("until [ -e go ]; do sleep 0.1; done"), {"text": "About {{topic}}."})


def statuses(console: Console) -> Locator:
    return console.executions.locator(".chip")


def reports(console: Console) -> Locator:
    return console.view.locator(".reports tbody tr")


async def try_variables(console: Console) -> None:
    """Leave valid variables in the form, after some that are refused."""
    run = console.page.get_by_role("form", name="Run now")
    await console.press("Preview prompt")
    await expect(run.get_by_role("alert")).to_contain_text("topic")
    for text in ("file", "[1]", "null"):
        await run.get_by_label("Variables").fill(text)
        await console.press("Run now")
        await expect(run.get_by_role("alert")).to_contain_text("must be a JSON object")
    await run.get_by_label("Variables").fill('{"topic": "logs"}')
    await console.press("Preview prompt")
    await expect(run.locator(".preview")).to_contain_text("About logs.")
    await expect(run.get_by_role("alert")).to_be_hidden()


async def test_a_task_is_run_with_valid_variables_and_watched(
    console: Console, user: User, console_system: System
) -> None:
    task = UserTask.create(user, HELD_ABOUT, generate_report=True, report_format="json")
    await console.open_tasks(task.id)
    await expect(console.page.get_by_text("The task has not run yet.")).to_be_visible()
    await console.unfold("Run now")
    await try_variables(console)
    assert task.executions() == []
    await console.press("Run now")
    await expect(statuses(console)).to_have_text("running")
    [execution] = task.executions()
    let_go(console_system, execution["session_id"])
    await expect(statuses(console)).to_have_text("completed")
    await expect(console.executions.locator(".trigger")).to_have_text("manual")
    await expect(console.executions.locator(".duration")).to_contain_text(" s")
    await expect(console.executions.locator(".cost")).to_have_text(re.compile(r"^\$0\.0\d*[1-9]\d*$"))
    await expect(console.page.get_by_role("status").filter(has_text="Execution completed")).to_be_attached()
    await expect(console.chip(reports(console))).to_have_text("completed")
    async with console.page.expect_download() as downloading:
        await console.executions.get_by_role("button", name="Report (json)").click()
    assert (await downloading.value).suggested_filename.endswith(".json")
    await console.executions.get_by_role("link", name="Open").click()
    await expect(console.entries.last).to_contain_text("About logs.")
    await console.page.go_back()
    await expect(statuses(console)).to_have_text("completed")


@pytest.mark.long
async def test_a_report_of_a_task_is_requested_and_listed(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await console.unfold("New report")
    form = console.view.get_by_role("form", name="Report")
    await form.get_by_label("Format").select_option("JSON")
    await form.get_by_label("Title").fill("Of all executions")
    await console.press("Create report")
    await expect(reports(console).get_by_role("rowheader")).to_have_text("Of all executions")
    [report] = user.items("/reports", task_id=task.id)
    assert (report["report_type"], report["execution_id"]) == ("task", None)


@pytest.mark.long
async def test_an_execution_of_a_busy_task_is_refused_until_cancelled(console: Console, user: User) -> None:
    task = UserTask.create(user, SLEEPING)
    await console.open_tasks(task.id)
    execution = task.execute()["execution_id"]  # elsewhere
    await expect(statuses(console)).to_have_text("running")
    task.wait_for_tool_call(task.execution(execution))  # or its session is created when the next test has nothing yet
    await console.unfold("Run now")
    await console.press("Run now")
    run = console.page.get_by_role("form", name="Run now")
    await expect(run.get_by_role("alert")).to_contain_text("active")
    await console.press("Cancel")
    await expect(statuses(console)).to_have_text("cancelled")
    await expect(console.executions).to_be_focused()
    await expect(console.executions.get_by_role("button")).to_have_text(["Retry"])
    assert task.execution(execution)["status"] == "cancelled"


async def test_a_failure_pauses_its_task_and_is_retried(console: Console, user: User) -> None:
    task = UserTask.create(user, scripted(FAILING_ONCE, text="Fail once, in the console."), pause_on_failure=True)
    await console.open_tasks(task.id)
    task.execute()
    await expect(console.state).to_have_text("paused after a failure")
    await expect(console.executions.locator(".detail")).to_contain_text("MODEL_ERROR")
    await console.press("Resume")
    await expect(console.state).to_have_text("active")
    await console.press("Retry")
    await expect(statuses(console)).to_have_text(["completed", "failed"])


@pytest.mark.long
async def test_a_task_is_run_with_the_keyboard_only(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await expect(console.page.get_by_role("heading", level=2)).to_be_focused()
    keyboard = console.page.keyboard
    for key in ("Tab", "Tab", "Enter", "Tab", "Tab", "Tab", "Enter"):  # Pause, Run now, the text, Preview, Run now
        await keyboard.press(key)
    await expect(statuses(console)).to_have_text("completed")


@pytest.mark.long
async def test_the_executions_are_shown_a_page_at_a_time(console: Console, user: User) -> None:
    task = UserTask.create(user, HELD, overlap_policy="queue_all")
    executions = [task.execute()["execution_id"] for _ in range(27)]
    await console.open_tasks(task.id)
    await expect(console.executions).to_have_count(25)
    await expect(statuses(console).first).to_have_text("pending")
    await console.view.get_by_role("button", name="Load more").click()
    await expect(console.executions).to_have_count(27)
    await expect(statuses(console).last).to_have_text("running")
    task.post(f"executions/{executions[1]}/cancel").raise_for_status()
    await expect(statuses(console).nth(-2)).to_have_text("cancelled")
