"""One task: it is started, paused, cancelled and changed, and its executions are watched."""

import re

import pytest
from onebox.testing.system import System
from playwright.async_api import Locator, Route, expect
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console
from tests.e2e.console.wire import Wire
from tests.e2e.tasks import UserTask
from tests.e2e.user import HELD, User, let_go

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILING_ONCE = {"status": 403, "times": 1, "then": {"text": "Fine."}}
SLEEPING = scripted(bash("sleep 300"), {"text": "never"})
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def statuses(console: Console) -> Locator:
    return console.executions.locator(".chip")


async def test_the_next_runs_are_shown_in_the_zone_of_the_task_and_locally(console: Console, user: User) -> None:
    task = UserTask.create(user, schedule_cron="0 9 1 7 *", schedule_timezone="Asia/Kolkata")
    await console.open_tasks(task.id)
    await expect(console.next_runs).to_have_count(5)
    await expect(console.next_runs.first).to_contain_text(re.compile(r"Jul 1, 20\d\d, 09:00 AM \(Asia/Kolkata\)"))
    local = await console.page.evaluate(
        "new Date(document.querySelector('.next-runs time').dateTime).toLocaleTimeString('en-US', {timeStyle: 'short'})"
    )
    await expect(console.next_runs.first.locator(".local")).to_contain_text(local)


async def test_an_execution_is_started_and_watched_until_its_end(console: Console, user: User, system: System) -> None:
    task = UserTask.create(user, HELD)
    await console.open_tasks(task.id)
    await console.unfold("Run now")
    await console.press("Run now")
    await expect(statuses(console)).to_have_text("running")
    [execution] = task.executions()
    task.wait_for_tool_call(execution)
    let_go(system, execution["session_id"])
    await expect(statuses(console)).to_have_text("completed")
    await expect(console.executions.locator(".trigger")).to_have_text("manual")
    await expect(console.executions.locator(".duration")).to_contain_text(" s")
    await expect(console.executions.locator(".cost")).to_have_text(re.compile(r"^\$0\.0\d*[1-9]\d*$"))
    await expect(console.page.get_by_role("status").filter(has_text="Execution completed")).to_be_attached()


async def test_an_execution_links_to_its_session(console: Console, user: User) -> None:
    task = UserTask.create(user, scripted({"text": "All is well."}))
    task.ended(task.execute()["execution_id"])
    await console.open_tasks(task.id)
    await console.executions.get_by_role("link", name="Open").click()
    await expect(console.entries.last).to_contain_text("All is well.")
    await console.page.go_back()
    await expect(statuses(console)).to_have_text("completed")


