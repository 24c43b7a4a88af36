"""The part of a request to the Messages API that the simulator uses: messages, working directory and tools."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

ADDED_BY_CLI = re.compile(r"<system-reminder>.*?</system-reminder>|\[Request interrupted by user[^\]]*\]", re.DOTALL)
WORKING_DIRECTORY = re.compile(r"working directory:[ \t]*(\S.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)

type Block = Annotated[Text | ToolResult | OtherBlock, Field(union_mode="left_to_right")]


def _as_blocks(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


type Content = Annotated[list[Block], BeforeValidator(_as_blocks)]


class Text(BaseModel):
    """A text block."""

    type: Literal["text"]
    text: str


class ToolResult(BaseModel):
    """The result of a tool call."""

    type: Literal["tool_result"]
    content: Content = []
    is_error: bool | None = None

    @property
    def text(self) -> str:
        """The text blocks of the result, one per line."""
        return "\n".join(_texts(self.content))


class OtherBlock(BaseModel):
    """A block that the simulator ignores."""

    type: str


class Message(BaseModel):
    """A message of the user or the model; in those with the role `system`, Claude Code describes the environment."""

    role: Literal["user", "assistant", "system"]
    content: Content

    @property
    def texts(self) -> list[str]:
        """The texts of the message, without those that Claude Code adds."""
        return _texts(self.content)


class Tool(BaseModel):
    """A tool that the model may call."""

    name: str = ""


class Conversation(BaseModel):
    """The body of a request to the Messages API."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    system: Content = []
    tools: list[Tool] = []

    @property
    def pending_input(self) -> str | list[ToolResult]:
        """The input that the model must answer: the last text of the user, or the tool results after it."""
        results: list[ToolResult] = []
        for block in reversed(self._last_user_content()):
            if isinstance(block, ToolResult):
                results.insert(0, block)
            elif texts := _texts([block]):
                return results or texts[0]
        return results or ""

    @property
    def working_directory(self) -> str:
        """The base of relative paths: the last directory that a system text names."""
        system = [*self.system, *(block for m in self.messages if m.role == "system" for block in m.content)]
        found = [d for block in system if isinstance(block, Text) for d in WORKING_DIRECTORY.findall(block.text)]
        return found[-1] if found else "/workspace"

    def offers(self, tool: str) -> bool:
        """Return whether the model may call `tool`."""
        return any(offered.name == tool for offered in self.tools)

    def _last_user_content(self) -> list[Block]:
        contents = [message.content for message in self.messages if message.role == "user"]
        return contents[-1] if contents else []


def _texts(content: list[Block]) -> list[str]:
    texts = (ADDED_BY_CLI.sub("", block.text).strip() for block in content if isinstance(block, Text))
    return [text for text in texts if text]
