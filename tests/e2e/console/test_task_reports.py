"""Reports about a task and its executions, and the regions of its page."""

import pytest
from playwright.async_api import Locator, expect
from simulator.testing import scripted

from tests.e2e.console.tab import Console
from tests.e2e.tasks import UserTask
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = "all => all.map(each => each.ariaLabel ?? each.ariaLabelledByElements[0].innerText)"


def reports(console: Console) -> Locator:
    return console.view.locator(".reports tbody tr")


async def test_the_report_of_an_execution_is_downloaded(console: Console, user: User) -> None:
    task = UserTask.create(user, scripted({"text": "All is well."}), generate_report=True, report_format="json")
    task.ended(task.execute()["execution_id"])
    await console.open_tasks(task.id)
    await expect(console.chip(reports(console))).to_have_text("completed")
    async with console.page.expect_download() as downloading:
        await console.executions.get_by_role("button", name="Report (json)").click()
    assert (await downloading.value).suggested_filename.endswith(".json")


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


async def test_the_regions_of_a_task_have_distinct_names(console: Console, user: User) -> None:
    await console.open_tasks(UserTask.create(user).id)
    regions = console.view.get_by_role("region")
    await expect(regions.first).to_be_visible()
    names: list[str] = await regions.evaluate_all(NAMES)
    assert len(set(names)) == len(names) > 5
