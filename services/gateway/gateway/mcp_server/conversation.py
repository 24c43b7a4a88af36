"""Tools for the conversation of a session."""

from typing import Annotated
from uuid import UUID

from contracts.session.conversation import ListMessages
from pydantic import Field

from gateway.mcp_server.call import Call
from gateway.mcp_server.pages import DEFAULT_LIMIT, Items, Limit
from gateway.mcp_server.tool import READS, Tools
from gateway.schemas.base import RequestBody
from gateway.schemas.conversation import ConversationWindow, Message

tools = Tools()


class MessagesToList(ConversationWindow, RequestBody):
    """Arguments of `list_messages`."""

    session_id: Annotated[UUID, Field(description="Id of the session.")]
    limit: Limit = DEFAULT_LIMIT


@tools.add(READS)
async def list_messages(arguments: MessagesToList, call: Call) -> Items[Message]:
    """List the messages of a session, oldest first unless `order` is `desc`.

    Of content larger than 16 KiB, only the beginning and the size are returned.
    """
    page = await call.caller.ask(ListMessages(**arguments.model_dump()))
    return Items[Message].over(page, list(map(Message.of, page.items)), arguments)
