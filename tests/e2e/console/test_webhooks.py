"""A webhook that was disabled is reported in the console."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from onebox.testing.system import until
from playwright.async_api import expect

from tests.e2e.console.late import LateResponse, handled
from tests.e2e.console.tab import Console
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def gone() -> AsyncGenerator[str]:
    """Run a receiver that answers 410, and yield its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_a_webhook_that_was_disabled_is_reported_until_it_is_activated(console: Console, user: User) -> None:
    notice = console.page.locator("#webhooks")
    async with gone() as url:
        webhook = user.http.post("/webhooks", json={"url": url, "types": ["session.created"]}).json()
        await console.open(user.create())
        await expect(notice).to_have_text(f"The webhook to {url} is disabled: its receiver answered 410.")
        user.http.patch(f"/webhooks/{webhook['id']}", json={"is_active": True}).raise_for_status()
        await expect(notice).to_be_hidden()


async def test_a_webhook_that_was_disabled_stays_reported(console: Console, user: User) -> None:
    read = await LateResponse.of(console.page, "/webhooks.*is_active=false")
    async with gone() as url:
        user.http.post("/webhooks", json={"url": url, "types": ["session.created"]}).raise_for_status()
        await read.sent()
        user.create()
        await asyncio.to_thread(until, lambda: user.items("/webhooks", is_active=False))
    await handled(console, user)
    await read.arrive()
    await handled(console, user)
    await expect(console.page.locator("#webhooks")).to_be_visible()
