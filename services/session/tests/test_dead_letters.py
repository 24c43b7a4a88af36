"""Dead-lettered jobs: forks and archives whose workers have all failed."""

import pytest
from contracts.messages import Event
from contracts.refusals import Code
from contracts.samples import FORK
from contracts.session.archive import CompleteArchive, GetArchive
from eventing.reactions.jobs import GAVE_UP_DETAIL

from services.session.tests.file_jobs import (
    ARCHIVE_FILE,
    ARCHIVE_REQUESTED,
    ARCHIVE_SESSION,
    FORK_FILE,
    FORK_ID,
    FORK_SESSION,
    PARENT_FILE,
    PARENT_ID,
    RESUME_SESSION,
    SESSION_FORKED,
    UNARCHIVE_REQUESTED,
    FileJobs,
    WorkerKilled,
    kill_worker,
)


async def test_a_dead_lettered_fork_fails_and_leaves_no_files(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    (jobs.root / "workspaces" / FORK).mkdir()
    (jobs.root / FORK_FILE).write_text("hello")
    await jobs.dead_letter("copy_parent", FORK_ID, SESSION_FORKED)
    fork = await jobs.session(FORK_ID)
    assert (fork.status, fork.error_code, fork.error_detail) == ("failed", Code.STORAGE_FAILED, GAVE_UP_DETAIL)
    assert jobs.stored_files() == [PARENT_FILE]


async def test_a_fork_completed_by_another_worker_does_not_fail(jobs: FileJobs) -> None:
    await jobs.desk.send(FORK_SESSION)
    await jobs.copy()
    await jobs.dead_letter("copy_parent", FORK_ID, SESSION_FORKED)
    assert ((await jobs.session(FORK_ID)).ready, jobs.stored_files()) == (True, [PARENT_FILE, FORK_FILE])


async def test_a_dead_lettered_archive_leaves_the_session_active(jobs: FileJobs) -> None:
    await jobs.desk.send(ARCHIVE_SESSION)
    await jobs.dead_letter("pack_workspace", PARENT_ID, ARCHIVE_REQUESTED)
    session = await jobs.session()
    assert (session.status, session.ready, session.error_code) == ("active", True, Code.STORAGE_FAILED)
    assert jobs.stored_files() == [PARENT_FILE]


async def test_a_dead_lettered_archive_that_was_written_is_completed(jobs: FileJobs) -> None:
    await jobs.desk.send(ARCHIVE_SESSION)
    jobs.interventions = [(CompleteArchive, kill_worker)]
    with pytest.raises(WorkerKilled):
        await jobs.pack()
    await jobs.dead_letter("pack_workspace", PARENT_ID, ARCHIVE_REQUESTED)
    archive = await jobs.desk.ask(GetArchive(session_id=PARENT_ID))
    assert (archive.status, archive.file_count, jobs.stored_files()) == ("ready", 1, [ARCHIVE_FILE])


async def test_a_dead_lettered_unarchive_can_be_retried_by_resuming(jobs: FileJobs) -> None:
    await jobs.archive()
    await jobs.desk.send(RESUME_SESSION)
    await jobs.dead_letter("unpack_workspace", PARENT_ID, UNARCHIVE_REQUESTED)
    assert (await jobs.session()).error_code == Code.STORAGE_FAILED
    await jobs.desk.send(RESUME_SESSION)
    await jobs.unpack()
    assert ((await jobs.session()).status, jobs.stored_files()) == ("active", [PARENT_FILE])


@pytest.mark.parametrize(
    ("name", "event"), [("pack_workspace", ARCHIVE_REQUESTED), ("unpack_workspace", UNARCHIVE_REQUESTED)]
)
async def test_a_dead_lettered_job_of_a_deleted_session_does_nothing(jobs: FileJobs, name: str, event: Event) -> None:
    await jobs.delete()
    await jobs.dead_letter(name, PARENT_ID, event)
    assert jobs.stored_files() == []
