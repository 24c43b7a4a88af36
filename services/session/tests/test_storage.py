"""The storage quota: bytes of workspaces and archives, counted before they are written."""

import asyncio
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.samples import FORK, SESSION, USER
from contracts.session.archive import ArchiveSession, CompleteArchive, CompleteUnarchive, FailArchive
from contracts.session.fork import CompleteFork, FailFork, ForkSession
from contracts.session.session import DeleteSession, ResumeSession
from runtime.clock import new_id
from session.quotas.rules import Rules
from session.quotas.storage import storage_used
from session.storage import Storage

from services.session.tests.desk import ADMIN, OWNER, Desk

ID, FORK_ID, ADA = UUID(SESSION), UUID(FORK), UUID(USER)
SET_QUOTA = (
    "INSERT INTO accounts (user_id, storage_bytes) VALUES ($1, $2) "
    "ON CONFLICT (user_id) DO UPDATE SET storage_bytes = excluded.storage_bytes"
)
FORKING = ForkSession.example()


class Cabinet:
    """The storage of a user with a quota of 100 bytes."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.storage = desk, Storage(desk.database)

    async def set_quota(self, limit: int | None, user_id: UUID = ADA) -> None:
        await self.desk.database.execute(SET_QUOTA, user_id, limit)

    async def used(self, user_id: UUID = ADA) -> int:
        return await storage_used(self.desk.database, user_id)

    async def write(self, size: int, session_id: UUID = ID, actor: Actor = OWNER) -> None:
        async with self.storage.growth(session_id, size, actor):
            pass

    async def measure(self, size: int, session_id: UUID = ID, *, again: bool = True) -> None:
        async def measured() -> int:
            return size

        await self.storage.measure(session_id, measured, again=again)


@pytest.fixture
async def cabinet(desk_after_run: Desk) -> Cabinet:
    cabinet = Cabinet(desk_after_run)
    await cabinet.set_quota(100)
    return cabinet


async def test_files_count_when_they_are_written_and_deleted(cabinet: Cabinet) -> None:
    await cabinet.write(60)
    await cabinet.write(40)
    await cabinet.write(-30)
    assert await cabinet.used() == 70


async def test_a_file_above_the_quota_is_refused_with_numbers(cabinet: Cabinet) -> None:
    await cabinet.write(60)
    with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED) as raised:
        await cabinet.write(41)
    assert raised.value.data == {"quota": "storage_bytes", "limit": 100, "used": 60, "resets_at": None}
    assert await cabinet.used() == 60


async def test_a_smaller_file_is_accepted_above_the_quota(cabinet: Cabinet) -> None:
    await cabinet.write(90)
    await cabinet.set_quota(50)
    await cabinet.write(-10)
    await cabinet.write(0)
    assert await cabinet.used() == 80


async def test_a_failed_write_is_not_counted(cabinet: Cabinet) -> None:
    with pytest.raises(OSError, match="disk"):
        async with cabinet.storage.growth(ID, 60, OWNER):
            raise OSError("disk")
    assert await cabinet.used() == 0


@pytest.mark.parametrize("round_number", range(3))
async def test_of_concurrent_writes_exactly_those_within_the_quota_pass(cabinet: Cabinet, round_number: int) -> None:
    other = await cabinet.desk.create()
    writes = [cabinet.write(15, (ID, other)[n % 2]) for n in range(20)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    refused = [each.code for each in outcomes if isinstance(each, Refusal)]
    assert refused == [Code.QUOTA_EXCEEDED] * 14
    assert await cabinet.used() == 90


async def test_the_quota_counts_all_sessions_of_a_user_and_no_others(cabinet: Cabinet) -> None:
    await cabinet.write(60)
    await cabinet.write(40, await cabinet.desk.create())
    await cabinet.write(500, await cabinet.desk.create(actor=ADMIN), ADMIN)
    assert (await cabinet.used(), await cabinet.used(ADMIN.user_id)) == (100, 500)


async def test_the_role_of_the_owner_counts_not_that_of_the_actor(cabinet: Cabinet) -> None:
    await cabinet.set_quota(None)
    async with cabinet.desk.database.transaction() as connection:
        await Rules.parse("user.storage_bytes=10, admin.storage_bytes=none").store(connection)
    with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED):
        await cabinet.write(11, actor=ADMIN)


async def test_a_user_whose_storage_is_full_may_store_no_more(cabinet: Cabinet) -> None:
    await cabinet.write(99)
    await cabinet.storage.check(ADA, OWNER)
    await cabinet.measure(100)
    with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED):
        await cabinet.storage.check(ADA, OWNER)


async def test_a_measurement_replaces_what_was_counted(cabinet: Cabinet) -> None:
    await cabinet.write(60)
    await cabinet.measure(35)
    assert await cabinet.used() == 35


async def test_a_measurement_during_a_write_is_not_stored(cabinet: Cabinet) -> None:
    async def measured() -> int:
        await cabinet.write(60)
        return 5

    await cabinet.storage.measure(ID, measured)
    assert await cabinet.used() == 60


async def test_a_workspace_is_measured_again_if_it_was_written_to_meanwhile(cabinet: Cabinet) -> None:
    async def measured() -> int:
        await cabinet.write(1)
        return 61

    await cabinet.measure(1)
    await cabinet.storage.measure(ID, measured)
    await cabinet.measure(61, again=False)
    assert await cabinet.used() == 61


async def test_what_is_being_written_is_counted_beside_a_measurement(cabinet: Cabinet) -> None:
    async with cabinet.storage.growth(ID, 60, OWNER):
        await cabinet.measure(5)
        assert await cabinet.used() == 65
    assert await cabinet.used() == 65


async def test_a_workspace_is_measured_once_if_nothing_else_is_asked(cabinet: Cabinet) -> None:
    await cabinet.measure(5, again=False)
    await cabinet.measure(50, again=False)
    assert await cabinet.used() == 5


async def test_the_reservation_of_a_killed_process_is_forgotten(cabinet: Cabinet) -> None:
    await cabinet.storage.reserve(ID, 60, OWNER)
    await cabinet.measure(5)
    assert await cabinet.used() == 65
    await cabinet.desk.database.execute("UPDATE session_storage SET reserved_at = reserved_at - interval '1 hour'")
    await cabinet.measure(5)
    assert await cabinet.used() == 5


async def test_a_deleted_session_occupies_nothing(cabinet: Cabinet) -> None:
    await cabinet.write(60)
    await cabinet.desk.send(DeleteSession(session_id=ID))
    assert await cabinet.used() == 0
    await cabinet.measure(60)
    assert await cabinet.used() == 0
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await cabinet.write(1)


async def test_a_fork_counts_from_its_request(cabinet: Cabinet) -> None:
    await cabinet.write(50)
    await cabinet.desk.send(FORKING)
    assert await cabinet.used() == 100
    await cabinet.desk.send(CompleteFork(session_id=FORK_ID, file_count=1, left_out=0, size_bytes=45))
    assert await cabinet.used() == 95


async def test_a_fork_above_the_quota_is_refused(cabinet: Cabinet) -> None:
    await cabinet.write(51)
    with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED):
        await cabinet.desk.send(FORKING)
    assert await cabinet.used() == 51


async def test_of_concurrent_forks_those_within_the_quota_pass(cabinet: Cabinet) -> None:
    await cabinet.write(30)
    forks = [cabinet.desk.send(FORKING.model_copy(update={"fork_id": new_id()})) for _ in range(5)]
    outcomes = await asyncio.gather(*forks, return_exceptions=True)
    assert [each.code for each in outcomes if isinstance(each, Refusal)] == [Code.QUOTA_EXCEEDED] * 3
    assert await cabinet.used() == 90


async def test_a_failed_fork_occupies_nothing(cabinet: Cabinet) -> None:
    await cabinet.write(50)
    await cabinet.desk.send(FORKING)
    await cabinet.desk.send(FailFork.example())
    assert await cabinet.used() == 50


async def test_an_archive_counts_in_place_of_the_workspace(cabinet: Cabinet) -> None:
    await cabinet.write(50)
    await cabinet.desk.send(ArchiveSession.example())
    assert await cabinet.used() == 50
    await cabinet.desk.send(CompleteArchive.example().model_copy(update={"size_bytes": 20}))
    assert await cabinet.used() == 20
    await cabinet.desk.send(ResumeSession(session_id=ID))
    await cabinet.desk.send(CompleteUnarchive.example().model_copy(update={"size_bytes": 50}))
    assert await cabinet.used() == 50


async def test_an_archive_that_is_larger_than_the_workspace_is_reserved_once(cabinet: Cabinet) -> None:
    await cabinet.write(50)
    await cabinet.desk.send(ArchiveSession.example())
    for _ in range(2):
        await cabinet.storage.reserve_total(ID, 70, OWNER)
    assert await cabinet.used() == 70
    with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED):
        await cabinet.storage.reserve_total(ID, 101, OWNER)
    await cabinet.desk.send(FailArchive.example())
    assert await cabinet.used() == 50
