"""Which sessions may claim a prestarted agent, and whose profile it has."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.session.values import SdkOptions
from session.agent.claiming import profile_of
from session.agent.options import AgentSpec
from session.ceilings import Ceiling

ALICE, BOB = UUID(int=1), UUID(int=2)
LIMITED = Ceiling(tools=("Read",), max_turns=5, max_budget_usd=Decimal(2))
OWN: list[dict[str, Any]] = [
    {"disallowed_tools": ["Bash"]},
    {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
    {"fallback_model": "haiku"},
    {"max_turns": 3},
    {"max_budget_usd": 1.5},
]


def spec(owner: UUID = ALICE, ceiling: Ceiling = Ceiling(), **options: Any) -> AgentSpec:  # noqa: B008  immutable
    reduced = ceiling.reduced(SdkOptions.model_validate(options))
    return AgentSpec(owner, Path(str(owner)), reduced, ceiling=ceiling, owner=owner)


def test_what_a_claim_sets_does_not_divide_agents() -> None:
    chosen = spec(BOB, allowed_tools=["Read"], permission_mode="plan", after_crash="continue")
    assert profile_of(chosen) == profile_of(spec())


def test_sessions_with_any_system_prompt_share_agents_that_wait_for_one() -> None:
    boat, car = spec(BOB, system_prompt="You are a boat."), spec(system_prompt="You are a car.", permission_mode="plan")
    assert profile_of(boat) == profile_of(car) != profile_of(spec())


def test_users_of_a_role_share_its_agents() -> None:
    assert profile_of(spec(ALICE, LIMITED)) == profile_of(spec(BOB, LIMITED)) != profile_of(spec(BOB))


@pytest.mark.parametrize("options", [{"model": "opus"}, {"effort": "high"}], ids=["model", "effort"])
def test_users_of_a_model_share_its_agents(options: dict[str, Any]) -> None:
    assert profile_of(spec(ALICE, **options)) == profile_of(spec(BOB, **options)) != profile_of(spec())


@pytest.mark.parametrize("options", OWN, ids=lambda options: next(iter(options)))
def test_no_user_gets_an_agent_with_what_another_has_chosen(options: dict[str, Any]) -> None:
    assert profile_of(spec(ALICE, **options)) == profile_of(spec(ALICE, **options))
    assert profile_of(spec(ALICE, **options)) != profile_of(spec(BOB, **options))


def test_agents_that_can_bypass_permissions_are_not_for_other_sessions() -> None:
    assert profile_of(spec(permission_mode="bypassPermissions")) != profile_of(spec())


@pytest.mark.parametrize("options", [{"env": {"NAME": "value"}}, {"mcp_servers": ["files"]}], ids=["env", "servers"])
def test_a_session_with_what_no_claim_can_set_has_no_profile(options: dict[str, Any]) -> None:
    assert profile_of(spec(**options)) is None


def test_a_session_that_has_spent_a_part_of_its_budget_has_no_profile() -> None:
    whole = spec(max_budget_usd=1.5)
    assert profile_of(replace(whole, budget_usd=Decimal("1.5"))) == profile_of(whole)
    assert profile_of(replace(whole, budget_usd=Decimal("1.4"))) is None


def test_the_order_of_keys_does_not_divide_agents_and_the_last_value_does() -> None:
    fields = [("type", "json_schema"), ("schema", 1)]
    forms = map(dict[str, Any], (fields, fields[::-1], [fields[0], ("schema", 2)]))
    first, reordered, other = (profile_of(spec(output_format=form)) for form in forms)
    assert first == reordered != other
