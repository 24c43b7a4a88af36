"""The decisions of a session about its forks and its archive."""

from uuid import UUID, uuid5

import pytest
from contracts.refusals import Code
from contracts.samples import ARCHIVE, FORK, RUN, SESSION, USER
from contracts.session import SessionEvent
from contracts.session.approval import ApprovalRequested
from contracts.session.archive import (
    ArchiveFailed,
    ArchiveRequested,
    SessionArchived,
    SessionUnarchived,
    UnarchiveFailed,
    UnarchiveRequested,
)
from contracts.session.conversation import MessageRecorded
from contracts.session.fork import MAX_FORKED_MESSAGES, ForkCompleted, ForkFailed, SessionForked
from contracts.session.run import RunCompleted, RunQueued, RunRequested, RunStarted
from contracts.session.session import SessionCreated, SessionDeleted, SessionPaused
from eventing.recording import MAX_EVENT_BYTES
from eventing.testing import refused
from session.aggregate import Session

RUN_ID = UUID(RUN)
OTHER = uuid5(RUN_ID, "other")
CREATED, REQUESTED, STARTED = SessionCreated.example(), RunRequested.example(), RunStarted.example()
RECORDED = MessageRecorded.example()
DISK_FULL = (Code.STORAGE_FAILED, "No space left on device.")


def after(*events: SessionEvent) -> Session:
    session = Session(UUID(SESSION))
    for event in events:
        session.apply(event)
    return session


def forked(parent: Session, *message_ids: UUID) -> SessionForked:
    [created, event] = parent.fork(UUID(FORK), UUID(USER), "fork", [*message_ids]).pending
    assert isinstance(created, SessionCreated)
    assert isinstance(event, SessionForked)
    assert (created.mode, created.name) == ("forked", "fork")
    return event


COMPLETED = RunCompleted.example()
SECOND_MESSAGE = RECORDED.model_copy(update={"message_id": OTHER, "run_id": RUN_ID})
FIRST_MESSAGE = REQUESTED.model_copy(update={"message_id": RUN_ID})


def test_a_fork_starts_with_the_messages_of_its_parent() -> None:
    parent = after(CREATED, FIRST_MESSAGE, STARTED, SECOND_MESSAGE, COMPLETED)
    assert forked(parent, RUN_ID, OTHER).message_ids == [RUN_ID, OTHER]


def test_a_fork_keeps_the_metadata_of_its_parent() -> None:
    [created, _] = after(CREATED).fork(UUID(FORK), UUID(USER), "fork", []).pending
    assert isinstance(created, SessionCreated)
    assert created.metadata == CREATED.metadata == SessionCreated.sample["metadata"]


def test_a_fork_lacks_messages_that_were_not_passed_to_it() -> None:
    assert forked(after(CREATED, FIRST_MESSAGE, STARTED, COMPLETED), RUN_ID, OTHER).message_ids == [RUN_ID]


def test_as_many_messages_as_fit_into_an_event_are_forked() -> None:
    parent = after(CREATED)
    parent.messages = MAX_FORKED_MESSAGES
    assert len(forked(parent, *[OTHER] * MAX_FORKED_MESSAGES).model_dump_json()) < MAX_EVENT_BYTES


def test_a_fork_of_more_messages_is_refused() -> None:
    parent = after(CREATED)
    parent.messages = number = MAX_FORKED_MESSAGES + 1
    refused(Code.CONVERSATION_FULL, lambda: parent.fork(UUID(FORK), UUID(USER), "fork", [OTHER] * number))


def test_a_fork_numbers_its_messages_after_those_of_its_parent() -> None:
    fork = after(CREATED, SessionForked.example(), ForkCompleted.example())
    fork.submit_query(RUN_ID, OTHER, "?")
    assert [event.sequence_number for event in fork.pending if isinstance(event, RunRequested)] == [2]


def test_a_busy_session_is_not_forked() -> None:
    refused(Code.SESSION_BUSY, lambda: forked(after(CREATED, REQUESTED)))


def test_a_fork_being_copied_accepts_no_query_and_no_fork() -> None:
    fork = after(CREATED, SessionForked.example())
    refused(Code.SESSION_NOT_READY, lambda: fork.submit_query(RUN_ID, OTHER, "?"))
    refused(Code.SESSION_NOT_READY, lambda: forked(fork))


def test_a_fork_is_completed_once() -> None:
    fork = after(CREATED, SessionForked.example())
    fork.complete_fork(42, 0, 2_097_152)
    fork.complete_fork(42, 0, 2_097_152)
    assert fork.pending == [ForkCompleted.example()]


def test_a_failed_fork_accepts_no_query() -> None:
    fork = after(CREATED, SessionForked.example())
    for _ in range(2):
        fork.fail_fork(*DISK_FULL)
    fork.complete_fork(42, 0)
    assert fork.pending == [ForkFailed.example()]
    refused(Code.SESSION_NOT_READY, lambda: fork.submit_query(RUN_ID, OTHER, "?"))


