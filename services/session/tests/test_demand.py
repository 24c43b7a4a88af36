"""What agents are started in advance, after which sessions."""

from collections.abc import Callable
from unittest.mock import Mock
from uuid import UUID

import pytest
from contracts.session.values import SdkOptions
from runtime.clock import new_id
from session.agent.claiming import Profile
from session.agent.demand import Demand

ALICE, BOB = UUID(int=1), UUID(int=2)

type Paced = Callable[..., list[str | None]]


def profile(model: str) -> Profile:
    return Profile(SdkOptions(model=model))


def demand(*sessions: tuple[UUID, str], seconds: float = 60) -> Demand:
    noted = Demand(seconds)
    for owner, model in sessions:
        noted.note(new_id(), owner, profile(model))
    return noted


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Paced:
    """Return which two agents are needed after sessions of models, by their first letters, so many seconds apart."""

    def needed(letters: str, seconds: float, owner: UUID | None = ALICE) -> list[str | None]:
        clock, noted = Mock(return_value=0.0), Demand(300)
        monkeypatch.setattr("session.agent.demand.time", Mock(monotonic=clock))
        for number, letter in enumerate(letters):
            clock.return_value = number * seconds
            noted.note(new_id(), owner or UUID(int=number), profile(letter))
        return models(noted, 2)

    return needed


def models(noted: Demand, number: int) -> list[str | None]:
    return [profile.options.model for profile in noted.profiles(number)]


def test_the_newest_sessions_count() -> None:
    assert models(demand((ALICE, "haiku"), (ALICE, "opus"), (ALICE, "sonnet")), 2) == ["sonnet", "opus"]


def test_a_user_with_many_sessions_leaves_agents_to_another() -> None:
    assert models(demand((BOB, "haiku"), *[(ALICE, "opus")] * 9), 3) == ["opus", "haiku", "opus"]


@pytest.mark.parametrize("owner", [ALICE, None], ids=["of one user", "of many users"])
def test_quick_sessions_of_one_profile_keep_the_agents_when_others_come(paced: Paced, owner: UUID | None) -> None:
    assert paced("oooohoosoooh", 1.0, owner) == ["o", "o"]


def test_slow_sessions_of_one_profile_need_one_agent(paced: Paced) -> None:
    assert paced("ooooohoosooo", 5.0) == ["o", "s"]


def test_agents_that_no_session_missed_are_of_the_only_profile(paced: Paced) -> None:
    assert paced("ooooo", 5.0) == ["o", "o"]


def test_the_agents_follow_a_user_who_changes_the_profile(paced: Paced) -> None:
    assert paced("o" * 30 + "h" * 12, 1.0) == ["h", "h"]


def test_a_session_counts_once() -> None:
    noted = Demand(60)
    for _ in range(2):
        noted.note(UUID(int=7), ALICE, profile("opus"))
    assert models(noted, 2) == ["opus"]


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


def test_the_options_of_sessions_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    options = [SdkOptions(output_format={"type": "json_schema", "schema": {"title": str(n)}}) for n in range(64)]
    noted, profiles = Demand(60), [Profile(each) for each in options]
    for number, each in enumerate(profiles):
        noted.note(new_id(), (ALICE, BOB)[number % 2], each)
    monkeypatch.setattr(SdkOptions, "__eq__", Mock(side_effect=AssertionError))
    assert noted.profiles(64) == profiles[::-1]
    assert noted.is_greedy(BOB, Profile(options[0]), 1)
