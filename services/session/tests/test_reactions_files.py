"""The reactions on forks and archives, when a worker is killed or late, or the session is deleted meanwhile."""

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import FORK, SESSION
from contracts.session.archive import CompleteArchive, CompleteUnarchive, FailArchive, GetArchive
from contracts.session.fork import CompleteFork, FailFork
from contracts.session.session import DeleteSession, SessionDeleted
from session.app import service
from session.reactions.session import remove_traces

from services.session.tests.desk import OWNER
from services.session.tests.file_jobs import (
    ARCHIVE_FILE,
    ARCHIVE_SESSION,
    FORK_FILE,
    FORK_ID,
    FORK_SESSION,
    PARENT_FILE,
    PARENT_ID,
    RESUME_SESSION,
    FileJobs,
    WantedCheck,
    WorkerKilled,
    kill_worker,
)


async def test_a_redelivery_completes_the_archive_of_a_killed_worker(jobs: FileJobs) -> None:
    await jobs.desk.send(ARCHIVE_SESSION)
    jobs.interventions = [(CompleteArchive, kill_worker)]
    with pytest.raises(WorkerKilled):
        await jobs.pack()
    await jobs.pack()
    archive = await jobs.desk.ask(GetArchive(session_id=PARENT_ID))
    assert (archive.status, archive.file_count, jobs.stored_files()) == ("ready", 1, [ARCHIVE_FILE])


async def test_a_session_deleted_while_it_is_archived_leaves_no_files(jobs: FileJobs) -> None:
    await jobs.desk.send(ARCHIVE_SESSION)
    jobs.interventions = [(WantedCheck, jobs.delete)]
    await jobs.pack()
    assert jobs.stored_files() == []


@pytest.mark.parametrize("kind", [CompleteArchive, FailArchive])
async def test_only_a_refusal_of_a_deleted_session_removes_files(jobs: FileJobs, kind: type) -> None:
    await jobs.desk.send(ARCHIVE_SESSION)
    if kind is FailArchive:  # a file in place of the folder of archives makes packing fail
        (jobs.root / "archives").write_text("")
    before = jobs.stored_files()
    jobs.interventions = [(kind, refuse)]
    with pytest.raises(Refusal, match=Code.SESSION_BUSY):
        await jobs.pack()
    assert jobs.stored_files() == ([ARCHIVE_FILE] if kind is CompleteArchive else before)


async def refuse() -> None:
    raise Refusal(Code.SESSION_BUSY, "Not now.")


async def test_a_late_worker_does_not_remove_unarchived_files(jobs: FileJobs) -> None:
    async def other_worker() -> None:
        await jobs.pack()
        await jobs.desk.send(RESUME_SESSION)
        await jobs.unpack()

    await jobs.desk.send(ARCHIVE_SESSION)
    jobs.interventions = [(WantedCheck, other_worker)]
    await jobs.pack()
    assert (await jobs.session()).status == "active"
    assert PARENT_FILE in jobs.stored_files()


async def test_a_worker_suspended_before_it_removes_files_keeps_restored_ones(jobs: FileJobs) -> None:
    async def other_worker() -> None:
        await jobs.pack()
        await jobs.desk.send(RESUME_SESSION)
        await jobs.unpack()

    await jobs.desk.send(ARCHIVE_SESSION)
    jobs.after_check = other_worker
    await jobs.pack()
    assert ((await jobs.session()).status, jobs.stored_files()) == ("active", [PARENT_FILE])


async def test_a_worker_suspended_before_it_restores_files_keeps_later_ones(jobs: FileJobs) -> None:
    async def other_worker() -> None:
        await jobs.unpack()
        (jobs.root / PARENT_FILE).write_text("later")

    await jobs.archive()
    await jobs.desk.send(RESUME_SESSION)
    jobs.after_check = other_worker
    await jobs.unpack()
    assert ((await jobs.session()).status, (jobs.root / PARENT_FILE).read_text()) == ("active", "later")


async def test_a_failure_reported_too_late_changes_nothing(jobs: FileJobs) -> None:
    async def other_worker() -> None:
        (jobs.root / "archives" / SESSION).unlink()
        await jobs.pack()

    await jobs.desk.send(ARCHIVE_SESSION)
    (jobs.root / "archives").mkdir()
    (jobs.root / "archives" / SESSION).touch()
    jobs.interventions = [(FailArchive, other_worker)]
    await jobs.pack()
    session = await jobs.session()
    assert (session.status, session.error_code, jobs.stored_files()) == ("archived", None, [ARCHIVE_FILE])


