"""Ceilings: how options are compared with them, and reduced to them."""

import re
from decimal import Decimal
from typing import Any

import pytest
from contracts.identity.values import ROLES
from contracts.session.values import SdkOptions
from hypothesis import given
from hypothesis import strategies as st
from session.agent.model_proxy import Access
from session.agent.model_proxy.access import Denied
from session.agent.model_proxy.body import Request
from session.ceilings import Ceiling, Ceilings
from session.ceilings.rules import READERS


def ceiling(text: str) -> Ceiling:
    """Return the ceiling of the role `user`."""
    return Ceilings.parse(text).of("user")


def excesses(text: str, **options: Any) -> list[str]:
    """Return the names of the options that are above the ceiling."""
    return [name for name, _ in ceiling(text).excesses(SdkOptions.model_validate(options))]


def reduced(text: str, **options: Any) -> SdkOptions:
    return ceiling(text).reduced(SdkOptions.model_validate(options))


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"permission_mode": "acceptEdits"}, ["permission_mode"]),
        ({"allowed_tools": ["Read", "Bash(git log:*)"]}, ["allowed_tools"]),
        (
            {"max_budget_usd": 5.01, "max_turns": 21, "timeout_seconds": 301},
            ["max_budget_usd", "max_turns", "timeout_seconds"],
        ),
        ({"max_budget_usd": 5, "max_turns": 20, "timeout_seconds": 300, "permission_mode": "plan"}, []),
        ({}, []),
    ],
)
def test_options_above_the_limits_are_named(options: dict[str, Any], names: list[str]) -> None:
    text = "permission_modes=plan, tools=!Bash, max_budget_usd=5, max_turns=20, timeout_seconds=300"
    assert excesses(text, **options) == names


def test_limits_replace_options_that_are_not_set() -> None:
    options = reduced("max_budget_usd=0.5, max_turns=20, timeout_seconds=300, permission_modes=plan|dontAsk")
    assert (options.max_budget_usd, options.max_turns, options.timeout_seconds) == (0.5, 20, 300)
    assert options.permission_mode == "plan"


def test_options_below_the_limits_stay() -> None:
    options = reduced("max_budget_usd=5, max_turns=20, timeout_seconds=900", max_budget_usd=1, max_turns=2)
    assert (options.max_budget_usd, options.max_turns, options.timeout_seconds) == (1, 2, 600)


def test_without_ceilings_options_stay_as_they_are() -> None:
    options = SdkOptions(allowed_tools=["Bash"], model="any", permission_mode="acceptEdits", timeout_seconds=86_400)
    assert Ceilings().of("user").reduced(options) == options


def test_only_administrators_keep_the_mode_without_checks() -> None:
    options = SdkOptions(permission_mode="bypassPermissions")
    assert Ceilings().of("user").reduced(options).permission_mode == "default"
    assert Ceilings().of("admin").reduced(options).permission_mode == "bypassPermissions"


@pytest.mark.parametrize(
    ("model", "allowed"),
    [
        ("claude-sonnet-4-6", True),
        ("claude-sonnet-4-6[1m]", True),
        ("sonnet", True),
        ("claude-haiku-4-5", True),
        ("haiku", True),
        ("claude-3-5-sonnet", False),
        ("claude-opus-4-7", False),
        ("opus", False),
        ("Claude-Sonnet-4-6", False),
        ("xclaude-sonnet-4-6", False),
    ],
)
def test_models_match_patterns_and_families(model: str, allowed: bool) -> None:
    assert ceiling("models=claude-sonnet-*|haiku").allows_model(model) is allowed


def test_models_that_are_not_allowed_are_replaced_by_the_default() -> None:
    options = reduced("models=claude-sonnet-*", model="claude-opus-4-7", fallback_model="claude-sonnet-4-6")
    assert (options.model, options.fallback_model) == (None, "claude-sonnet-4-6")


@pytest.mark.parametrize(
    ("offered", "usable"),
    [
        ((), ("sonnet", "claude-haiku-4-5")),
        (("claude-opus-4-7", "claude-sonnet-4-6"), ("claude-sonnet-4-6",)),
        (("opus", "sonnet"), ("sonnet",)),
    ],
)
def test_usable_models_are_those_of_both_lists(offered: tuple[str, ...], usable: tuple[str, ...]) -> None:
    assert ceiling("models=claude-sonnet-*|claude-haiku-4-5|*-preview").usable_models(offered) == usable


@pytest.mark.parametrize(
    ("text", "name", "allowed"),
    [
        ("tools=!Bash", "Bash", False),
        ("tools=!Bash", "Read", True),
        ("tools=!Bash", "mcp__files__read", True),
        ("tools=Read|Grep", "Read", True),
        ("tools=Read|Grep", "Write", False),
        ("tools=Read|mcp__files__*", "mcp__files__read", True),
        ("tools=Read|mcp__files__*", "mcp__other__read", False),
        ("tools=!mcp__*", "mcp__files__read", False),
        ("tools=!mcp__*__delete_*", "mcp__files__delete_all", False),
        ("tools=!Task", "Agent", False),
        ("tools=!Agent", "Task", False),
    ],
)
def test_tools_are_allowed_or_forbidden(text: str, name: str, allowed: bool) -> None:
    assert ceiling(text).allows_tool(name) is allowed


