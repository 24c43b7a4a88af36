"""Handling of the requests, logs and notifications of a connected server."""

import json

import mcp_types as types
from mcp.client import ClientRequestContext, IncomingMessage

from mcp_connection.answers import declined
from mcp_connection.callbacks import Callbacks, Elicitation
from mcp_connection.deadlines import Deadlines

MAX_LOG_CHARACTERS = 2000
MAX_QUESTIONS = 100
"""Of one connection; a server must not keep a user busy for ever."""


class Requests:
    """Passes the requests and notifications of one server to callbacks. A user answers one question at a time."""

    def __init__(self, callbacks: Callbacks, deadlines: Deadlines) -> None:
        self._callbacks = callbacks
        self._deadlines = deadlines
        self._questions = 0
        self._is_asking = False

    async def elicit(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """Ask the user; decline what is not a form, and a question while another one waits."""
        if isinstance(params, types.ElicitRequestURLParams) or not self._callbacks.elicit or not self._may_ask():
            return declined()
        self._is_asking = True
        self._questions += 1
        try:
            with self._deadlines.suspended():
                return await self._callbacks.elicit(Elicitation(params.message, params.requested_schema))
        finally:
            self._is_asking = False

    def _may_ask(self) -> bool:
        return not self._is_asking and self._questions < MAX_QUESTIONS

    async def log(self, params: types.LoggingMessageNotificationParams) -> None:
        """Pass on a log message of the server, cut to a bound."""
        if self._callbacks.on_log:
            text = params.data if isinstance(params.data, str) else json.dumps(params.data)
            self._callbacks.on_log(params.level, text[:MAX_LOG_CHARACTERS])

    async def notify(self, message: IncomingMessage) -> None:
        """Announce that the tools have changed; other notifications have no effect."""
        if isinstance(message, types.ToolListChangedNotification) and self._callbacks.on_tools_changed:
            self._callbacks.on_tools_changed()
