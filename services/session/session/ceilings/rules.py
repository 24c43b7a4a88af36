"""The ceilings of all roles, as the setting CEILINGS writes them."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Self, cast, get_args

from contracts.identity.values import ROLES, Role
from contracts.session.values import KNOWN_TOOLS, PermissionMode
from runtime.named_values import NamedValues, of_role

from session.ceilings.ceiling import TOOL_ALIASES, Ceiling

MODES: tuple[PermissionMode, ...] = get_args(PermissionMode.__value__)
NO_LIMIT = "none"
MODEL = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:@/*-]{0,199}")
MCP_TOOL = re.compile(r"mcp__(?:[\w*-]{1,95}__[\w*-]{1,95}|[\w-]{0,95}\*)")
MAX_BUDGET_USD, MAX_TURNS, MAX_SECONDS = 1_000_000, 10_000, 86_400


class Ceilings:
    """The ceilings by role, and the models that are `offered` by name: any if there are none."""

    def __init__(self, by_role: dict[Role, Ceiling] | None = None, offered: tuple[str, ...] = ()) -> None:
        self._by_role, self.offered = by_role or {}, offered
        self._known = dict[Role, Ceiling]()

    @classmethod
    def parse(cls, text: str, offered: tuple[str, ...] = ()) -> Self:
        """Return the ceilings of a setting: `role.limit=value` or, for all other roles, `limit=value`, with commas.

        Raises:
            ValueError: see `NamedValues`.
        """
        read = _CEILINGS.parse(text)
        return cls({role: _ceiling(role, read) for role in ROLES}, offered)

    def of(self, role: Role) -> Ceiling:
        """Return the ceiling of a role. Only administrators may use `bypassPermissions`."""
        if role not in self._known:
            self._known[role] = self._completed(role)
        return self._known[role]

    @property
    def differ_in_models(self) -> bool:
        """Whether the models that agents may use depend on the role."""
        return len({self.of(role).models for role in ROLES}) > 1

    def _completed(self, role: Role) -> Ceiling:
        ceiling = self._by_role.get(role, Ceiling())
        if role == "admin" or ceiling.permission_modes is not None:
            return ceiling
        return replace(ceiling, permission_modes=tuple(mode for mode in MODES if mode != "bypassPermissions"))

    def check_models(self) -> None:
        """Check that each role may use one of the offered models, if any are named.

        Raises:
            ValueError: a role may not.
        """
        for role, ceiling in self._by_role.items():
            if self.offered and not ceiling.usable_models(self.offered):
                raise ValueError(f"{role}.models: allows none of the models in MODELS")


def _ceiling(role: Role, read: dict[str, dict[str, Any]]) -> Ceiling:
    fields: dict[str, Any] = {}
    for name in READERS:
        fields |= of_role(read, role, name, {})
    modes: tuple[PermissionMode, ...] | None = fields.get("permission_modes")
    if modes is not None and role != "admin":
        fields["permission_modes"] = tuple(mode for mode in modes if mode != "bypassPermissions") or ("default",)
    return Ceiling(**fields)


def _read(name: str, value: str) -> dict[str, Any]:
    role, _, limit = name.rpartition(".")
    if value == NO_LIMIT:
        return {}
    fields = READERS[limit](value)
    if role not in ("", "admin") and "bypassPermissions" in fields.get("permission_modes", ()):
        raise ValueError("bypassPermissions is for the role admin only")
    return fields


def _models(value: str) -> dict[str, Any]:
    models = _split(value)
    if not all(map(MODEL.fullmatch, models)):
        raise ValueError("must be names of models like claude-sonnet-*, separated by |")
    return {"models": models}


def _tools(value: str) -> dict[str, Any]:
    entries = _split(value)
    forbidden = tuple(entry.removeprefix("!") for entry in entries if entry.startswith("!"))
    if forbidden and len(forbidden) < len(entries):
        raise ValueError("must be either tools that are allowed, or tools that are not, each with ! before it")
    tools = tuple(TOOL_ALIASES.get(tool, tool) for tool in forbidden or entries)
    for tool in tools:
        if tool not in KNOWN_TOOLS and not MCP_TOOL.fullmatch(tool):
            raise ValueError(
                f"{tool} is neither a tool of Claude Code nor one like mcp__server__tool or mcp__server__*"
            )
    return {"forbidden_tools": tools} if forbidden else {"tools": tools}


def _modes(value: str) -> dict[str, Any]:
    modes = _split(value)
    if not set(modes) <= set(MODES):
        raise ValueError(f"must be some of {', '.join(MODES)}, separated by |")
    return {"permission_modes": cast(tuple[PermissionMode, ...], modes)}


def _usd(value: str) -> dict[str, Any]:
    try:
        budget = Decimal(value)
    except InvalidOperation:
        budget = Decimal(0)
    if not (budget.is_finite() and 0 < budget <= MAX_BUDGET_USD):
        raise ValueError(f"must be a number above 0 and at most {MAX_BUDGET_USD}")
    return {"max_budget_usd": budget}


def _whole(field: str, limit: int) -> Callable[[str], dict[str, Any]]:
    def read(value: str) -> dict[str, Any]:
        if not (value.isascii() and value.isdecimal() and 0 < int(value[:9]) <= limit and len(value) < 9):
            raise ValueError(f"must be a whole number from 1 to {limit}")
        return {field: int(value)}

    return read


def _split(value: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in value.split("|"))
    if not all(parts):
        raise ValueError("must not be empty, nor have an empty part")
    return parts


READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "models": _models,
    "tools": _tools,
    "permission_modes": _modes,
    "max_budget_usd": _usd,
    "max_turns": _whole("max_turns", MAX_TURNS),
    "timeout_seconds": _whole("timeout_seconds", MAX_SECONDS),
}
_CEILINGS = NamedValues(
    _read,
    example="models=claude-sonnet-*|haiku, user.tools=!Bash, user.max_budget_usd=5, admin.models=none",
    names=tuple(READERS),
)
