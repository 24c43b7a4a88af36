"""Work on files that lasts: it keeps nobody else from a thread, and nobody from the session."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION
from contracts.session.session import DeleteSession
from contracts.session.workspace import DeleteFile
from session.workspace import Lasting, Uploads, Workspace
from session.workspace.lasting import AT_ONCE

from services.session.tests.desk import Desk


@pytest_asyncio.fixture
async def lasting() -> AsyncGenerator[Lasting]:
    async with Lasting.open() as lasting:
        yield lasting


@pytest.fixture
def over() -> Generator[threading.Event]:
    """Until then, what lasts goes on; at the latest when the test is over."""
    event = threading.Event()
    yield event
    event.set()


async def test_what_lasts_gives_what_it_gives(lasting: Lasting) -> None:
    assert await lasting.do(divmod, 7, 2) == (3, 1)


async def test_what_lasts_keeps_nothing_short_from_a_thread(lasting: Lasting, over: threading.Event) -> None:
    async with asyncio.timeout(30), asyncio.TaskGroup() as going:
        lasts = [going.create_task(lasting.do(over.wait)) for _ in range(100)]
        await asyncio.sleep(0)  # all of them have begun, or wait for a thread
        assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
        assert not any(task.done() for task in lasts)
        over.set()


async def test_what_waits_for_a_thread_is_forgotten_in_the_end(over: threading.Event) -> None:
    started = threading.Semaphore(0)

    def last() -> None:
        started.release()
        over.wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as going:
        async with Lasting.open() as lasting:
            for _ in range(AT_ONCE):
                going.create_task(lasting.do(last))
                await asyncio.to_thread(started.acquire)
            waiting = going.create_task(lasting.do(last))
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        over.set()


class Slow(Workspace):
    """Files of which removing lasts."""

    def __init__(self, root: Path, over: threading.Event) -> None:
        super().__init__(root / SESSION, Uploads(root / "uploads"))
        self.begun, self.over = threading.Event(), over

    def delete(self, path: str) -> None:
        self.begun.set()
        self.over.wait()


async def test_a_session_is_deleted_while_a_folder_of_it_is_removed(
    talked: Desk, lasting: Lasting, over: threading.Event, tmp_path: Path
) -> None:
    files = Slow(tmp_path, over)
    files.root.mkdir()
    tools = SimpleNamespace(files={UUID(SESSION): files}.get, lasting=lasting)
    talked.dispatcher.tools = tools

    async def remove() -> None:
        with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
            await talked.send(DeleteFile.example())

    async with asyncio.timeout(30), asyncio.TaskGroup() as going:
        going.create_task(remove())
        await asyncio.to_thread(files.begun.wait)
        await talked.send(DeleteSession(session_id=UUID(SESSION)))
        over.set()
    assert not files.root.exists()
