"""The limits of one role, and how options are compared with them and reduced to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from contracts.session.values import KNOWN_TOOLS, PermissionMode, SdkOptions

from session.ceilings.model_names import FAMILIES, LONG_CONTEXT, is_listed

TOOL_ALIASES = {"Agent": "Task"}
"""Two names of one tool: the name that Claude Code calls, and the one that options list."""
NUMBERS = ("max_budget_usd", "max_turns", "timeout_seconds")


@dataclass(frozen=True)
class Ceiling:
    """Limits on the options of agents; None for no limit.

    `models`, `tools` and `forbidden_tools` are names in which `*` stands for any characters. `tools` are the only ones
    that agents may use, and `forbidden_tools` those they may not use.
    """

    models: tuple[str, ...] | None = None
    permission_modes: tuple[PermissionMode, ...] | None = None
    tools: tuple[str, ...] | None = None
    forbidden_tools: tuple[str, ...] = ()
    max_budget_usd: Decimal | None = None
    max_turns: int | None = None
    timeout_seconds: int | None = None

    def allows_model(self, model: str) -> bool:
        """Return whether agents may use a model, by the provider's name or by the alias of a family."""
        name = model.removesuffix(LONG_CONTEXT)
        # An alias means a model whose name is not known yet; the model proxy checks the name.
        sample = f"claude-{name}-0" if name in FAMILIES else name
        return self.models is None or any(is_listed(name, each) or fnmatchcase(sample, each) for each in self.models)

    def allows_tool(self, name: str) -> bool:
        """Return whether agents may use a tool; `mcp__server__*` stands for all tools of a server."""
        tool = TOOL_ALIASES.get(name, name)
        if any(fnmatchcase(tool, each) for each in self.forbidden_tools):
            return False
        return self.tools is None or any(fnmatchcase(tool, each) for each in self.tools)

    def allows_mode(self, mode: PermissionMode) -> bool:
        """Return whether agents may have a permission mode."""
        return self.permission_modes is None or mode in self.permission_modes

    def excesses(self, options: SdkOptions) -> Iterator[tuple[str, str]]:
        """Yield the options above these limits, without the models: the name of each, and what is wrong with it.

        A limit replaces the default of an option, so a default is never above it.
        """
        if not self.allows_mode(options.permission_mode) and options.permission_mode != "default":
            yield "permission_mode", f"{options.permission_mode} is not available to your role"
        for tool in options.allowed_tools or ():
            if not self.allows_tool(_name(tool)):
                yield "allowed_tools", f"{tool} is not available to your role"
        for option in NUMBERS:
            limit, value = getattr(self, option), getattr(options, option)
            if _is_above(limit, value) and value != SdkOptions.model_fields[option].default:
                yield option, f"must be at most {limit} for your role"

    def reduced(self, options: SdkOptions) -> SdkOptions:
        """Return the options that an agent runs with: no option is above these limits."""
        changed: dict[str, Any] = {
            option: limit for option in NUMBERS if (limit := self._lower(option, getattr(options, option))) is not None
        }
        for option in ("model", "fallback_model"):
            if (model := getattr(options, option)) and not self.allows_model(model):
                changed[option] = None
        if not self.allows_mode(options.permission_mode):
            changed["permission_mode"] = self._default_mode
        if self.tools is not None or self.forbidden_tools:
            changed["allowed_tools"] = [tool for tool in options.allowed_tools or () if self.allows_tool(_name(tool))]
            changed["disallowed_tools"] = [*(options.disallowed_tools or ()), *self._denied_tools()]
        return options.model_copy(update=changed)

    def _lower(self, option: str, value: float | None) -> float | None:
        limit = getattr(self, option)
        if limit is None or (value is not None and not _is_above(limit, value)):
            return None
        return float(limit) if isinstance(limit, Decimal) else limit

    @property
    def _default_mode(self) -> PermissionMode:
        modes = self.permission_modes or ()
        return "default" if "default" in modes or not modes else modes[0]

    def _denied_tools(self) -> list[str]:
        """Return rules of Claude Code: the built-in tools, and the MCP tools of patterns that it can read."""
        servers = [each for each in self.forbidden_tools if each.startswith("mcp__") and "*" not in each[:-1]]
        return [*sorted(tool for tool in KNOWN_TOOLS if not self.allows_tool(tool)), *servers]

    def usable_models(self, offered: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the offered models that agents may use; an empty tuple if nothing restricts them.

        If no models are offered by name, these are the names and families in `models`.
        """
        if offered or self.models is None:
            return tuple(model for model in offered if self.allows_model(model))
        return tuple(dict.fromkeys(name for each in self.models if (name := _model_name(each))))


UNLIMITED = Ceiling()


def _is_above(limit: float | Decimal | None, value: float | None) -> bool:
    return limit is not None and value is not None and Decimal(str(value)) > Decimal(str(limit))


def _name(tool: str) -> str:
    """Return the name of a tool in a rule like `Bash(git log:*)`."""
    return tool.partition("(")[0]


def _model_name(pattern: str) -> str | None:
    """Return what Claude Code can use for a pattern: a model, the alias of a family, or None."""
    if "*" not in pattern:
        return pattern
    return next((family for family in FAMILIES if family in pattern), None)
