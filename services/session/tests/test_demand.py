"""What agents are started in advance, after which sessions."""

from pathlib import Path
from uuid import UUID

from contracts.session.values import SdkOptions
from session.agent.claiming import NO_SESSION
from session.agent.demand import Demand
from session.agent.options import AgentSpec

ALICE, BOB = UUID(int=1), UUID(int=2)


def profile(model: str) -> AgentSpec:
    return AgentSpec(NO_SESSION, Path(), SdkOptions(model=model))


def demand(*sessions: tuple[UUID, str], seconds: float = 60) -> Demand:
    noted = Demand(seconds)
    for owner, model in sessions:
        noted.note(owner, profile(model))
    return noted


def models(noted: Demand, number: int) -> list[str | None]:
    return [profile.options.model for profile in noted.profiles(number)]


def test_the_newest_sessions_count() -> None:
    assert models(demand((ALICE, "haiku"), (ALICE, "opus"), (ALICE, "sonnet")), 2) == ["sonnet", "opus"]


def test_a_user_with_many_sessions_leaves_agents_to_another() -> None:
    assert models(demand((BOB, "haiku"), *[(ALICE, "opus")] * 9), 3) == ["opus", "haiku", "opus"]


def test_sessions_of_long_ago_do_not_count() -> None:
    assert models(demand((ALICE, "haiku"), seconds=0), 2) == []


def test_only_a_user_with_all_of_the_last_sessions_is_greedy() -> None:
    opus = profile("opus")
    assert not demand((ALICE, "opus"), (ALICE, "opus")).is_greedy(ALICE, opus, 2)
    assert not demand((BOB, "opus"), (ALICE, "opus")).is_greedy(ALICE, opus, 2)
    assert demand((BOB, "opus"), (ALICE, "opus"), (ALICE, "opus")).is_greedy(ALICE, opus, 2)
    assert not demand((BOB, "opus"), (ALICE, "opus"), (ALICE, "opus")).is_greedy(BOB, opus, 2)


def test_an_agent_is_not_left_to_users_who_need_another_profile() -> None:
    assert not demand((BOB, "haiku"), (ALICE, "opus"), (ALICE, "opus")).is_greedy(ALICE, profile("opus"), 2)
