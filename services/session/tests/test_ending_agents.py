"""Agents that end, also if something else fails at the same time."""

from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from contracts.session.values import SdkOptions
from session.agent import Agents, AgentSpec

SPEC = AgentSpec(UUID(int=1), Path("one"), SdkOptions())


async def test_a_claimed_agent_ends_if_its_turn_cannot_begin() -> None:
    agents, claimed = Agents(Mock(), Mock(), Mock(), Mock()), Mock(stop=AsyncMock())
    claims: dict[str, Any] = {"prepared": AsyncMock(), "claimed": AsyncMock(return_value=claimed)}
    agents.spares = Mock(**claims, shed=AsyncMock(side_effect=OSError("another agent does not end")))
    with pytest.raises(OSError, match="does not end"):
        await anext(agents.turn(SPEC, "Hello"))
    claimed.stop.assert_awaited_once()
