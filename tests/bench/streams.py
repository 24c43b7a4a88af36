"""Following: what 500 idle streams cost the gateway, and how soon words that the model sends are at the client."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from onebox.testing.system import System
from simulator.testing import scripted

from tests.bench.relayed import relayed
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.stage import Stage
from tests.e2e.user import User, newcomer

IDLE, ROUNDS, WARMING = 500, 40, 3
WORDS = b"text_delta"
PROMPT = scripted({"text": "Nothing unusual is in the logs."})
AIM = Aim(15, " ms", most=True)


async def measure(stage: Stage) -> list[Line]:
    """Open many streams and leave them alone; then follow queries, with those streams open."""
    # A system of its own, whose model is heard by us.
    model = _Model()
    url = await stage.section.enter_async_context(relayed(stage.model, from_model=model.hear))
    environment = {"MODEL_BASE_URL": url, "STREAMS_PER_USER": str(IDLE + 2)}
    system = stage.section.enter_context(System(environment, claude_code=True))
    await asyncio.to_thread(system.start)
    before, after, late = await _measured(system, model)
    ms = median(late) * 1000
    return [
        Line(f"Memory of {IDLE} idle streams", f"{(after - before) / 1024:.1f} MB", f"{before / 1024:.1f} MB without"),
        Line("First words, after the model sent them", milliseconds(median(late)), "", ms, AIM, " ms"),
    ]


async def _measured(system: System, model: "_Model") -> tuple[int, int, list[float]]:
    newcomers = newcomer(system)
    user = next(newcomers)
    session_id, gateway = user.create(), system.pids()["gateway"]
    async with AsyncExitStack() as held:
        await held.enter_async_context(_follow(system, user, session_id))  # what the first brings is not its own
        before = _resident(gateway)
        for _ in range(IDLE):
            await held.enter_async_context(_follow(system, user, session_id))
        after = _resident(gateway)
        late = [await _late(system, user, session_id, model) for _ in range(WARMING + ROUNDS)]
    newcomers.close()
    return before, after, late[WARMING:]


async def _late(system: System, user: User, session_id: str, model: "_Model") -> float:
    model.sent = None
    body = json.dumps({"message": PROMPT}).encode()
    async with _opened(system, user, f"POST /api/v1/sessions/{session_id}/query", body) as reader:
        await reader.readuntil(WORDS)
        came = time.perf_counter()
        await reader.readuntil(b"event: result")
    if model.sent is None:
        raise RuntimeError("words came that the model had not sent")
    return came - model.sent


@asynccontextmanager
async def _follow(system: System, user: User, session_id: str) -> AsyncGenerator[None]:
    async with _opened(system, user, f"GET /api/v1/sessions/{session_id}/events") as reader:
        await reader.readuntil(b"event: connected")
        yield


@asynccontextmanager
async def _opened(system: System, user: User, what: str, body: bytes = b"") -> AsyncGenerator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection(system.host, urlsplit(system.base_url).port)
    head = (
        f"{what} HTTP/1.1\r\nhost: localhost\r\nauthorization: {user.http.headers['authorization']}\r\n"
        f"accept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    try:
        writer.write(head.encode() + body)
        yield reader
    finally:
        writer.close()


class _Model:
    """Notes when the model sends words, after `sent` was reset."""

    def __init__(self) -> None:
        self.sent: float | None = None

    def hear(self, data: bytes) -> None:
        """Look for words in what the model sends."""
        if WORDS in data and self.sent is None:
            self.sent = time.perf_counter()


def _resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", (Path("/proc") / str(pid) / "status").read_text())
    return int(found[1]) if found else 0
