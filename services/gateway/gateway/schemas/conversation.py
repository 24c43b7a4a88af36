"""Models of messages and tool calls."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from contracts.messages import Order
from contracts.session.conversation import MessageView, ToolCallView
from contracts.session.values import Block
from pydantic import BaseModel, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from gateway.schemas.base import ResponseModel
from gateway.schemas.lists import KeysetWindow, ListPage


@dataclass(frozen=True)
class ShownAs:
    """Documents a field, whose value is passed on as it is stored, by the schema of a model."""

    model: type[BaseModel]

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the model."""
        return handler(self.model.__pydantic_core_schema__)


class MessageContent(BaseModel):
    """The text of a message, and for messages of the agent the blocks."""

    content: Annotated[str, Field(description="Text of the message; if it is truncated, the beginning.")]
    blocks: Annotated[list[Block], Field(description="Parts of a message of the agent, in order.")] = []
    truncated: Annotated[bool, Field(description="True in lists, if the content is larger than 16 KiB.")] = False
    size_bytes: Annotated[int, Field(description="Size of content that is truncated.")] = 0


class ToolOutput(BaseModel):
    """The output of a tool call."""

    content: Annotated[str, Field(description="The output as text.")] = ""
    truncated: Annotated[bool, Field(description="True if the output is too large for lists, or too deep.")] = False
    size_bytes: Annotated[int, Field(description="Size of output that is too large for lists.")] = 0
    preview: Annotated[str, Field(description="Beginning of the JSON of output that is too large for lists.")] = ""
    reason: Annotated[str, Field(description="Why the output was not stored.")] = ""


class Message(MessageView, ResponseModel):
    """A message with its full content."""

    content: Annotated[dict[str, Any], ShownAs(MessageContent)]


class ConversationWindow(KeysetWindow):
    """Query parameters of the lists of messages and tool calls."""

    run_id: Annotated[UUID | None, Field(description="Return only items of this run.")] = None
    order: Annotated[Order, Field(description="`asc`: oldest first; `desc`: newest first.", examples=["desc"])] = "asc"


class MessagePage(ListPage[Message]):
    """A page of messages."""


class ToolCall(ToolCallView, ResponseModel):
    """A tool call with its full input and output."""

    tool_output: Annotated[dict[str, Any], ShownAs(ToolOutput)] | None


class ToolCallPage(ListPage[ToolCall]):
    """A page of tool calls."""
