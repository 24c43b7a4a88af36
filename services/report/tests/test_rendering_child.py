"""Rendering in a child process with limits, as the service runs it."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pypdf import PdfReader
from report.rendering import child
from runtime.children.pool import ChildPool, LimitExceeded, Limits

from services.report.tests.rendering import short_session
from services.report.tests.sample_content import session_content

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("servers")]

PROGRAM = Path(child.__file__)
LIMITS = Limits(cpu_seconds=120, wall_seconds=600, memory_bytes=2**30, open_files=256)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[ChildPool]:
    async with ChildPool.open(PROGRAM, LIMITS, children=1) as opened:
        yield opened


def request(folder: Path, content: dict[str, Any]) -> dict[str, str | None]:
    source, output = folder / "content.json", folder / "report.pdf"
    source.write_text(json.dumps(content))
    return {"content": str(source), "format": "pdf", "output": str(output), "theme": None}


async def test_a_child_refuses_invalid_content_and_lives_on(pool: ChildPool, tmp_path: Path) -> None:
    refused = await pool.run(request(tmp_path, {"title": "no report"}))
    assert "error" in refused
    reply = await pool.run(request(tmp_path, session_content(short_session())))
    assert reply == {"pages": len(PdfReader(tmp_path / "report.pdf").pages), "notes": []}


async def test_a_child_that_needs_too_much_memory_is_replaced(pool: ChildPool, tmp_path: Path) -> None:
    large = request(tmp_path, {})
    os.truncate(tmp_path / "content.json", 2 * LIMITS.memory_bytes)  # takes no space on the disk
    with pytest.raises(LimitExceeded, match="too much memory"):
        await pool.run(large)
    assert "error" in await pool.run(request(tmp_path, {}))
