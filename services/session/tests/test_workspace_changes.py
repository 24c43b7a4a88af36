"""Changes of files with preconditions: compared and carried out under one lock, in all replicas."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event
from uuid import UUID, uuid5

import pytest
from contracts.files import ByteRange, FilePrecondition
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE
from session import workspace as module
from session.workspace import ANY_STATE, Uploads, Workspace, changes

NEW, ANY = FilePrecondition(if_none_match=("*",)), FilePrecondition(if_match=("*",))
WRITERS = 20
HOLD_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def replica(folder: Path) -> Workspace:
    """Return the workspace as another replica sees it."""
    return Workspace(folder / "workspace", Uploads(folder / "uploads"))


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    return replica(tmp_path)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "LOCK_SECONDS", 60)  # those who wait for many others, or for a slow process, succeed


def write(files: Workspace, number: int = 0, precondition: FilePrecondition = ANY_STATE) -> str | None:
    upload = uuid5(UUID(MESSAGE), str(number))
    files.uploads.put(upload, 0, b"%05d" % number)
    return files.write("src/a", upload, 5, precondition).etag


def read(files: Workspace) -> tuple[bytes, str]:
    part = files.read("src/a", ByteRange())
    return part.data, part.etag


def having(etag: str | None) -> FilePrecondition:
    return FilePrecondition(if_match=(etag or "",))


def failed(act: Callable[[], object]) -> bool:
    """Return whether a change was refused because of its precondition."""
    try:
        act()
    except Refusal as refusal:
        if refusal.code is Code.PRECONDITION_FAILED:
            return True
        raise
    return False


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass between comparisons and replacements, in which others would replace the file without a lock."""

    def check(precondition: FilePrecondition, status: os.stat_result | None) -> None:
        changes.check_precondition(precondition, status)
        Event().wait(0.02)

    monkeypatch.setattr(module, "check_precondition", check)


def winners(folder: Path, act: Callable[[Workspace, int], object]) -> list[int]:
    """Return the numbers of those that succeed of changes at the same time, each in a replica of its own."""
    begin = Barrier(WRITERS)

    def attempt(number: int) -> bool:
        files = replica(folder)
        begin.wait()
        return not failed(lambda: act(files, number))

    with ThreadPoolExecutor(WRITERS) as threads:
        return [number for number, won in enumerate(threads.map(attempt, range(WRITERS))) if won]


def test_the_tag_of_a_written_file_is_that_of_its_downloads(files: Workspace) -> None:
    assert write(files) == read(files)[1]


@pytest.mark.usefixtures("slow")
def test_of_writers_with_one_tag_exactly_one_replaces_the_file(files: Workspace, tmp_path: Path) -> None:
    state = having(write(files))
    [winner] = winners(tmp_path, lambda files, number: write(files, number, state))
    assert read(files)[0] == b"%05d" % winner


@pytest.mark.usefixtures("slow")
def test_of_writers_that_create_a_file_exactly_one_does(files: Workspace, tmp_path: Path) -> None:
    [winner] = winners(tmp_path, lambda files, number: write(files, number, NEW))
    assert read(files)[0] == b"%05d" % winner


@pytest.mark.usefixtures("slow")
def test_of_deletions_and_writes_with_one_tag_exactly_one_is_carried_out(files: Workspace, tmp_path: Path) -> None:
    state = having(write(files))

    def change(files: Workspace, number: int) -> None:
        write(files, number, state) if number % 2 else files.delete("src/a", state)

    assert len(winners(tmp_path, change)) == 1


def test_what_has_another_state_stays_as_it_is(files: Workspace) -> None:
    stale = having(write(files))
    write(files, 1)
    assert failed(lambda: write(files, 2, stale))
    assert failed(lambda: files.delete("src/a", stale))
    assert failed(lambda: write(files, 2, NEW))
    assert read(files)[0] == b"00001"


def test_the_present_state_and_any_state_match(files: Workspace) -> None:
    state = having(write(files))
    state = having(write(files, 1, state))
    write(files, 2, ANY)
    assert failed(lambda: write(files, 3, state))
    files.delete("src/a", having(read(files)[1]))
    assert write(files, 4, NEW)


@pytest.mark.parametrize("precondition", [ANY, having("1-5-2")])
def test_without_a_file_no_tag_matches(files: Workspace, precondition: FilePrecondition) -> None:
    assert failed(lambda: write(files, 1, precondition))
    assert failed(lambda: files.delete("src/a", precondition))
    assert not files.root.exists()


def test_a_folder_has_no_tag(files: Workspace) -> None:
    write(files)
    assert failed(lambda: files.delete("src", ANY))
    files.delete("src", NEW)


def test_a_refused_upload_is_discarded(files: Workspace) -> None:
    assert failed(lambda: write(files, 1, ANY))
    assert list(files.uploads.root.iterdir()) == []


@contextmanager
def lock_held(files: Workspace) -> Generator[subprocess.Popen[bytes]]:
    """Hold the lock of a workspace in another process."""
    command = [sys.executable, "-c", HOLD_LOCK, str(files.root.parent / ".locks" / files.root.name)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603  fixed
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_changes_of_another_process_are_waited_for(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write(files)
    monkeypatch.setattr(changes, "LOCK_SECONDS", 0.05)
    with lock_held(files):
        for act in (lambda: write(files, 1), lambda: files.delete("src/a")):
            with pytest.raises(TimeoutError, match="locked by another process"):
                act()
    assert read(files)[0] == b"00000"


def test_a_folder_that_was_moved_before_it_was_its_turn_is_not_written_to(
    files: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files)
    waits = Event()

    def note(_: float) -> None:
        waits.set()

    monkeypatch.setattr("session.workspace.changes.time.sleep", note)
    with lock_held(files) as process, ThreadPoolExecutor(1) as thread:
        written = thread.submit(write, files, 1)
        waits.wait()
        (files.root / "src").rename(files.root / "moved")
        process.kill()
        written.result()
    assert (read(files)[0], (files.root / "moved" / "a").read_bytes()) == (b"00001", b"00000")


def test_a_process_that_is_killed_releases_its_lock(files: Workspace) -> None:
    write(files)
    with lock_held(files) as process, ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write, files, 1)
        process.kill()
        assert writing.result()


def test_the_lock_is_removed_with_the_session(files: Workspace, tmp_path: Path) -> None:
    write(files)
    files.remove()
    assert list((tmp_path / ".locks").iterdir()) == []
