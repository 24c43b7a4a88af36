"""Selection of events by type."""

import pytest
from contracts.event_types import MAX_PATTERNS, selection


@pytest.mark.parametrize(
    ("types", "name", "matches"),
    [
        ("session.*", "session.created", True),
        ("session.*", "task.created", False),
        ("*.created", "task.created", True),
        ("session.run_*ed", "session.run_started", True),
        ("task.created, session.created", "session.created", True),
        ("*", "text_delta", True),
        ("session.created", "session.created_too", False),
        ("billing.paid", "billing.paid", True),
    ],
)
def test_types_may_contain_wildcards(types: str, name: str, matches: bool) -> None:
    assert selection(types.split(","))(name) is matches


def test_events_of_templates_can_be_selected() -> None:
    assert selection(["session.template_created"])("session.template_created")


@pytest.mark.parametrize("pattern", ["session.creatd", "tool_*", "session", "webhooks", "", "Session.created", "a.b.c"])
def test_patterns_that_match_no_type_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"Must be at most|No event type"):
        selection([pattern])


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 32"):
        selection(["session.*"] * (MAX_PATTERNS + 1))


def test_a_type_can_be_selected_by_its_alias() -> None:
    def alias(name: str) -> str:
        return "message" if name == "session.message_recorded" else name

    assert selection(["message"], alias=alias)("session.message_recorded")
