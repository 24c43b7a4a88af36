"""What a Session decides about its forks and its archive."""

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
from contracts.session.fork import ForkCompleted, ForkFailed, SessionForked
from contracts.session.run import RunCompleted, RunQueued, RunRequested, RunStarted
from contracts.session.session import SessionCreated, SessionDeleted, SessionPaused
from eventing.testing import refused
from session.aggregate import Session

RUN_ID = UUID(RUN)
OTHER = uuid5(RUN_ID, "other")
CREATED, REQUESTED, STARTED = SessionCreated.example(), RunRequested.example(), RunStarted.example()
SAID = MessageRecorded.example()
FULL = (Code.STORAGE_FAILED, "No space left on device.")


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


DONE = RunCompleted.example()
SPOKEN = SAID.model_copy(update={"message_id": OTHER, "run_id": RUN_ID})
ASKED = REQUESTED.model_copy(update={"message_id": RUN_ID})


def test_a_fork_begins_with_messages_of_its_parent() -> None:
    assert forked(after(CREATED, ASKED, STARTED, SPOKEN, DONE), RUN_ID, OTHER).message_ids == [RUN_ID, OTHER]


def test_a_fork_has_no_message_that_its_parent_got_meanwhile() -> None:
    assert forked(after(CREATED, ASKED, STARTED, DONE), RUN_ID, OTHER).message_ids == [RUN_ID]


def test_a_fork_numbers_its_messages_after_those_of_its_parent() -> None:
    fork = after(CREATED, SessionForked.example(), ForkCompleted.example())
    fork.submit_query(RUN_ID, OTHER, "?")
    assert [f.sequence_number for f in fork.pending if isinstance(f, RunRequested)] == [2]


def test_a_busy_session_is_not_forked() -> None:
    refused(Code.SESSION_BUSY, lambda: forked(after(CREATED, REQUESTED)))


def test_a_fork_that_is_still_copied_takes_no_query_and_is_not_forked() -> None:
    fork = after(CREATED, SessionForked.example())
    refused(Code.SESSION_NOT_READY, lambda: fork.submit_query(RUN_ID, OTHER, "?"))
    refused(Code.SESSION_NOT_READY, lambda: forked(fork))


def test_a_fork_is_completed_once() -> None:
    fork = after(CREATED, SessionForked.example())
    fork.complete_fork(42, 0)
    fork.complete_fork(42, 0)
    assert fork.pending == [ForkCompleted.example()]


def test_a_fork_that_cannot_be_copied_takes_nothing() -> None:
    fork = after(CREATED, SessionForked.example())
    for _ in range(2):
        fork.fail_fork(*FULL)
    fork.complete_fork(42, 0)
    assert fork.pending == [ForkFailed.example()]
    refused(Code.SESSION_NOT_READY, lambda: fork.submit_query(RUN_ID, OTHER, "?"))


ASKED_TO, ARCHIVED = ArchiveRequested.example(), SessionArchived.example()
REOPENING, REOPENED = UnarchiveRequested.example(), SessionUnarchived.example()
ARCHIVE_ID = UUID(ARCHIVE)


def test_archiving_is_asked_for() -> None:
    session = after(CREATED)
    session.archive(ARCHIVE_ID, "gzip")
    assert session.pending == [ASKED_TO]


def test_a_busy_session_is_not_archived() -> None:
    refused(Code.SESSION_BUSY, lambda: after(CREATED, REQUESTED).archive(ARCHIVE_ID, "gzip"))


@pytest.mark.parametrize("events", [[ASKED_TO], [ASKED_TO, ARCHIVED], [ASKED_TO, ARCHIVED, REOPENING]])
def test_an_archived_session_takes_nothing(events: list[SessionEvent]) -> None:
    session = after(CREATED, *events)
    refused(Code.SESSION_ARCHIVED, lambda: session.submit_query(RUN_ID, OTHER, "?"))
    refused(Code.SESSION_ARCHIVED, lambda: session.archive(OTHER, "gzip"))
    refused(Code.SESSION_ARCHIVED, lambda: forked(session))


def test_an_archive_is_completed_once() -> None:
    session = after(CREATED, ASKED_TO)
    for _ in range(2):
        session.complete_archive(ARCHIVE_ID, 1048576, 42, 0)
    assert session.pending == [ARCHIVED]


def test_an_archive_that_nobody_asked_for_is_ignored() -> None:
    session = after(CREATED, ASKED_TO)
    session.complete_archive(OTHER, 1, 1, 0)
    assert session.pending == []


def test_an_archive_that_is_packed_is_not_packed_again_by_a_slow_worker() -> None:
    session = after(CREATED, ASKED_TO, ARCHIVED, REOPENING)
    session.complete_archive(ARCHIVE_ID, 1048576, 42, 0)
    session.fail_archive(ARCHIVE_ID, *FULL)
    assert session.pending == []


def test_a_session_that_cannot_be_packed_is_open_again_and_can_be_archived_again() -> None:
    session = after(CREATED, ASKED_TO)
    for _ in range(2):
        session.fail_archive(ARCHIVE_ID, *FULL)
    assert session.pending == [ArchiveFailed.example()]
    session.archive(OTHER, "gzip")


def test_an_archived_session_is_opened_by_resuming_it() -> None:
    session = after(CREATED, ASKED_TO, ARCHIVED)
    for _ in range(2):
        session.resume()
    for _ in range(2):
        session.complete_unarchive(ARCHIVE_ID)
    assert session.pending == [REOPENING, REOPENED]
    session.submit_query(RUN_ID, OTHER, "?")


def test_a_session_that_is_being_packed_is_not_resumed() -> None:
    refused(Code.SESSION_ARCHIVED, after(CREATED, ASKED_TO).resume)


def test_a_session_that_cannot_be_unpacked_stays_archived_and_can_be_resumed_again() -> None:
    session = after(CREATED, ASKED_TO, ARCHIVED, REOPENING)
    for _ in range(2):
        session.fail_unarchive(ARCHIVE_ID, *FULL)
    assert session.pending == [UnarchiveFailed.example()]
    session.resume()
    assert session.pending[1:] == [REOPENING]


def test_a_paused_session_that_was_archived_is_paused_still() -> None:
    session = after(CREATED, SessionPaused(), ASKED_TO, ARCHIVED, REOPENING, REOPENED)
    refused(Code.SESSION_PAUSED, lambda: session.submit_query(RUN_ID, OTHER, "?"))


def test_a_session_whose_agent_waits_for_approval_is_not_idle() -> None:
    session = after(CREATED, REQUESTED, STARTED, ApprovalRequested.example())
    refused(Code.SESSION_BUSY, lambda: session.archive(ARCHIVE_ID, "gzip"))
    refused(Code.SESSION_BUSY, lambda: forked(session))


def test_a_session_in_which_queries_wait_is_not_idle() -> None:
    session = after(CREATED, SessionPaused(), RunQueued.example())
    refused(Code.SESSION_BUSY, lambda: session.archive(ARCHIVE_ID, "gzip"))


@pytest.mark.parametrize("events", [[], [ASKED_TO, ARCHIVED], [SessionForked.example()]])
def test_a_session_is_deleted_whatever_becomes_of_its_files(events: list[SessionEvent]) -> None:
    session = after(CREATED, *events)
    session.delete()
    assert session.pending == [SessionDeleted(user_id=UUID(USER))]
