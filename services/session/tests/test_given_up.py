"""Forks and archives that are given up: worker after worker failed."""

import pytest
from contracts.messages import Event
from contracts.refusals import Code
from contracts.samples import FORK
from contracts.session.archive import CompleteArchive, GetArchive
from eventing.jobs import GAVE_UP_DETAIL

from services.session.tests.hands import (
    ARCHIVE,
    COPIED,
    COPY,
    COPYING,
    FORKED,
    PACKED,
    PACKING,
    PARENT,
    PLAIN,
    RESUME,
    UNPACKING,
    Hands,
    Killed,
    archived,
    killed,
)


async def test_a_fork_that_is_given_up_fails_and_leaves_no_files(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    (hands.root / "workspaces" / FORK).mkdir()
    (hands.root / COPIED).write_text("hello")
    await hands.give_up("copy_parent", COPY, COPYING)
    fork = await hands.session(COPY)
    assert (fork.status, fork.error_code, fork.error_detail) == ("failed", Code.STORAGE_FAILED, GAVE_UP_DETAIL)
    assert hands.all() == [PLAIN]


async def test_a_fork_that_another_worker_made_is_not_given_up(hands: Hands) -> None:
    await hands.desk.send(FORKED)
    await hands.copy()
    await hands.give_up("copy_parent", COPY, COPYING)
    assert ((await hands.session(COPY)).ready, hands.all()) == (True, [PLAIN, COPIED])


async def test_a_session_whose_packing_is_given_up_is_open_as_it_was(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    await hands.give_up("pack_workspace", PARENT, PACKING)
    session = await hands.session()
    assert (session.status, session.ready, session.error_code) == ("active", True, Code.STORAGE_FAILED)
    assert hands.all() == [PLAIN]


async def test_a_packing_that_is_given_up_after_its_archive_was_made_counts(hands: Hands) -> None:
    await hands.desk.send(ARCHIVE)
    hands.meanwhile = [(CompleteArchive, killed)]
    with pytest.raises(Killed):
        await hands.pack()
    await hands.give_up("pack_workspace", PARENT, PACKING)
    archive = await hands.desk.ask(GetArchive(session_id=PARENT))
    assert (archive.status, archive.file_count, hands.all()) == ("ready", 1, [PACKED])


async def test_a_session_whose_unpacking_is_given_up_is_archived_and_can_be_resumed(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    await hands.give_up("unpack_workspace", PARENT, UNPACKING)
    assert (await hands.session()).error_code == Code.STORAGE_FAILED
    await hands.desk.send(RESUME)
    await hands.unpack()
    assert ((await hands.session()).status, hands.all()) == ("active", [PLAIN])


@pytest.mark.parametrize(("name", "event"), [("pack_workspace", PACKING), ("unpack_workspace", UNPACKING)])
async def test_there_is_nothing_to_give_up_of_a_session_that_was_deleted(hands: Hands, name: str, event: Event) -> None:
    await hands.delete()
    await hands.give_up(name, PARENT, event)
    assert hands.all() == []
