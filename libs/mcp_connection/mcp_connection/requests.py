"""What a connected server asks, logs and announces."""

import json

import mcp_types as types
from mcp.client import ClientRequestContext, IncomingMessage

from mcp_connection.callbacks import Callbacks, Elicitation, declined

MAX_LOG_CHARACTERS = 2000


class Requests:
    """Passes the requests and notifications of one server to callbacks. A user answers one question at a time."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._is_asking = False

    async def elicit(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """Ask the user; decline what is not a form, and a question while another one waits."""
        if isinstance(params, types.ElicitRequestURLParams) or self._callbacks.elicit is None or self._is_asking:
            return declined()
        self._is_asking = True
        try:
            return await self._callbacks.elicit(Elicitation(params.message, params.requested_schema))
        finally:
            self._is_asking = False

    async def log(self, params: types.LoggingMessageNotificationParams) -> None:
        """Pass on a log message of the server, cut to a bound."""
        if self._callbacks.on_log:
            text = params.data if isinstance(params.data, str) else json.dumps(params.data)
            self._callbacks.on_log(params.level, text[:MAX_LOG_CHARACTERS])

    async def notify(self, message: IncomingMessage) -> None:
        """Announce that the tools have changed; other notifications have no effect."""
        if isinstance(message, types.ToolListChangedNotification) and self._callbacks.on_tools_changed:
            self._callbacks.on_tools_changed()
