"""A service without a sandbox is ready and says so, but does not start if it requires one."""

import asyncio
from pathlib import Path

import pytest
from contracts.messages import ping_query
from runtime.starting import CannotStart
from session.app import service

from services.session.tests.deployment import Deployment


async def test_only_a_service_that_requires_no_sandbox_starts_without_one(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox._bwrap", lambda: Path("/bin/false"))
    async with deployment.replica():
        report = await deployment.client.ask(ping_query("session")())
    assert report["sandbox"] == "ok, but agents run without a sandbox and therefore without tools"
    with pytest.raises(CannotStart, match=r"^SANDBOX_REQUIRED=true: "):
        await service.run(deployment.changed(sandbox_required=True).settings, asyncio.Event())
