"""Answers to prompts without a script: enough for a demo."""

import json
import re
from collections.abc import Callable
from pathlib import PurePosixPath

from simulator.conversation import Conversation, ToolResult
from simulator.prompt import without_script
from simulator.script import ToolCall, Turn

MAX_QUOTED_CHARACTERS = 2_000

PATH = r"""(?:(?P<mark>["'`])(?P<marked>.{1,1000}?)(?P=mark)|(?P<bare>[^\s"'`]*[^\s"'`.,;:!?]))"""
NAMED_FILE = r"(?:the\s+|a\s+|my\s+)?(?:new\s+|text\s+)*(?:file\s+(?:called\s+|named\s+)?|(?=[^\s\"'`]*[./]\w))"
WITH = r"\s+(?:with(?:\s+the)?(?:\s+(?:contents?|text))?|saying|containing|that\s+says):?\s+"

SPEECH_VERBS = r"(?:sa(?:y|id)|ask(?:ed)?|t(?:ell|old)|messages?|questions?)"

STATED_NAME = re.compile(r"(?<!what )\bmy name is ([\w'-]+(?: (?-i:[A-Z])[\w'-]*)*)", re.IGNORECASE)

type Rule = Callable[[re.Match[str], Conversation], Turn | None]


def answer(conversation: Conversation) -> Turn:
    """Return the turn that answers the last prompt or tool results."""
    if isinstance(results := conversation.pending_input, list):
        return _quote(results)
    prompt = without_script(results)
    for pattern, rule in RULES:
        if (match := pattern.search(prompt)) and (turn := rule(match, conversation)):
            return turn
    return Turn(text=f"I am a simulator, not a model. You said: {_truncate(prompt)}")


def _quote(results: list[ToolResult]) -> Turn:
    text = "\n".join(result.text for result in results)
    verb = "failed" if any(result.is_error for result in results) else "answered"
    return Turn(text=f"The tool {verb}: {_truncate(text)}")


def _name(_match: re.Match[str], conversation: Conversation) -> Turn:
    names = [name for prompt in _prompts(conversation) for name in STATED_NAME.findall(prompt)]
    return Turn(text=f"Your name is {names[-1]}." if names else "You have not told me your name.")


def _earlier_prompts(match: re.Match[str], conversation: Conversation) -> Turn:
    earlier = _prompts(conversation)[:-1]
    if not earlier:
        return Turn(text="This is the first thing that you said to me.")
    chosen = earlier[:1] if "first" in match.group().lower() else earlier
    return Turn(text=f"You said: {_truncate(json.dumps(chosen, ensure_ascii=False))}")


def _read(match: re.Match[str], conversation: Conversation) -> Turn | None:
    return _call(conversation, "Read", file_path=_path(match, conversation))


def _write(match: re.Match[str], conversation: Conversation) -> Turn | None:
    content = _unquoted(match["content"] or "")
    return _call(conversation, "Write", file_path=_path(match, conversation), content=content)


def _call(conversation: Conversation, tool: str, **values: str) -> Turn | None:
    return Turn(tools=(ToolCall(name=tool, input={**values}),)) if conversation.offers(tool) else None


def _path(match: re.Match[str], conversation: Conversation) -> str:
    return str(PurePosixPath(conversation.working_directory) / (match["marked"] or match["bare"]))


def _prompts(conversation: Conversation) -> list[str]:
    texts = (without_script(text) for m in conversation.messages if m.role == "user" for text in m.texts)
    return [text for text in texts if text]


def _unquoted(text: str) -> str:
    inside = re.fullmatch(r"""(["'`])(.*)\1[.!]?""", text.strip(), re.DOTALL)
    return inside[2] if inside else text.strip()


def _truncate(text: str) -> str:
    return text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}… ({len(text)} characters)"


def _when(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (_when(r"\b(?:what(?:'s| is| was)|remember|know|tell me(?: what)?) my name\b|\bwho am i\b"), _name),
    (_when(rf"\bwhat\b.{{0,40}}\b(?:i|my)\b.{{0,40}}\b{SPEECH_VERBS}\b.*"), _earlier_prompts),
    (_when(rf"\b(?:write|create|make)\s+{NAMED_FILE}{PATH}(?:{WITH}(?P<content>.+))?"), _write),
    (_when(rf"\b(?:write|save)\s+(?P<content>.{{1,2000}}?)\s+(?:to|into|in)\s+{NAMED_FILE}{PATH}"), _write),
    (_when(rf"\b(?:read|open)\s+{NAMED_FILE}{PATH}"), _read),
    (_when(rf"^\s*(?:please\s+)?read\s+{PATH}\W*$"), _read),
)
