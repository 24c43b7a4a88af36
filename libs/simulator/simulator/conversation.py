"""What a request shows the model: who said what, where, and with which tools at hand."""

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
    """Words."""

    type: Literal["text"]
    text: str


class ToolResult(BaseModel):
    """What a tool gave back."""

    type: Literal["tool_result"]
    content: Content = []
    is_error: bool | None = None

    @property
    def words(self) -> str:
        """The texts in it."""
        return "\n".join(_words(self.content))


class OtherBlock(BaseModel):
    """A block that the simulator has no use for."""

    type: str


class Message(BaseModel):
    """What one side said; the CLI describes the environment in messages of the role `system`."""

    role: Literal["user", "assistant", "system"]
    content: Content

    @property
    def words(self) -> list[str]:
        """Its texts, without what the CLI slipped in."""
        return _words(self.content)


class Tool(BaseModel):
    """A tool that the model may call."""

    name: str = ""


class Conversation(BaseModel):
    """The body of a request to the Messages API, as far as it matters here."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    system: Content = []
    tools: list[Tool] = []

    @property
    def news(self) -> str | list[ToolResult]:
        """What the model is to answer: the user's last words, or the tool results that came after them."""
        results: list[ToolResult] = []
        for block in reversed(self._last_of_user()):
            if isinstance(block, ToolResult):
                results.insert(0, block)
            elif words := _words([block]):
                return results or words[0]
        return results or ""

    @property
    def working_directory(self) -> str:
        """Where relative paths start: the last directory that a system text names."""
        told = [*self.system, *(block for m in self.messages if m.role == "system" for block in m.content)]
        found = [d for block in told if isinstance(block, Text) for d in WORKING_DIRECTORY.findall(block.text)]
        return found[-1] if found else "/workspace"

    def offers(self, tool: str) -> bool:
        """Tell whether the model may call `tool`."""
        return any(offered.name == tool for offered in self.tools)

    def _last_of_user(self) -> list[Block]:
        said = [message.content for message in self.messages if message.role == "user"]
        return said[-1] if said else []


def _words(content: list[Block]) -> list[str]:
    texts = (ADDED_BY_CLI.sub("", block.text).strip() for block in content if isinstance(block, Text))
    return [text for text in texts if text]
