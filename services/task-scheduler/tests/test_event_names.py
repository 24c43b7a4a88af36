"""The names of events that a task may start on."""

import re
from pathlib import Path

import pytest
from contracts.catalogue import PUBLISHED_EVENTS
from contracts.refusals import Code
from eventing.testing import refused
from task_scheduler.events import EVENT_NAMES, KINDS, WILDCARDS, check_event_names, matching


def test_events_and_wildcards_are_allowed() -> None:
    check_event_names([*EVENT_NAMES, *WILDCARDS, "session.run_failed", "task.execution_missed"])


@pytest.mark.parametrize(
    "name",
    [
        "session.message_recorded",
        "task.execution_skipped",
        "task.created",
        "identity.*",
        "task_scheduler.execution_failed",
        "*",
        "session.run_*",
        "session.",
        "SESSION.CREATED",
        "session.created\n",
        "",
    ],
)
def test_another_name_is_refused_with_the_possible_ones(name: str) -> None:
    detail = refused(Code.INVALID_EVENT_NAME, lambda: check_event_names(["session.created", name]))
    assert repr(name) in detail
    assert "session.run_failed" in detail


def test_a_task_starts_only_on_published_events() -> None:
    assert {*KINDS} <= {*PUBLISHED_EVENTS}


def test_the_guide_lists_the_events() -> None:
    guide = (Path(__file__).parents[3] / "docs/guides/tasks.md").read_text()
    listed = re.findall(
        r"`((?:session|task)\.\w+)`", guide.partition("| about | events |")[2].partition("| limit |")[0]
    )
    assert {*listed} == {*EVENT_NAMES}


def test_a_wildcard_matches_all_events_of_its_kind() -> None:
    assert matching(["session.*"]) == [name for name in EVENT_NAMES if name.startswith("session.")]


def test_an_event_that_is_named_twice_matches_once() -> None:
    assert matching(["task.*", "task.execution_failed"]).count("task.execution_failed") == 1


def test_no_name_matches_nothing() -> None:
    assert matching([]) == []