def test_forbidden_tools_are_denied_and_lose_their_rules() -> None:
    options = reduced(
        "tools=!Bash|!mcp__files__*|!mcp__*__x", allowed_tools=["Bash(ls:*)", "Read"], disallowed_tools=["Write"]
    )
    assert (options.allowed_tools, options.disallowed_tools) == (["Read"], ["Write", "Bash", "mcp__files__*"])


def test_all_other_tools_are_denied_if_some_are_allowed() -> None:
    denied = reduced("tools=Read|Grep").disallowed_tools or []
    assert {"Bash", "Task", "Agent", "ReadMcpResourceTool"} <= set(denied)
    assert not {"Read", "Grep"} & set(denied)


def test_a_limit_of_a_role_replaces_that_of_all_roles() -> None:
    ceilings = Ceilings.parse("max_turns=5, admin.max_turns=none, viewer.max_turns=1")
    assert [ceilings.of(role).max_turns for role in ("admin", "user", "viewer")] == [None, 5, 1]


@pytest.mark.parametrize(
    ("text", "differ"),
    [("", False), ("models=haiku, user.max_turns=3", False), ("models=haiku, admin.models=none", True)],
)
def test_models_differ_if_those_of_one_role_do(text: str, differ: bool) -> None:
    assert Ceilings.parse(text).differ_in_models == differ


def test_money_is_read_exactly() -> None:
    assert ceiling("user.max_budget_usd=0.1").max_budget_usd == Decimal("0.1")


def test_a_mode_without_checks_for_all_roles_is_for_administrators_only() -> None:
    ceilings = Ceilings.parse("permission_modes=plan|bypassPermissions")
    assert ceilings.of("admin").allows_mode("bypassPermissions")
    assert not ceilings.of("user").allows_mode("bypassPermissions")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max_turns", "must be one of models, tools"),
        ("root.max_turns=5", "must be one of models, tools"),
        ("user.turns=5", "must be one of models, tools"),
        ("user.max_turns=5, user.max_turns=6", "user.max_turns is given twice"),
        ("max_turns=0", "must be a whole number from 1 to 10000"),
        ("max_turns=-1", "must be a whole number"),
        ("max_turns=1e3", "must be a whole number"),
        ("max_turns=٣", "must be a whole number"),
        ("timeout_seconds=86401", "must be a whole number"),
        ("timeout_seconds=99999999999999999999", "must be a whole number"),
        ("max_budget_usd=NaN", "must be a number above 0"),
        ("max_budget_usd=Infinity", "must be a number above 0"),
        ("max_budget_usd=5 dollars", "must be a number above 0"),
        ("max_budget_usd=0", "must be a number above 0"),
        ("models=", "must not be empty"),
        ("models=a||b", "must not be empty"),
        ("models=[a]", "must be names of models"),
        ("tools=Bash|!Read", "must be either tools that are allowed"),
        ("tools=Bsh", "Bsh is neither"),
        ("tools=!mcp__github", "mcp__github is neither"),
        ("tools=!Bash(rm:*)", "Bash(rm:*) is neither"),
        ("permission_modes=plan|all", "must be some of default"),
        ("user.permission_modes=bypassPermissions", "bypassPermissions is for the role admin only"),
    ],
)
def test_a_wrong_entry_is_shown_with_the_reason(text: str, reason: str) -> None:
    entry = text.rpartition(", ")[2]
    with pytest.raises(ValueError, match=re.escape(f"{entry!r}: {reason}")):
        Ceilings.parse(text)


PIECES = [*READERS, *(f"{role}." for role in ROLES), *",,===|!* ", "none", "5", "Bash", "mcp__a__b", "plan", "NaN", "٣"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_setting_is_read_or_refused_with_an_example_that_is_read(text: str) -> None:
    try:
        Ceilings.parse(text)
    except ValueError as error:
        Ceilings.parse(str(error).partition("an example is ")[2])


def test_models_that_leave_a_role_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"user\.models: allows none"):
        Ceilings.parse("user.models=claude-haiku-*", ("claude-opus-4-7",)).check_models()


@pytest.mark.parametrize("listed", [(), ("claude-opus-4-7", "claude-sonnet-4-6")])
def test_the_model_proxy_refuses_models_above_the_ceiling(listed: tuple[str, ...]) -> None:
    access = Access(listed, ceiling("models=claude-sonnet-*"))
    access.check_requested(Request(["claude-sonnet-4-6"]))
    with pytest.raises(Denied, match="claude-opus-4-7 is not available"):
        access.check_requested(Request(["claude-sonnet-4-6", "claude-opus-4-7"]))