ARCHIVE_REQUESTED, ARCHIVED = ArchiveRequested.example(), SessionArchived.example()
UNARCHIVE_REQUESTED, UNARCHIVED = UnarchiveRequested.example(), SessionUnarchived.example()
ARCHIVE_ID = UUID(ARCHIVE)


def test_archiving_a_session_requests_an_archive() -> None:
    session = after(CREATED)
    session.archive(ARCHIVE_ID, "gzip")
    assert session.pending == [ARCHIVE_REQUESTED]


def test_a_busy_session_is_not_archived() -> None:
    refused(Code.SESSION_BUSY, lambda: after(CREATED, REQUESTED).archive(ARCHIVE_ID, "gzip"))


@pytest.mark.parametrize(
    "events", [[ARCHIVE_REQUESTED], [ARCHIVE_REQUESTED, ARCHIVED], [ARCHIVE_REQUESTED, ARCHIVED, UNARCHIVE_REQUESTED]]
)
def test_an_archived_session_accepts_no_query_archive_or_fork(events: list[SessionEvent]) -> None:
    session = after(CREATED, *events)
    refused(Code.SESSION_ARCHIVED, lambda: session.submit_query(RUN_ID, OTHER, "?"))
    refused(Code.SESSION_ARCHIVED, lambda: session.archive(OTHER, "gzip"))
    refused(Code.SESSION_ARCHIVED, lambda: forked(session))


def test_an_archive_is_completed_once() -> None:
    session = after(CREATED, ARCHIVE_REQUESTED)
    for _ in range(2):
        session.complete_archive(ARCHIVE_ID, 1048576, 42, 0)
    assert session.pending == [ARCHIVED]


def test_the_completion_of_an_unknown_archive_is_ignored() -> None:
    session = after(CREATED, ARCHIVE_REQUESTED)
    session.complete_archive(OTHER, 1, 1, 0)
    assert session.pending == []


def test_a_late_outcome_of_a_completed_archive_is_ignored() -> None:
    session = after(CREATED, ARCHIVE_REQUESTED, ARCHIVED, UNARCHIVE_REQUESTED)
    session.complete_archive(ARCHIVE_ID, 1048576, 42, 0)
    session.fail_archive(ARCHIVE_ID, *DISK_FULL)
    assert session.pending == []


def test_a_session_can_be_archived_again_after_a_failed_archive() -> None:
    session = after(CREATED, ARCHIVE_REQUESTED)
    for _ in range(2):
        session.fail_archive(ARCHIVE_ID, *DISK_FULL)
    assert session.pending == [ArchiveFailed.example()]
    session.archive(OTHER, "gzip")


def test_resuming_an_archived_session_unarchives_it() -> None:
    session = after(CREATED, ARCHIVE_REQUESTED, ARCHIVED)
    for _ in range(2):
        session.resume()
    for _ in range(2):
        session.complete_unarchive(ARCHIVE_ID, 2_097_152)
    assert session.pending == [UNARCHIVE_REQUESTED, UNARCHIVED]
    session.submit_query(RUN_ID, OTHER, "?")


def test_a_session_being_archived_cannot_be_resumed() -> None:
    refused(Code.SESSION_ARCHIVED, after(CREATED, ARCHIVE_REQUESTED).resume)


def test_a_session_can_be_resumed_again_after_a_failed_unarchive() -> None:
    session = after(CREATED, ARCHIVE_REQUESTED, ARCHIVED, UNARCHIVE_REQUESTED)
    for _ in range(2):
        session.fail_unarchive(ARCHIVE_ID, *DISK_FULL)
    assert session.pending == [UnarchiveFailed.example()]
    session.resume()
    assert session.pending[1:] == [UNARCHIVE_REQUESTED]


def test_a_paused_session_is_still_paused_after_an_archive() -> None:
    session = after(CREATED, SessionPaused(), ARCHIVE_REQUESTED, ARCHIVED, UNARCHIVE_REQUESTED, UNARCHIVED)
    refused(Code.SESSION_PAUSED, lambda: session.submit_query(RUN_ID, OTHER, "?"))


def test_a_session_with_a_pending_approval_is_busy() -> None:
    session = after(CREATED, REQUESTED, STARTED, ApprovalRequested.example())
    refused(Code.SESSION_BUSY, lambda: session.archive(ARCHIVE_ID, "gzip"))
    refused(Code.SESSION_BUSY, lambda: forked(session))


def test_a_session_with_queued_runs_is_busy() -> None:
    session = after(CREATED, SessionPaused(), RunQueued.example())
    refused(Code.SESSION_BUSY, lambda: session.archive(ARCHIVE_ID, "gzip"))


@pytest.mark.parametrize("events", [[], [ARCHIVE_REQUESTED, ARCHIVED], [SessionForked.example()]])
def test_a_session_can_be_deleted_in_any_archive_or_fork_state(events: list[SessionEvent]) -> None:
    session = after(CREATED, *events)
    session.delete()
    assert session.pending == [SessionDeleted(user_id=UUID(USER))]
