"""The pages of the documentation, in a real browser, under their policies."""

import re

import pytest
from playwright.async_api import expect

from tests.e2e.console.tab import Console

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_operation_is_tried_in_the_documentation(door: Console) -> None:
    await door.page.goto(f"{door.base_url}/docs")
    assert await door.page.evaluate("document.documentElement.lang") == "en"
    operation = door.page.locator("#operations-Monitoring-getHealth")
    await operation.get_by_role("button").first.click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    await expect(operation.locator(".live-responses-table")).to_contain_text("AI-Agent-API-Service")


async def test_the_reference_is_shown_and_searched(door: Console) -> None:
    await door.page.goto(f"{door.base_url}/redoc")
    await expect(door.page.get_by_role("heading", name=re.compile("AI-Agent-API"))).to_be_visible()
    await door.page.get_by_placeholder("Search...").fill("archive")
    await expect(door.page.locator("[role=search] [role=menuitem]").first).to_be_visible()
