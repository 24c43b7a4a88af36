"""The SDK's client of an agent, with what the SDK has no public function for."""

from typing import Any

from claude_agent_sdk import ClaudeSDKClient


class Client(ClaudeSDKClient):
    """A client that closes its stream of messages also if its end fails or is cut off, and that sends any request."""

    async def disconnect(self) -> None:
        """End the connection to the agent. Raises what the SDK raises: `ClaudeSDKError`, `OSError`."""
        query = self._query
        try:
            await super().disconnect()
        finally:
            if query:
                query.close_receive_stream()

    async def request(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request of the control protocol and return the answer.

        Raises:
            Exception: the agent refused, has ended, or did not answer within `seconds`.
        """
        if self._query is None:
            raise ConnectionError("the agent is not connected")
        return await self._query._send_control_request(request, seconds)  # noqa: SLF001
