"""The process of an agent before its sandbox is prepared, and when that is interrupted."""

import asyncio
import threading
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from contracts.session.values import SdkOptions
from session.agent.failures import AgentFailed
from session.agent.options import AgentSpec, Limits
from session.agent.own_process import OwnProcess

SPEC = AgentSpec(UUID(int=1), Path("/workspaces/one"), SdkOptions())


def context() -> Any:
    return Mock(limits=Limits())


async def test_an_agent_without_a_sandbox_can_be_killed_and_removed() -> None:
    own = OwnProcess()
    own.kill()
    own.send_heartbeat()
    await own.remove()
    assert (own.alive(), own.ran_out_of_memory()) == (False, False)


async def test_a_sandbox_is_removed_whose_preparation_was_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, sandboxed = threading.Event(), threading.Event(), Mock(wait_ended=AsyncMock())

    def prepare(*_: object) -> Mock:
        begun.set()
        go_on.wait()
        return sandboxed

    monkeypatch.setattr("session.agent.own_process.prepare_agent", prepare)
    own = OwnProcess()
    async with asyncio.TaskGroup() as tasks:
        preparing = tasks.create_task(own.prepare(SPEC, context(), "token"))
        await asyncio.to_thread(begun.wait)
        preparing.cancel()
        go_on.set()
    assert preparing.cancelled()
    await own.remove()
    sandboxed.remove.assert_called_once()


async def test_an_agent_fails_whose_sandbox_cannot_be_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.agent.own_process.prepare_agent", Mock(side_effect=OSError("disk full")))
    with pytest.raises(AgentFailed, match="could not be started"):
        await OwnProcess().prepare(SPEC, context(), "token")
