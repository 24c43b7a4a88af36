"""The pages of the documentation, in a real browser, under their policies."""

import re

import pytest
from playwright.async_api import Route, expect

from tests.e2e.console.tab import Console, all_of

SHORT, WHOLE = "/health$|archive$", pytest.param("", marks=pytest.mark.long)

pytestmark = pytest.mark.asyncio(loop_scope="session")
of_paths = pytest.mark.parametrize("paths", [SHORT, WHOLE], ids=["short", "whole"])


async def show(door: Console, page: str, paths: str) -> None:
    """Open a page of the documentation, which describes only some paths, since all of them take seconds to show."""

    async def shorten(route: Route) -> None:
        answer = await route.fetch()
        document = await answer.json()
        document["paths"] = {path: item for path, item in document["paths"].items() if re.search(paths, path)}
        await route.fulfill(response=answer, json=document)

    await door.page.route(re.compile(r"/openapi\.json$"), shorten)
    await door.page.goto(f"{door.base_url}/{page}")


@of_paths
async def test_an_operation_is_tried_in_the_documentation(door: Console, paths: str) -> None:
    await show(door, "docs", paths)
    assert await door.page.evaluate("document.documentElement.lang") == "en"
    operation = door.page.locator("#operations-Monitoring-getHealth")
    await operation.get_by_role("button").first.click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    await expect(operation.locator(".live-responses-table")).to_contain_text("AI-Agent-API-Service")


@pytest.mark.long
@of_paths
async def test_the_reference_is_shown_and_searched(door: Console, paths: str) -> None:
    await show(door, "redoc", paths)
    await expect(door.page.get_by_role("heading", name=re.compile("AI-Agent-API"))).to_be_visible()
    await door.page.get_by_placeholder("Search...").fill("archive")
    await expect(door.page.locator("[role=search] [role=menuitem]").first).to_be_visible()


async def test_an_event_is_shown_with_its_example(door: Console) -> None:
    await door.page.goto(f"{door.base_url}/docs/events#session.approval_decided")
    row = door.page.locator("[id='session.approval_decided']")
    await expect(row).to_be_in_viewport()
    await row.get_by_text("example").click()
    await expect(row.locator("pre")).to_contain_text('"decision": "denied"')
    await expect(row.get_by_role("cell")).to_have_text(all_of("decided", "decided", "A tool call was decided"))
