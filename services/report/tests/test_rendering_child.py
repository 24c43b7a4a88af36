"""Rendering in a child process with limits, as the service runs it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pypdf import PdfReader
from report.rendering import child
from runtime.children.pool import ChildPool, LimitExceeded, Limits

from services.report.tests.sample_content import session_content

PROGRAM = Path(child.__file__)
LIMITS = Limits(cpu_seconds=120, wall_seconds=150, memory_bytes=2**30, open_files=256)


@pytest.fixture
async def pool() -> AsyncIterator[ChildPool]:
    async with ChildPool.open(PROGRAM, LIMITS, children=1) as opened:
        yield opened


def request(folder: Path, text: str) -> dict[str, str | None]:
    content, output = folder / "content.json", folder / "report.pdf"
    content.write_text(text)
    return {"content": str(content), "format": "pdf", "output": str(output), "theme": None}


async def test_a_child_renders_within_its_limits(pool: ChildPool, tmp_path: Path) -> None:
    reply = await pool.run(request(tmp_path, json.dumps(session_content())))
    assert reply == {"pages": len(PdfReader(tmp_path / "report.pdf").pages), "notes": []}


async def test_a_child_refuses_invalid_content_and_lives_on(pool: ChildPool, tmp_path: Path) -> None:
    refused = await pool.run(request(tmp_path, '{"title": "no report"}'))
    assert "error" in refused
    assert "pages" in await pool.run(request(tmp_path, json.dumps(session_content())))


async def test_a_child_that_needs_too_much_memory_is_replaced(tmp_path: Path) -> None:
    limits = Limits(cpu_seconds=60, wall_seconds=90, memory_bytes=48 * 2**20, open_files=256)
    async with ChildPool.open(PROGRAM, limits, children=1) as pool:
        with pytest.raises(LimitExceeded):
            await asyncio.wait_for(pool.run(request(tmp_path, '["x"' + ', "xxxxxxxxxxxxxxxx"' * 5_000_000 + "]")), 120)
