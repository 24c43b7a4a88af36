"""Responses that arrive late."""

import asyncio
import re
from typing import Self

from playwright.async_api import Page, Route, expect
from runtime import clock

from tests.e2e.console.tab import Console
from tests.e2e.user import User


class LateResponse:
    """The response to the next request: the server sends it at once, and it arrives when the test says so."""

    def __init__(self) -> None:
        self._sent, self._due, self._arrived = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._requested = False

    @classmethod
    async def of(cls, page: Page, url: str) -> Self:
        """Return the response to the next request whose URL matches."""
        late = cls()
        await page.route(re.compile(url), late._hold)
        return late

    async def sent(self) -> None:
        """Wait until the server has sent it."""
        await self._sent.wait()

    async def arrive(self) -> None:
        """Let the page have it."""
        self._due.set()
        await self._arrived.wait()

    async def _hold(self, route: Route) -> None:
        if self._requested:
            await route.fallback()
            return
        self._requested = True
        response = await route.fetch()
        self._sent.set()
        await self._due.wait()
        await route.fulfill(response=response)
        self._arrived.set()


async def handled(console: Console, user: User) -> None:
    """Wait until the page has handled all that happened before: a session that is created now is listed."""
    name = str(clock.new_id())
    user.http.post("/sessions", json={"name": name}).raise_for_status()
    await expect(console.page.locator("#list li", has_text=name)).to_be_attached()
