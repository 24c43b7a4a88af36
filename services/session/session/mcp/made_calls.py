"""The calls of MCP tools that were forwarded, until the agent reports them as its own.

Programs in the sandbox can forge calls that a rule allows. Those are carried out like the agent's, and the agent does
not report them; so they are found here, and recorded at the end of the turn.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from runtime.nesting import too_complex

MAX_UNREPORTED = 200
MAX_CHARS = 16 * 1024
TOO_LARGE: dict[str, Any] = {
    "truncated": True,
    "reason": f"The value is too complex, or has over {MAX_CHARS} characters.",
}
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass
class MadeCall:
    """A call of a tool, by the name that the agent knows, and its result; input and output are cut to a bound."""

    name: str
    input: dict[str, Any]
    key: tuple[str, str]
    output: str = "The call has not ended."
    is_error: bool = True

    def end(self, output: str, is_error: bool | None) -> None:
        """Note the result of the call."""
        self.output, self.is_error = output[:MAX_CHARS], bool(is_error)


class MadeCalls:
    """The calls of one agent in a turn: those that it has made and not reported, and those that it has only reported.

    The agent reports a call before it makes it, but the report may arrive later.
    """

    def __init__(self) -> None:
        self._unreported, self._reported = list[MadeCall](), Counter[tuple[str, str]]()

    def make(self, name: str, tool_input: dict[str, Any]) -> MadeCall | None:
        """Note a call before it is made; None if too many were not reported, so that it must not be made."""
        key = _key(name, tool_input)
        call = MadeCall(name, _bounded(tool_input), key)
        if self._reported[key]:
            self._reported[key] -= 1
        elif len(self._unreported) < MAX_UNREPORTED:
            self._unreported.append(call)
        else:
            return None
        return call

    def report(self, name: str, tool_input: dict[str, Any]) -> None:
        """Note a call that the agent reports."""
        key = _key(name, tool_input)
        found = next((call for call in self._unreported if call.key == key), None)
        if found:
            self._unreported.remove(found)
        else:
            self._reported[key] += 1

    def take_unreported(self) -> list[MadeCall]:
        """Return the calls that were not reported, and forget all."""
        calls, self._unreported = self._unreported, []
        self._reported.clear()
        return calls


def _key(name: str, tool_input: dict[str, Any]) -> tuple[str, str]:
    """Return what distinguishes calls, in the form in which they are reported: see `clean` and `TRUNCATED`."""
    if too_complex(tool_input) or tool_input.get("truncated") is True:
        return name, ""
    text = _SURROGATES.sub("\ufffd", json.dumps(tool_input, sort_keys=True, ensure_ascii=False))
    return name, sha256(text.encode()).hexdigest()


def _bounded(tool_input: dict[str, Any]) -> dict[str, Any]:
    return TOO_LARGE if too_complex(tool_input) or len(json.dumps(tool_input)) > MAX_CHARS else tool_input