async def test_a_redelivery_completes_the_unarchive_of_a_killed_worker(jobs: FileJobs) -> None:
    await jobs.archive()
    await jobs.desk.send(RESUME_SESSION)
    jobs.interventions = [(CompleteUnarchive, kill_worker)]
    with pytest.raises(WorkerKilled):
        await jobs.unpack()
    await jobs.unpack()
    assert ((await jobs.session()).status, jobs.stored_files()) == ("active", [PARENT_FILE])


async def test_a_session_deleted_while_it_is_unarchived_leaves_no_files(jobs: FileJobs) -> None:
    await jobs.archive()
    await jobs.desk.send(RESUME_SESSION)
    jobs.interventions = [(CompleteUnarchive, jobs.delete)]
    await jobs.unpack()
    assert jobs.stored_files() == []


async def test_a_redelivered_unarchive_does_not_overwrite_later_work(jobs: FileJobs) -> None:
    await jobs.archive()
    await jobs.desk.send(RESUME_SESSION)
    await jobs.unpack()
    (jobs.root / PARENT_FILE).write_text("later")
    await jobs.unpack()
    assert (jobs.root / PARENT_FILE).read_text() == "later"


async def test_a_redelivery_completes_the_fork_of_a_killed_worker(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    jobs.interventions = [(CompleteFork, kill_worker)]
    with pytest.raises(WorkerKilled):
        await jobs.copy()
    await jobs.copy()
    assert ((await jobs.session(FORK_ID)).ready, jobs.stored_files()) == (True, [PARENT_FILE, FORK_FILE])


async def test_a_fork_fails_if_its_parent_was_archived_first(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    await jobs.archive()
    await jobs.copy()
    fork = await jobs.session(FORK_ID)
    assert (fork.status, fork.error_code, jobs.stored_files()) == ("failed", Code.SESSION_ARCHIVED, [ARCHIVE_FILE])


async def test_a_fork_fails_if_its_parent_was_deleted_first(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    await jobs.delete()
    await jobs.copy()
    fork = await jobs.session(FORK_ID)
    assert (fork.status, fork.error_code, jobs.stored_files()) == ("failed", Code.SESSION_NOT_FOUND, [])


async def test_files_of_a_deleted_session_are_removed_when_their_server_is_back(jobs: FileJobs) -> None:
    (jobs.root / "workspaces").rename(jobs.root / "away")
    (jobs.root / "workspaces").mkdir()
    with pytest.raises(FileNotFoundError):
        await jobs.delete()
    (jobs.root / "workspaces").rmdir()
    (jobs.root / "away").rename(jobs.root / "workspaces")
    await jobs.react(remove_traces, PARENT_ID, SessionDeleted(user_id=OWNER.user_id))
    assert jobs.stored_files() == []


def test_the_removal_of_files_is_retried_until_it_succeeds() -> None:
    assert service.reactions.by_name["remove_traces"].after


async def test_a_fork_that_cannot_be_copied_fails_with_the_reason(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    obstacle = jobs.root / "workspaces" / ".copies" / FORK
    obstacle.parent.mkdir()
    obstacle.touch()
    await jobs.copy()
    fork = await jobs.session(FORK_ID)
    assert (fork.status, fork.error_code, fork.error_detail) == ("failed", Code.STORAGE_FAILED, "File exists.")
    assert jobs.stored_files() == [PARENT_FILE]


async def test_a_fork_completed_by_another_worker_keeps_its_files(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    await jobs.archive()
    jobs.interventions = [(FailFork, lambda: jobs.desk.send(CompleteFork.example()))]
    (jobs.root / "workspaces" / FORK).mkdir()
    (jobs.root / FORK_FILE).write_text("hello")
    await jobs.copy()
    assert ((await jobs.session(FORK_ID)).ready, jobs.stored_files()) == (True, [ARCHIVE_FILE, FORK_FILE])


async def test_a_fork_deleted_while_it_is_copied_leaves_no_files(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    jobs.interventions = [(CompleteFork, lambda: jobs.desk.send(DeleteSession(session_id=FORK_ID)))]
    await jobs.copy()
    assert jobs.stored_files() == [PARENT_FILE]
