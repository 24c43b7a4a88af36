"""The console in a real browser, as a person uses it."""

import json
import os
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from tests.e2e.user import PASSWORD, User

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first is the same browser without a user interface, which opens a page with a third of the processor time."""
QUIET = (
    *("--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE = 120_000

expect.set_options(timeout=PATIENCE)


def all_of(*parts: str) -> list[re.Pattern[str]]:
    """Return patterns for a list of elements, of which each contains one of the parts."""
    return [re.compile(part) for part in parts]


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """Start the machine's browser; where there is none, skip, or fail in CI."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip  # noqa: TID251  it says who is asking
        give_up("There is no chromium here: apt-get install chromium-headless-shell.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(context: BrowserContext, base_url: str) -> AsyncGenerator["Console"]:
    """Open a tab for the duration of the context manager; the page never breaks its own rules."""
    context.set_default_timeout(PATIENCE)
    others = {*context.pages}
    console = Console(await context.new_page(), base_url)
    try:
        yield console
        assert console.complaints == []
    finally:
        for page in {*context.pages} - others:
            await page.close()


class Console:
    """One tab."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page, self.base_url = page, base_url
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if "Policy" in said.text else None)
        self.sessions = page.get_by_role("navigation", name="Sessions").get_by_role("listitem")
        self.entries = page.get_by_role("log").get_by_role("listitem")
        self.tools = self.entries.filter(has=page.locator("summary"))
        self.approvals = page.get_by_role("form", name="Approval")
        self.waiting = page.locator("#page-view .page tbody tr")
        self.pending = page.get_by_role("link", name="Approvals")
        self.status = page.locator("#status")
        self.connection = page.locator("#connection")
        self.message = page.get_by_label("Message to the agent")
        self.reports_panel = page.locator("#reports")
        self.reports = self.reports_panel.locator("tbody tr")
        self.view = page.locator("#page-view")
        self.tasks = self.view.locator(".page > .table tbody tr")
        self.executions = self.view.locator(".executions tbody tr")
        self.state = self.view.locator(".title .state")
        self.next_runs = self.view.locator(".next-runs").get_by_role("listitem")
        self.servers = self.tasks
        self.health = self.view.locator(".title .health")
        self.difference = self.view.locator(".difference")
        self.server_tools = self.view.locator(".tools").get_by_role("listitem")
        self.run_servers = page.locator("#run-servers tbody tr")
        self.elicitation = page.get_by_role("form", name="Input for an MCP server")

    async def log_in(self, email: str, password: str = PASSWORD) -> None:
        await self.page.goto(self.base_url)
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.press("Log in")

    async def enter(self, user: User) -> None:
        """Log in with the form."""
        await self.log_in(user.email)
        await expect(self.page.get_by_text(user.name)).to_be_visible()

    async def enter_as(self, user: User) -> None:
        """Store the access token of someone who is logged in, as the form does, and open the page."""
        tokens = json.dumps({"access_token": user.http.headers["authorization"].removeprefix("Bearer ")})
        script = "if (location.origin === {}) localStorage.tokens ??= {}"
        await self.page.add_init_script(script.format(json.dumps(self.base_url), json.dumps(tokens)))
        await self.page.goto(f"{self.base_url}/console/")
        await expect(self.page.locator("#account")).not_to_be_empty()

    async def start(self, name: str, **chosen: str) -> None:
        await self.page.get_by_text("New session").click()
        await self.page.get_by_label("Name").fill(name)
        for label, value in chosen.items():
            await self.page.get_by_label(label.title()).select_option(value)
        await self.press("Start")
        await expect(self.connection).to_have_text("live")

    async def open(self, session_id: str) -> None:
        await self.page.goto(f"{self.base_url}/console/#{session_id}")
        await expect(self.connection).to_have_text("live")

    async def open_reports(self) -> None:
        """Open the panel with the reports of the open session."""
        await self.reports_panel.locator("summary").click()
        await expect(self.reports_panel.locator(".connection")).to_have_text("live")

    async def open_tasks(self, task_id: str | None = None) -> None:
        """Open the list of tasks, or one task."""
        await self.page.goto(f"{self.base_url}/console/#tasks{f'/{task_id}' if task_id else ''}")
        await expect(self.view.locator(".connection")).to_have_text("live")

    async def open_servers(self, server_id: str | None = None) -> None:
        """Open the list of MCP servers, or one server."""
        await self.page.goto(f"{self.base_url}/console/#mcp-servers{f'/{server_id}' if server_id else ''}")
        await expect(self.view.locator(".connection")).to_have_text("live")

    async def open_approvals(self) -> None:
        """Open the list of pending approvals by the link in the header."""
        await self.pending.click()
        await expect(self.view.get_by_role("heading", level=2)).to_have_text("Approvals")

    async def unfold(self, summary: str) -> None:
        """Open a part of the page that is folded."""
        await self.view.locator("summary", has_text=summary).click()

    async def ask(self, message: str) -> None:
        await self.message.fill(message)
        await self.message.press("Enter")

    async def press(self, button: str) -> None:
        await self.page.get_by_role("button", name=button, exact=True).click()

    def chip(self, tool: Locator) -> Locator:
        return tool.locator(".chip")
