"""Which calls of MCP tools and searches may leave the sandbox, even if a program in it forged them."""

from typing import Any

import pytest
from contracts.session.settling import call_key
from contracts.session.values import SdkOptions
from session.ceilings import Ceilings
from session.mcp.permits import Permits
from session.mcp.repeats import Repeats

LAB = "mcp__lab__"


def permits(**options: Any) -> Permits:
    return Permits(SdkOptions.model_validate(options))


def test_a_call_needs_an_approval() -> None:
    assert not permits().use(LAB, "echo", {}, read_only=True)


def test_an_approval_permits_one_call_with_the_same_input() -> None:
    approved = permits()
    approved.approve("mcp__lab__echo", {"a": 1, "b": 2})
    assert not approved.use(LAB, "echo", {"a": 2}, read_only=False)
    assert approved.use(LAB, "echo", {"b": 2, "a": 1}, read_only=False)
    assert not approved.use(LAB, "echo", {"a": 1, "b": 2}, read_only=False)


def test_an_approval_ends_with_its_turn() -> None:
    approved = permits()
    approved.approve("mcp__lab__echo", {})
    with approved.turn():
        assert not approved.use(LAB, "echo", {}, read_only=False)


def test_a_forged_repetition_of_an_unknown_outcome_is_not_permitted() -> None:
    allowed, repeats = permits(allowed_tools=["mcp__lab"]), Repeats([call_key("mcp__lab__echo", {"a": 1})])
    with allowed.turn(repeats):
        assert not allowed.use(LAB, "echo", {"a": 1}, read_only=False)
        assert allowed.use(LAB, "echo", {"a": 2}, read_only=False)
        repeats.note("toolu_1", call_key("mcp__lab__echo", {"a": 1}))
        repeats.permit("toolu_1")
        assert allowed.use(LAB, "echo", {"a": 1}, read_only=False)


def test_nothing_is_read_between_turns() -> None:
    over = permits()
    with over.turn():
        assert over.read(LAB)
    assert not over.read(LAB)


def test_no_call_is_permitted_between_turns() -> None:
    allowed = permits(allowed_tools=["mcp__lab"])
    with allowed.turn():
        during = allowed.use(LAB, "echo", {}, read_only=True)
    assert (during, allowed.use(LAB, "echo", {}, read_only=True)) == (True, False)


@pytest.mark.parametrize("rule", ["mcp__lab", "mcp__lab__*", "mcp__lab__echo"])
def test_a_rule_allows_calls(rule: str) -> None:
    assert permits(allowed_tools=[rule]).use(LAB, "echo", {}, read_only=False)


@pytest.mark.parametrize("rule", ["mcp__la", "mcp__lab__ech", "mcp__lab_2", "Bash"])
def test_a_rule_for_other_tools_allows_nothing(rule: str) -> None:
    assert not permits(allowed_tools=[rule]).use(LAB, "echo", {}, read_only=False)


@pytest.mark.parametrize("rule", ["mcp__lab", "mcp__lab__*", "mcp__lab__echo"])
def test_a_disallowed_tool_is_refused_even_if_it_is_approved(rule: str) -> None:
    approved = permits(disallowed_tools=[rule], allowed_tools=["mcp__lab"], permission_mode="bypassPermissions")
    approved.approve("mcp__lab__echo", {})
    assert not approved.use(LAB, "echo", {}, read_only=False)


def test_bypassing_permissions_permits_all_calls() -> None:
    assert permits(permission_mode="bypassPermissions").use(LAB, "echo", {}, read_only=False)


@pytest.mark.parametrize("read_only", [True, False])
def test_in_plan_mode_rules_allow_read_only_tools_alone(read_only: bool) -> None:
    planning = permits(permission_mode="plan", allowed_tools=["mcp__lab"])
    assert planning.use(LAB, "echo", {}, read_only=read_only) == read_only


@pytest.mark.parametrize(("rule", "permitted"), [("mcp__lab", False), ("ReadMcpResourceTool", False), ("Bash", True)])
def test_resources_may_be_read_unless_that_is_disallowed(rule: str, permitted: bool) -> None:
    assert permits(disallowed_tools=[rule]).read(LAB) == permitted


@pytest.mark.parametrize("text", ["tools=!mcp__lab__echo", "tools=!mcp__*", "tools=Read|mcp__other__*"])
def test_a_ceiling_forbids_even_approved_calls_and_hides_the_tool(text: str) -> None:
    options = SdkOptions(allowed_tools=["mcp__lab__*"], permission_mode="bypassPermissions")
    limited = Permits(options, Ceilings.parse(text).of("admin"))
    limited.approve("mcp__lab__echo", {})
    assert not limited.use(LAB, "echo", {}, read_only=True)
    assert not limited.offers(LAB, "echo")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("tools=!Bash", True),
        ("tools=!mcp__lab__*", False),
        ("tools=!ReadMcpResourceTool", False),
        ("tools=mcp__lab__*", False),
        ("tools=mcp__lab__*|ReadMcpResourceTool", True),
    ],
)
def test_a_ceiling_limits_the_reading_of_resources(text: str, allowed: bool) -> None:
    assert Permits(SdkOptions(), Ceilings.parse(text).of("user")).read(LAB) is allowed


SEARCH = "WebSearch"
SEARCHES: list[tuple[dict[str, Any], bool]] = [
    ({}, False),
    ({"allowed_tools": [SEARCH]}, True),
    ({"allowed_tools": ["Bash"], "permission_mode": "acceptEdits"}, False),
    ({"permission_mode": "bypassPermissions"}, True),
    ({"permission_mode": "bypassPermissions", "disallowed_tools": [SEARCH]}, False),
    ({"allowed_tools": ["WebSearch(*)"]}, True),
    ({"allowed_tools": [SEARCH], "disallowed_tools": ["WebSearch(*)"]}, False),
]


@pytest.mark.parametrize(("options", "permitted"), SEARCHES)
def test_a_search_of_the_web_needs_a_rule(options: dict[str, Any], permitted: bool) -> None:
    assert permits(**options).search() == permitted


def test_an_approved_search_permits_searches_until_the_end_of_the_turn() -> None:
    approved = permits()
    approved.approve(SEARCH, {"query": "cats"})
    during = approved.search()
    with approved.turn():
        assert (during, approved.search()) == (True, False)


def test_no_approval_permits_a_search_above_the_ceiling() -> None:
    limited = Permits(SdkOptions(), Ceilings.parse("tools=!WebSearch").of("user"))
    limited.approve(SEARCH, {})
    assert not limited.search()
