"""Agents that end, also if something else fails at the same time."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from contracts.session.values import SdkOptions
from eventing.testing import eventually
from session.agent import Agents, AgentSpec, Delta, Limits
from session.agent.places import Place

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


async def test_the_next_run_of_a_user_may_begin_once_an_agent_is_ready() -> None:
    agents, steps = Agents(Mock(), Mock(), Mock(), Mock()), list[str]()

    async def claimed(_: AgentSpec) -> Mock:
        steps.append("ready")
        return Mock(turn=begin, servers=Mock(uses=Mock(return_value=[])), stop=AsyncMock())

    async def begin(*_: object) -> AsyncGenerator[Delta]:
        steps.append("turn")
        yield Delta("Hello", "text", UUID(int=2))

    agents.spares = Mock(prepared=AsyncMock(), claimed=claimed, shed=AsyncMock())
    place = Place(let_next_begin=lambda: steps.append("next"))
    async with aclosing(agents.turn(replace(SPEC, place=place), "Hello")) as turn:
        await anext(turn)
    assert steps == ["ready", "next", "turn"]
