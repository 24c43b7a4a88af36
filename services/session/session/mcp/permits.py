"""Which calls of tools may leave the sandbox.

Claude Code decides whether a tool may be called, but programs in its sandbox can write to its standard output, and so
forge calls that it never decided. They could do no more than the agent's own commands with other tools; MCP tools act
outside the sandbox. So each call is checked again here, and each search of the web, which the model's provider
executes.
"""

import json
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from contracts.session.values import SdkOptions

from session.ceilings import UNLIMITED, Ceiling
from session.mcp.made_calls import MadeCalls
from session.mcp.repeats import Repeats

SEARCH = "WebSearch"


class Permits:
    """The calls that options and ceiling of an agent allow, and those that were approved in the current turn.

    `made` are the calls that were made, and `repeats` those of a lost agent that must not be made again.
    """

    def __init__(self, options: SdkOptions, ceiling: Ceiling = UNLIMITED) -> None:
        self._ceiling = ceiling
        self._allowed, self._denied = _rules(options.allowed_tools), _rules(options.disallowed_tools)
        self._mode = options.permission_mode
        self._approved, self._in_turn = Counter[tuple[str, str]](), True
        self.made, self.repeats = MadeCalls(), Repeats()

    @contextmanager
    def turn(self, repeats: Repeats | None = None) -> Generator[None]:
        """Permit calls while the context is open, without what was approved before."""
        self._approved.clear()
        self._in_turn, self.repeats = True, repeats or Repeats()
        try:
            yield
        finally:
            self._in_turn = False

    def approve(self, tool_name: str, tool_input: dict[str, Any]) -> None:
        """Permit one call of a tool with this input."""
        self._approved[_call(tool_name, tool_input)] += 1

    def read(self, prefix: str) -> bool:
        """Return whether resources of the server with this prefix may be read now, for which nobody is asked."""
        denied = {"ReadMcpResourceTool", *_server_rules(prefix)} & self._denied
        return (
            self._in_turn
            and not denied
            and self._ceiling.allows_tool("ReadMcpResourceTool")
            and self.offers(prefix, "*")
        )

    def offers(self, prefix: str, name: str) -> bool:
        """Return whether the agent may have a tool of the server with this prefix; `*` stands for any of them."""
        return self._ceiling.allows_tool(f"{prefix}{name}")

    def use(self, prefix: str, name: str, tool_input: dict[str, Any], *, read_only: bool) -> bool:
        """Return whether a tool of the server with this prefix may be called, using up an approval if it needs one.

        Between two turns no tool may, because its call would belong to no run.
        In plan mode, tools that are not `read_only` need an approval even if a rule allows them.
        """
        rules = {*_server_rules(prefix), f"{prefix}{name}"}
        if rules & self._denied or not (self._in_turn and self.offers(prefix, name)):
            return False
        if self.repeats.forbids(f"{prefix}{name}", tool_input):
            return False
        if self._mode == "bypassPermissions" or (rules & self._allowed and (read_only or self._mode != "plan")):
            return True
        call = _call(f"{prefix}{name}", tool_input)
        if not self._approved[call]:
            return False
        self._approved[call] -= 1
        return True

    def search(self) -> bool:
        """Return whether the web may be searched: a rule allows it, or a search was approved in this turn."""
        if SEARCH in self._denied or not self._ceiling.allows_tool(SEARCH):
            return False
        is_allowed = self._mode == "bypassPermissions" or SEARCH in self._allowed
        return is_allowed or any(name == SEARCH for name, _ in self._approved)


def _rules(names: Iterable[str] | None) -> set[str]:
    # Claude Code reads `Tool(*)` as `Tool`.
    return {name.removesuffix("(*)") for name in names or ()}


def _server_rules(prefix: str) -> tuple[str, str]:
    return prefix.removesuffix("__"), f"{prefix}*"


def _call(tool_name: str, tool_input: dict[str, Any]) -> tuple[str, str]:
    return tool_name, json.dumps(tool_input, sort_keys=True)
