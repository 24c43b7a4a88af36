"""The decisions of a session about its runs and messages."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE, RUN, SESSION, TOOL_CALL, USER
from contracts.session import SessionEvent
from contracts.session.conversation import (
    MessageRecorded,
    RecordMessage,
    RecordToolResult,
    ToolCallEnded,
    ToolCallStarted,
)
from contracts.session.run import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    UsageRecorded,
)
from contracts.session.session import SessionCreated, SessionDeleted
from contracts.session.values import Block, SdkOptions, TextBlock, ToolUseBlock, Usage
from eventing.testing import refused
from hypothesis import given
from hypothesis import strategies as st
from session.aggregate import Session

CREATED, REQUESTED, STARTED = SessionCreated.example(), RunRequested.example(), RunStarted.example()
RECORDED, CALLED = MessageRecorded.example(), ToolCallStarted.example()
RUN_ID, OTHER = UUID(RUN), UUID(MESSAGE)


def after(*events: SessionEvent) -> Session:
    session = Session(UUID(SESSION))
    for event in events:
        session.apply(event)
    return session


def message(*blocks: Block, **changed: Any) -> RecordMessage:
    return RecordMessage.example().model_copy(update={"blocks": [*blocks], **changed})


def result(**changed: Any) -> RecordToolResult:
    return RecordToolResult.model_validate(RecordToolResult.sample | changed)


def test_a_session_is_created_for_its_owner() -> None:
    session = after()
    session.create(UUID(USER), "mine", "interactive", SdkOptions())
    assert session.pending == [
        SessionCreated(user_id=UUID(USER), name="mine", mode="interactive", sdk_options=SdkOptions())
    ]


def test_a_query_starts_a_run_with_the_next_sequence_number() -> None:
    session = after(CREATED)
    session.submit_query(RUN_ID, UUID(MESSAGE), "Hello")
    assert session.pending == [REQUESTED]


def test_a_query_is_refused_while_a_run_is_in_progress() -> None:
    refused(Code.SESSION_BUSY, lambda: after(CREATED, REQUESTED).submit_query(OTHER, OTHER, "again"))


def test_the_refusal_of_a_busy_session_names_the_on_busy_option() -> None:
    with pytest.raises(Refusal, match='"on_busy": "enqueue" or "interrupt"'):
        after(CREATED, REQUESTED).submit_query(OTHER, OTHER, "again")


def test_a_worker_starts_a_requested_run() -> None:
    session = after(CREATED, REQUESTED)
    session.start_run(RUN_ID)
    assert session.pending == [STARTED]


AGAIN = RunStarted(run_id=RUN_ID, attempt=2)


def test_a_run_that_lost_its_worker_is_continued_by_another_one() -> None:
    session = after(CREATED, REQUESTED, STARTED, RECORDED, CALLED)
    session.start_run(RUN_ID)
    assert session.pending[0] == AGAIN


def test_what_a_lost_worker_used_is_used_by_the_run() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    session.start_run(RUN_ID, lost=Usage(input_tokens=5))
    session.end_run(RUN_ID, Usage(input_tokens=7), attempt=2)
    assert session.pending[-1] == RunCompleted(run_id=RUN_ID, usage=Usage(input_tokens=12))


def test_a_run_that_loses_two_workers_without_progress_is_interrupted() -> None:
    session = after(CREATED, REQUESTED, STARTED, AGAIN)
    session.start_run(RUN_ID)
    [failed] = session.pending
    assert isinstance(failed, RunFailed)
    assert failed.error_code is Code.RUN_INTERRUPTED


def test_a_run_with_progress_may_lose_five_workers() -> None:
    session = after(CREATED, REQUESTED)
    for n in range(1, 6):
        session.start_run(RUN_ID)
        session.record_message(message(TextBlock(text="hi"), attempt=n, message_id=uuid5(RUN_ID, str(n))))
    assert session.run
    session.start_run(RUN_ID)
    assert session.run is None


def test_messages_are_numbered_without_gaps() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    for n in range(3):
        session.record_message(message(TextBlock(text="hi"), message_id=uuid5(RUN_ID, str(n))))
    assert [event.sequence_number for event in session.pending if isinstance(event, MessageRecorded)] == [2, 3, 4]


def test_a_message_that_calls_a_tool_starts_the_call() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    call = ToolUseBlock(id="toolu_1", tool_call_id=UUID(TOOL_CALL), name="Read", input={"file_path": "/workspace/a"})
    session.record_message(message(call))
    assert session.pending[1] == CALLED


@pytest.mark.parametrize(
    ("is_error", "denied", "status"), [(False, False, "success"), (True, False, "error"), (True, True, "denied")]
)
def test_a_tool_result_ends_its_call(is_error: bool, denied: bool, status: str) -> None:
    session = after(CREATED, REQUESTED, STARTED, RECORDED, CALLED)
    session.record_tool_result(result(is_error=is_error, denied=denied))
    assert [event.status for event in session.pending if isinstance(event, ToolCallEnded)] == [status]


def test_a_tool_result_without_a_call_is_ignored() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    session.record_tool_result(result(tool_use_id="toolu_9"))
    assert session.pending == []


def test_a_run_ends_with_its_usage_and_the_session_becomes_idle() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    session.end_run(RUN_ID, Usage(cost_usd=Decimal("0.5")))
    assert session.pending == [RunCompleted(run_id=RUN_ID, usage=Usage(cost_usd=Decimal("0.5")))]
    assert session.run is None


def test_a_failed_run_records_the_error() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    session.end_run(RUN_ID, Usage(), Code.MODEL_ERROR, "529")
    [failed] = session.pending
    assert isinstance(failed, RunFailed)
    assert (failed.error_code, failed.error_detail) == (Code.MODEL_ERROR, "529")


LATE: list[Callable[[Session], None]] = [
    lambda s: s.start_run(RUN_ID),
    lambda s: s.record_message(message()),
    lambda s: s.record_tool_result(result()),
    lambda s: s.end_run(RUN_ID, Usage(), attempt=1),
    lambda s: s.end_run(RUN_ID, Usage()),
]


@pytest.mark.parametrize("late", LATE)
def test_commands_for_an_ended_run_are_refused(late: Callable[[Session], None]) -> None:
    refused(Code.RUN_OVER, lambda: late(after(CREATED, REQUESTED, STARTED, RunCompleted.example())))


CANCELLED = RunCancelled.example()
CUT_OFF = message(TextBlock(text="Hel"), incomplete=True)


def test_a_cut_off_message_of_a_cancelled_run_is_kept_without_calls() -> None:
    session = after(CREATED, REQUESTED, STARTED, CANCELLED)
    call = ToolUseBlock(id="toolu_1", tool_call_id=UUID(TOOL_CALL), name="Read", input={})
    session.record_message(message(TextBlock(text="Hel"), call, incomplete=True))
    [kept] = session.pending
    assert isinstance(kept, MessageRecorded)
    assert (kept.blocks, kept.incomplete, kept.sequence_number) == ([TextBlock(text="Hel")], True, 2)


def test_a_cut_off_message_follows_the_query_that_interrupted_it() -> None:
    following = REQUESTED.model_copy(update={"run_id": OTHER, "sequence_number": 2})
    session = after(CREATED, REQUESTED, STARTED, CANCELLED, following)
    session.record_message(CUT_OFF)
    assert (session.messages, session.run and session.run.id) == (3, OTHER)


@pytest.mark.parametrize(
    "late", [CUT_OFF.model_copy(update={"attempt": 2}), CUT_OFF.model_copy(update={"incomplete": False})]
)
def test_other_messages_of_a_cancelled_run_are_refused(late: RecordMessage) -> None:
    refused(Code.RUN_OVER, lambda: after(CREATED, REQUESTED, STARTED, CANCELLED).record_message(late))


def test_nothing_is_kept_of_a_run_whose_agent_has_reported() -> None:
    session = after(CREATED, REQUESTED, STARTED, CANCELLED, UsageRecorded.example())
    refused(Code.RUN_OVER, lambda: session.record_message(CUT_OFF))


@pytest.mark.parametrize("late", LATE[1:4])
def test_commands_of_a_replaced_worker_are_refused(late: Callable[[Session], None]) -> None:
    again = RunStarted.model_validate(RunStarted.sample | {"attempt": 2})
    refused(Code.RUN_TAKEN, lambda: late(after(CREATED, REQUESTED, STARTED, RECORDED, CALLED, again)))


def test_a_run_can_be_ended_without_an_attempt_number() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    session.end_run(RUN_ID, Usage(), Code.RUN_INTERRUPTED, "Lost.")
    assert isinstance(session.pending[-1], RunFailed)


def test_deleting_a_session_cancels_the_active_run() -> None:
    session = after(CREATED, REQUESTED, STARTED)
    session.delete()
    assert [type(event) for event in session.pending] == [RunCancelled, SessionDeleted]


ACTIONS: list[Callable[[Session, UUID], None]] = [
    lambda s, r: s.archive(r, "none"),
    lambda s, r: s.complete_archive(s.archive_id or r, 1, 1, 0),
    lambda s, r: s.fail_archive(s.archive_id or r, Code.STORAGE_FAILED, "full"),
    lambda s, r: s.resume(),
    lambda s, r: s.complete_unarchive(s.archive_id or r),
    lambda s, r: s.fail_unarchive(s.archive_id or r, Code.STORAGE_FAILED, "full"),
    lambda s, r: s.submit_query(r, r, "?"),
    lambda s, r: s.start_run(s.run.id if s.run else r),
    lambda s, r: s.record_message(message(TextBlock(text="x"), run_id=s.run.id if s.run else r)),
    lambda s, r: s.record_message(
        message(ToolUseBlock(id=str(r), tool_call_id=r, name="T", input={}), run_id=s.run.id if s.run else r)
    ),
    lambda s, r: s.record_tool_result(result(run_id=s.run.id if s.run else r, tool_use_id=str(r))),
    lambda s, r: s.end_run(s.run.id if s.run else r, Usage()),
    lambda s, r: s.end_run(r, Usage()),
    lambda s, r: s.delete(),
]


def attempt(action: Callable[[Session, UUID], None], session: Session, some_id: UUID) -> None:
    with suppress(Refusal):
        action(session, some_id)


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.uuids())))
def test_every_run_ends_at_most_once_and_a_replay_equals_the_live_state(
    actions: list[tuple[Callable[[Session, UUID], None], UUID]],
) -> None:
    live = after(CREATED)
    for action, some_id in actions:
        attempt(action, live, some_id)
    replayed = after(CREATED, *live.pending)
    assert (replayed.run, replayed.messages, replayed.deleted) == (live.run, live.messages, live.deleted)
    assert (replayed.phase, replayed.archive_id) == (live.phase, live.archive_id)
    ended = [event.run_id for event in live.pending if isinstance(event, RunCompleted | RunFailed | RunCancelled)]
    assert len(ended) == len(set(ended))
