"""Agents that end, also if something else fails at the same time."""

from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from contracts.session.values import SdkOptions
from eventing.testing import eventually
from session.agent import Agents, AgentSpec, Limits

SPEC = AgentSpec(UUID(int=1), Path("one"), SdkOptions())


def with_stuck(**limits: Any) -> tuple[Agents, dict[UUID, Any]]:
    """Return agents, and those that are live: one that is idle, and whose first end fails."""
    stuck, agents = Mock(busy=False, idle_since=0.0), Agents(Mock(), Mock(), Mock(), Mock(), Limits(**limits))
    stuck.spec, stuck.stop = SPEC, AsyncMock(side_effect=[OSError("read-only"), None])
    agents._live[SPEC.session_id] = stuck  # pyright: ignore[reportPrivateUsage]
    return agents, agents._live  # pyright: ignore[reportPrivateUsage, reportReturnType]


async def test_an_idle_agent_whose_end_fails_does_not_end_the_others() -> None:
    agents, live = with_stuck(idle_seconds=0.01)
    async with agents:
        await eventually(lambda: not live)


async def test_a_turn_is_not_lost_by_the_failing_end_of_another_agent() -> None:
    agents, live = with_stuck(warm_agents=0)
    await agents._evict_surplus(None)  # pyright: ignore[reportPrivateUsage]
    assert not live


async def test_a_claimed_agent_ends_if_its_turn_cannot_begin() -> None:
    agents, claimed = Agents(Mock(), Mock(), Mock(), Mock()), Mock(stop=AsyncMock())
    claims: dict[str, Any] = {"prepared": AsyncMock(), "claimed": AsyncMock(return_value=claimed)}
    agents.spares = Mock(**claims, shed=AsyncMock(side_effect=OSError("another agent does not end")))
    with pytest.raises(OSError, match="does not end"):
        await anext(agents.turn(SPEC, "Hello"))
    claimed.stop.assert_awaited_once()
