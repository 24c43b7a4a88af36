"""The client of an agent."""

from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from anyio import ClosedResourceError
from claude_agent_sdk import ClaudeAgentOptions, ProcessError
from claude_agent_sdk._internal.query import Query
from session.agent.client import Client


@pytest.mark.parametrize("error", [ProcessError("no end"), KeyboardInterrupt()], ids=["failed", "cut off"])
async def test_messages_are_closed_if_the_end_fails(error: BaseException) -> None:
    client, query = (
        Client(ClaudeAgentOptions()),
        Query(Mock(close=AsyncMock(side_effect=error)), is_streaming_mode=True),
    )
    client._query = cast(Any, query)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(type(error)):
        await client.disconnect()
    with pytest.raises(ClosedResourceError):
        query._message_receive.receive_nowait()  # pyright: ignore[reportPrivateUsage]


async def test_a_client_that_is_not_connected_sends_no_request() -> None:
    with pytest.raises(ConnectionError):
        await Client(ClaudeAgentOptions()).request({"subtype": "interrupt"}, 1)