async def test_an_execution_started_elsewhere_appears(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await expect(console.page.get_by_text("The task has not run yet.")).to_be_visible()
    task.execute()
    await expect(statuses(console)).to_have_text("completed")


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
    user.http.delete(task.path).raise_for_status()


async def test_variables_of_the_form_are_used(console: Console, user: User) -> None:
    task = UserTask.create(user, scripted({"text": "About {{topic}}."}))
    await console.open_tasks(task.id)
    await console.unfold("Run now")
    run = console.page.get_by_role("form", name="Run now")
    await run.get_by_label("Variables").fill('{"topic": "logs"}')
    await console.press("Run now")
    await expect(statuses(console)).to_have_text("completed")
    [execution] = task.executions()
    assert task.run(execution)["text"] == "About logs."


async def test_a_preview_shows_the_prompt_and_starts_nothing(console: Console, user: User) -> None:
    task = UserTask.create(user, "Read {{file}}")
    await console.open_tasks(task.id)
    await console.unfold("Run now")
    run = console.page.get_by_role("form", name="Run now")
    await console.press("Preview prompt")
    await expect(run.get_by_role("alert")).to_contain_text("file")
    await run.get_by_label("Variables").fill('{"file": "a.log"}')
    await console.press("Preview prompt")
    await expect(run.locator(".preview")).to_have_text("Read a.log")
    await expect(run.get_by_role("alert")).to_be_hidden()
    assert task.executions() == []


async def test_variables_that_are_no_json_object_are_refused(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await console.unfold("Run now")
    run = console.page.get_by_role("form", name="Run now")
    for text in ("file", "[1]", "null"):
        await run.get_by_label("Variables").fill(text)
        await console.press("Run now")
        await expect(run.get_by_role("alert")).to_contain_text("must be a JSON object")
    assert task.executions() == []


async def test_a_busy_task_reports_why_it_is_not_started(console: Console, user: User) -> None:
    task = UserTask.create(user, SLEEPING)
    task.execute()
    await console.open_tasks(task.id)
    await console.unfold("Run now")
    await console.press("Run now")
    run = console.page.get_by_role("form", name="Run now")
    await expect(run.get_by_role("alert")).to_contain_text("active")
    await console.press("Cancel")


async def test_a_running_execution_is_cancelled(console: Console, user: User) -> None:
    task = UserTask.create(user, SLEEPING)
    execution = task.started()
    await console.open_tasks(task.id)
    await console.press("Cancel")
    await expect(statuses(console)).to_have_text("cancelled")
    await expect(console.executions).to_be_focused()
    await expect(console.executions.get_by_role("button")).to_have_text(["Retry"])
    assert task.execution(execution["id"])["status"] == "cancelled"


async def test_a_failed_execution_is_retried(console: Console, user: User) -> None:
    task = UserTask.create(user, scripted(FAILING_ONCE, text=user.name))
    task.ended(task.execute()["execution_id"])
    await console.open_tasks(task.id)
    await expect(console.executions.locator(".detail")).to_contain_text("MODEL_ERROR")
    await console.press("Retry")
    await expect(statuses(console)).to_have_text(["completed", "failed"])


async def test_a_task_is_paused_and_resumed(console: Console, user: User) -> None:
    task = UserTask.create(user, schedule_cron="0 9 * * *")
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


async def test_a_task_that_its_failure_paused_says_so(console: Console, user: User) -> None:
    task = UserTask.create(user, scripted({"status": 400}), pause_on_failure=True)
    await console.open_tasks(task.id)
    task.execute()
    await expect(console.state).to_have_text("paused after a failure")


async def test_a_changed_schedule_changes_the_next_runs(console: Console, user: User) -> None:
    task = UserTask.create(user, name="before", schedule_cron="0 9 * * *", timeout_seconds=600, max_retries=2)
    await console.open_tasks(task.id)
    await console.unfold("Edit")
    form = console.page.get_by_role("form", name="Task")
    await expect(form.get_by_label("Retries")).to_have_value("2")
    await form.get_by_label("Name").fill("after")
    await form.get_by_label("Schedule").fill("30 10 * * *")
    await form.get_by_label("Timeout").fill("")
    await console.press("Save")
    await expect(console.page.get_by_role("heading", level=2)).to_have_text("after")
    await expect(console.next_runs.first).to_contain_text("10:30 AM (UTC)")
    expected = {"schedule_cron": "30 10 * * *", "timeout_seconds": None, "max_retries": 2, "is_scheduled": True}
    assert expected.items() <= task.view().items()


async def test_a_saved_form_changes_only_what_was_edited(console: Console, user: User) -> None:
    task = UserTask.create(user, allowed_tools=[])
    await console.open_tasks(task.id)
    await console.unfold("Edit")
    form = console.page.get_by_role("form", name="Task")
    await form.get_by_label("Retries").fill("3")
    user.http.patch(task.path, json={"name": "Renamed"}).raise_for_status()
    await console.press("Save")
    await expect(form).to_be_hidden()
    assert {"name": "Renamed", "max_retries": 3, "allowed_tools": []}.items() <= task.view().items()


async def test_a_removed_schedule_leaves_no_next_runs(console: Console, user: User) -> None:
    task = UserTask.create(user, schedule_cron="0 9 * * *")
    await console.open_tasks(task.id)
    await console.unfold("Edit")
    await console.page.get_by_role("form", name="Task").get_by_label("Schedule").fill("")
    await console.press("Save")
    await expect(console.page.get_by_text("The task has no schedule.")).to_be_visible()
    assert task.view()["is_scheduled"] is False


async def test_a_change_made_elsewhere_keeps_the_text_in_the_form(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await console.unfold("Edit")
    prompt = console.page.get_by_role("form", name="Task").get_by_label("Prompt")
    await prompt.fill("Being written")
    user.http.patch(task.path, json={"name": "Renamed"}).raise_for_status()
    await expect(console.page.get_by_role("heading", level=2)).to_have_text("Renamed")
    await expect(prompt).to_have_value("Being written")


async def test_a_task_is_run_with_the_keyboard_only(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    await expect(console.page.get_by_role("heading", level=2)).to_be_focused()
    keyboard = console.page.keyboard
    for key in ("Tab", "Tab", "Enter", "Tab", "Tab", "Tab", "Enter"):  # Pause, Run now, the text, Preview, Run now
        await keyboard.press(key)
    await expect(statuses(console)).to_have_text("completed")


async def test_a_task_is_reloaded_after_a_gap(far: Console, wire: Wire, user: User) -> None:
    task = UserTask.create(user)
    await far.open_tasks(task.id)
    wire.cut()
    task.ended(task.execute()["execution_id"])
    await far.page.route(re.compile("/events"), out_of_reach, times=1)
    wire.mend()
    await expect(statuses(far)).to_have_text("completed")


async def out_of_reach(route: Route) -> None:
    """Resume from a position that the server does not have: it answers with a gap."""
    await route.continue_(headers={**route.request.headers, "last-event-id": "task_scheduler-999999999"})


async def test_a_missing_task_is_reported(console: Console) -> None:
    await console.page.goto(f"{console.base_url}/console/#tasks/0197a1f0-0000-7000-8000-000000000000")
    await expect(console.page.get_by_role("heading", name="Task not found")).to_be_visible()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("does not exist")
    await expect(console.page.get_by_role("button", name="Run now")).to_be_hidden()


async def test_a_deleted_task_can_no_longer_be_started(console: Console, user: User) -> None:
    task = UserTask.create(user)
    await console.open_tasks(task.id)
    user.http.delete(task.path).raise_for_status()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("was deleted")
    await expect(console.page.get_by_role("button", name="Pause")).to_be_hidden()


async def test_another_users_task_is_shown_to_an_administrator_as_not_live(door: Console, user: User) -> None:
    task = UserTask.create(user)
    await door.log_in(System.admin_email, System.admin_password)
    await expect(door.page.get_by_role("link", name="Tasks")).to_be_visible()
    await door.page.goto(f"{door.base_url}/console/#tasks/{task.id}")
    await expect(door.page.get_by_text("not updated live. Reload to see changes.")).to_be_visible()
    await door.press("Pause")
    await expect(door.state).to_have_text("paused")


async def test_markup_in_the_fields_of_a_task_is_shown_as_text(console: Console, user: User) -> None:
    variables = {"text": HOSTILE}
    task = UserTask.create(user, f"{HOSTILE} {scripted({'status': 400})}", name=HOSTILE, variables=variables)
    await console.open_tasks(task.id)
    await console.unfold("Run now")
    await console.press("Preview prompt")
    await expect(console.view.locator(".preview")).to_contain_text(HOSTILE)
    await console.press("Run now")
    await expect(statuses(console)).to_have_text("failed")
    await expect(console.page.get_by_role("heading", level=2)).to_have_text(HOSTILE)
    await expect(console.view.locator(".prompt")).to_contain_text(HOSTILE)
    await expect(console.view.locator("dl")).to_contain_text("<img src=x")
    await console.page.get_by_role("link", name="Tasks").click()
    await expect(console.tasks).to_contain_text(HOSTILE)
    assert await console.page.locator("img, body script").count() == 0
    assert await console.page.title() == "AI-Agent-API"
