"""Forks and archives as reactions make them, though a worker is killed, or is slow, or the session goes meanwhile."""

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import FORK, SESSION
from contracts.session.archive import CompleteArchive, CompleteUnarchive, FailArchive, GetArchive
from contracts.session.fork import CompleteFork, FailFork
from contracts.session.session import DeleteSession

from services.session.tests.hands import (
    ARCHIVE,
    COPIED,
    COPY,
    FORKED,
    PACKED,
    PARENT,
    PLAIN,
    RESUME,
    Hands,
    Killed,
    archived,
    killed,
)


async def test_a_worker_that_is_killed_before_it_tells_has_packed_for_the_next(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(CompleteArchive, killed)]
    with pytest.raises(Killed):
        await hands.pack()
    await hands.pack()
    archive = await hands.desk.ask(GetArchive(session_id=PARENT))
    assert (archive.status, archive.file_count, hands.all()) == ("ready", 1, [PACKED])


async def test_a_session_that_is_deleted_while_it_is_packed_leaves_nothing(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(GetArchive, None), (GetArchive, hands.delete)]
    await hands.pack()
    assert hands.all() == []


@pytest.mark.parametrize("kind", [CompleteArchive, FailArchive])
async def test_a_refusal_that_does_not_say_that_the_session_is_gone_removes_nothing(hands: Hands, kind: type) -> None:
    await hands.desk.send(ARCHIVE)
    if kind is FailArchive:  # where the archives are to be, nothing can be
        (hands.root / "archives").write_text("")
    before = hands.all()
    hands.meanwhile = [(kind, refused)]
    with pytest.raises(Refusal, match=Code.SESSION_BUSY):
        await hands.pack()
    assert hands.all() == ([PACKED] if kind is CompleteArchive else before)


async def refused() -> None:
    raise Refusal(Code.SESSION_BUSY, "Not now.")


async def test_a_slow_worker_does_not_take_away_what_was_unpacked(hands: Hands) -> None:
    async def others() -> None:
        await hands.pack()
        await hands.desk.send(RESUME)
        await hands.unpack()

    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(GetArchive, None), (GetArchive, others)]
    await hands.pack()
    assert (await hands.session()).status == "active"
    assert PLAIN in hands.all()


async def test_a_failure_that_is_told_too_late_changes_nothing(hands: Hands) -> None:
    async def others() -> None:
        (hands.root / "archives" / SESSION).unlink()
        await hands.pack()

    await hands.desk.send(ARCHIVE)
    (hands.root / "archives").mkdir()
    (hands.root / "archives" / SESSION).touch()
    hands.meanwhile = [(FailArchive, others)]
    await hands.pack()
    session = await hands.session()
    assert (session.status, session.error_code, hands.all()) == ("archived", None, [PACKED])


async def test_a_worker_that_is_killed_before_it_tells_has_unpacked_for_the_next(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    hands.meanwhile = [(CompleteUnarchive, killed)]
    with pytest.raises(Killed):
        await hands.unpack()
    await hands.unpack()
    assert ((await hands.session()).status, hands.all()) == ("active", [PLAIN])


async def test_a_session_that_is_deleted_while_it_is_unpacked_leaves_nothing(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    hands.meanwhile = [(CompleteUnarchive, hands.delete)]
    await hands.unpack()
    assert hands.all() == []


async def test_an_unpacked_session_is_not_unpacked_again_over_later_work(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    await hands.unpack()
    (hands.root / PLAIN).write_text("later")
    await hands.unpack()
    assert (hands.root / PLAIN).read_text() == "later"


async def test_a_fork_is_copied_though_its_first_worker_is_killed(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    hands.meanwhile = [(CompleteFork, killed)]
    with pytest.raises(Killed):
        await hands.copy()
    await hands.copy()
    assert ((await hands.session(COPY)).ready, hands.all()) == (True, [PLAIN, COPIED])


async def test_a_fork_whose_parent_is_archived_first_fails_rather_than_lack_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await archived(hands)
    await hands.copy()
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, hands.all()) == ("failed", Code.SESSION_ARCHIVED, [PACKED])


async def test_a_fork_whose_parent_is_deleted_first_fails_rather_than_lack_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await hands.delete()
    await hands.copy()
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, hands.all()) == ("failed", Code.SESSION_NOT_FOUND, [])


async def test_a_fork_that_cannot_be_copied_fails_and_says_why(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    in_the_way = hands.root / "workspaces" / ".copies" / FORK
    in_the_way.parent.mkdir()
    in_the_way.touch()
    await hands.copy()
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, fork.error_detail) == ("failed", Code.STORAGE_FAILED, "File exists.")
    assert hands.all() == [PLAIN]


async def test_a_fork_that_another_worker_copied_keeps_its_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await archived(hands)
    hands.meanwhile = [(FailFork, lambda: hands.desk.send(CompleteFork.example()))]
    (hands.root / "workspaces" / FORK).mkdir()
    (hands.root / COPIED).write_text("hello")
    await hands.copy()
    assert ((await hands.session(COPY)).ready, hands.all()) == (True, [PACKED, COPIED])


async def test_a_fork_that_is_deleted_while_it_is_copied_leaves_nothing(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    hands.meanwhile = [(CompleteFork, lambda: hands.desk.send(DeleteSession(session_id=COPY)))]
    await hands.copy()
    assert hands.all() == [PLAIN]
