"""Removal from a workspace: immediately out of reach of the agent, and complete even while files are added."""

import asyncio
import itertools
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from contracts.files import FilePrecondition
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION
from contracts.session.session import DeleteSession
from contracts.session.workspace import DeleteFile
from runtime.blocking import BlockingPool
from runtime.files import erasing
from runtime.files.paths import FOLDER, opened
from session import workspace as module
from session.storage import Storage
from session.workspace import ANY_STATE, Uploads, Workspace, held

from services.session.tests.desk import Desk


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace", Uploads(tmp_path / "uploads"))


def write(files: Workspace, path: str) -> None:
    (files.root / path).parent.mkdir(parents=True, exist_ok=True)
    (files.root / path).write_text("hello")


def moved_aside(files: Workspace) -> list[Path]:
    return list((files.root.parent / ".copies").iterdir())


def test_a_file_can_be_removed(files: Workspace) -> None:
    write(files, "a")
    files.delete("a")
    with pytest.raises(Refusal, match=Code.FILE_NOT_FOUND):
        files.delete("a")


def test_removing_a_folder_keeps_the_targets_of_its_links(files: Workspace, tmp_path: Path) -> None:
    write(files, "a/b")
    (files.root / "a" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    files.delete("a")
    assert not (files.root / "a").exists()
    assert (tmp_path / "outside" / "kept").exists()


def test_a_folder_that_is_still_written_to_can_be_removed(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write(files, "a/b")
    unlink, added = os.unlink, itertools.count()

    monkeypatch.setattr(erasing, "MAX_ENTRIES", 40)
    with opened(files.root / "a", FOLDER) as descriptor, monkeypatch.context() as patch:

        def unlink_and_add(name: str, *, dir_fd: int) -> None:
            unlink(name, dir_fd=dir_fd)
            number = next(added)
            assert number < 1000, "the removal does not end"
            os.close(os.open(str(number), os.O_CREAT, dir_fd=descriptor))

        patch.setattr(os, "unlink", unlink_and_add)
        files.delete("a")
    assert not (files.root / "a").exists()
    write(files, "c")
    files.delete("c")
    assert moved_aside(files) == []


def test_a_folder_is_moved_out_of_reach_before_it_is_erased(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def erased(_: Path) -> None:
        seen.append((files.root / "a").exists())

    write(files, "a/b")
    monkeypatch.setattr(module, "erase", erased)
    files.delete("a")
    assert seen == [False]


def test_leftovers_of_a_removal_are_deleted_with_the_session(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write(files, "a/b")
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "MAX_ENTRIES", 0)
        files.delete("a")
    files.remove()
    assert moved_aside(files) == []


class SlowWorkspace(Workspace):
    """A workspace in which a removal takes long."""

    def __init__(self, root: Path, over: threading.Event) -> None:
        super().__init__(root / SESSION, Uploads(root / "uploads"))
        self.begun, self.over = threading.Event(), over

    def delete(self, path: str, precondition: FilePrecondition = ANY_STATE) -> int:
        self.begun.set()
        self.over.wait()
        return 0


async def test_a_session_can_be_deleted_while_a_folder_is_removed(
    desk_after_run: Desk, blocking: BlockingPool, tmp_path: Path
) -> None:
    over = threading.Event()
    files = SlowWorkspace(tmp_path, over)
    files.root.mkdir()
    storage = Storage(desk_after_run.database)
    dependencies = SimpleNamespace(files={UUID(SESSION): files}.get, blocking=blocking, storage=storage)
    desk_after_run.dispatcher.dependencies = dependencies

    async def remove() -> None:
        with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
            await desk_after_run.send(DeleteFile.example())

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(remove())
        await asyncio.to_thread(files.begun.wait)
        await desk_after_run.send(DeleteSession(session_id=UUID(SESSION)))
        over.set()
    assert not files.root.exists()


def test_a_removal_that_outlives_its_job_removes_nothing_else(
    files: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, "a")
    (other := tmp_path / "other").mkdir()
    (other / "kept").touch()
    hold, reused = held(files.root), list[int]()
    folder = hold.__enter__()

    def end_job(_descriptor: int, _mode: int) -> None:
        hold.__exit__(None, None, None)
        reused.append(os.open(other, FOLDER))  # gets the number of a descriptor that was closed

    monkeypatch.setattr(os, "fchmod", end_job)
    files.remove(folder)
    os.close(*reused)
    assert ((other / "kept").exists(), files.root.exists()) == (True, False)
