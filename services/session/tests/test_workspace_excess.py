"""A run that writes more than its workspace may hold ends, and what is over the quota is removed."""

import asyncio
import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from contracts.refusals import Code, Refusal
from runtime.blocking import BlockingPool
from runtime.testing import eventually
from session.agent import Finished
from session.reactions import space as space_module
from session.reactions.space import Space
from session.workspace import Meter, Uploads, Workspace, change_time, measuring, quota, remove_excess, walking
from simulator.testing import bash_prompt, scripted

from services.session.tests.deployment import Deployment

LIMIT = 100


async def nothing() -> None:
    """Remove files at once."""


def wait_for_a_tick(root: Path) -> int:
    """Return the time of the file system, and wait until it has another one."""
    before = change_time(root)
    while change_time(root) == before:
        pass
    return before


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with an old file of 60 bytes, which may have 100."""
    monkeypatch.setattr(quota, "MAX_BYTES", LIMIT)
    root = tmp_path / "workspaces" / "one"
    root.mkdir(parents=True)
    (root / "old").write_bytes(b"x" * 60)
    wait_for_a_tick(root)
    return root


@pytest.fixture
def since(root: Path) -> int:
    """The time at which a run begins."""
    return wait_for_a_tick(root)


def files_of(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_the_largest_files_of_a_run_are_removed(root: Path, since: int) -> None:
    for name, size in (("small", 10), ("large", 70), ("larger", 80), ("medium", 30)):
        (root / name).write_bytes(b"x" * size)
    assert remove_excess(root, since) == 2
    assert files_of(root) == ["medium", "old", "small"]


def test_files_of_a_run_that_fit_stay(root: Path, since: int) -> None:
    (root / "new").write_bytes(b"x" * 40)
    assert (remove_excess(root, since), files_of(root)) == (0, ["new", "old"])


def test_an_old_time_does_not_protect_a_file(root: Path, since: int) -> None:
    (root / "new").write_bytes(b"x" * 50)
    os.utime(root / "new", (0, 0))
    assert (remove_excess(root, since), files_of(root)) == (1, ["old"])


def test_sparse_files_count_with_their_size(root: Path, since: int) -> None:
    (root / "sparse").touch()
    os.truncate(root / "sparse", 2**30)
    assert (remove_excess(root, since), files_of(root)) == (1, ["old"])


def test_too_many_files_of_a_run_are_removed_with_their_folders(
    root: Path, since: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MAX_ENTRIES", 5)
    for number in range(9):
        (root / f"a/{number}/b").mkdir(parents=True)
    (root / "link").symlink_to("/etc")
    remove_excess(root, since)
    assert (measuring.measure(root).entries, "old" in files_of(root), "link" in files_of(root)) == (2, True, False)


def test_a_folder_with_too_many_files_is_emptied(root: Path, since: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_FOLDER_ENTRIES", 3)
    (root / "many").mkdir()
    for number in range(10):
        (root / "many" / str(number)).touch()
    remove_excess(root, since)
    assert (measuring.measure(root).entries <= 3, "old" in files_of(root)) == (True, True)


def test_folders_that_are_nested_too_deeply_are_removed(root: Path, since: int) -> None:
    (root / "/".join("d" * 70)).mkdir(parents=True)
    remove_excess(root, since)
    assert (measuring.measure(root).entries, "old" in files_of(root)) == (64, True)


def test_old_files_beyond_the_quota_stay(root: Path, since: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 50)
    assert (remove_excess(root, since), files_of(root)) == (0, ["old"])


def test_what_links_of_a_run_lead_to_stays(root: Path, since: int) -> None:
    (root.parent / "other").mkdir()
    (root.parent / "other" / "file").write_bytes(b"x" * 200)
    (root / "link").symlink_to(root.parent / "other")
    (root / "new").write_bytes(b"x" * 50)
    remove_excess(root, since)
    assert (root.parent / "other" / "file").exists()


def test_a_meter_measures_when_it_is_due(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "new").write_bytes(b"x" * 50)
    Meter(root).check()
    monkeypatch.setattr(measuring, "INTERVAL_SECONDS", 0.0)
    with pytest.raises(Refusal, match=Code.WORKSPACE_FULL):
        Meter(root).check()


def test_a_meter_measures_early_when_the_disk_loses_space(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter, free = Meter(root), iter([1000, 1000 - LIMIT])
    monkeypatch.setattr(meter, "_earliest", 0.0)
    monkeypatch.setattr(meter, "_free_bytes", lambda: next(free))
    (root / "new").write_bytes(b"x" * 50)
    meter.check()
    with pytest.raises(Refusal, match=Code.WORKSPACE_FULL):
        meter.check()


async def test_a_run_is_ended_while_it_writes(
    root: Path, blocking: BlockingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space_module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(measuring, "INTERVAL_SECONDS", 0.0)
    full = asyncio.Event()
    async with Space(Workspace(root, Uploads(root)), blocking, full.set) as space:
        wait_for_a_tick(root)
        (root / "new").write_bytes(b"x" * 50)
        await eventually(full.is_set)
    end = await space.settle(Finished(), nothing, changed=False)
    assert (end.error_code, files_of(root)) == (Code.WORKSPACE_FULL, ["old"])


async def test_a_run_that_writes_too_much_at_its_end_fails(root: Path, blocking: BlockingPool) -> None:
    async with Space(Workspace(root, Uploads(root)), blocking, lambda: None) as space:
        (root / "new").write_bytes(b"x" * 50)
    assert (await space.settle(Finished(), nothing, changed=True)).error_code is Code.WORKSPACE_FULL


async def test_a_run_within_the_quota_ends_as_its_agent_did(root: Path, blocking: BlockingPool) -> None:
    async with Space(Workspace(root, Uploads(root)), blocking, lambda: None) as space:
        pass
    assert await space.settle(Finished(duration_ms=7), nothing, changed=True) == Finished(duration_ms=7)


async def test_a_workspace_that_cannot_be_measured_ends_no_run(
    root: Path, blocking: BlockingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("change_time", "measure"):
        monkeypatch.setattr(space_module, name, Mock(side_effect=OSError("stale")))
    async with Space(Workspace(root, Uploads(root)), blocking, lambda: None) as space:
        pass
    assert (await space.settle(Finished(), nothing, changed=True)).error_code is None


async def test_a_session_is_usable_after_a_run_that_filled_its_workspace(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 10_000)
    monkeypatch.setattr(space_module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(measuring, "INTERVAL_SECONDS", 0.05)
    async with deployment.replica():
        session_id = await deployment.client.create()
        filling = await deployment.client.run(session_id, bash_prompt("head -c 20K /dev/zero > file; sleep 600"))
        assert (filling.error_code, "1 of the files" in str(filling.error_detail)) == (Code.WORKSPACE_FULL, True)
        assert (await deployment.client.run(session_id, scripted({"text": "Hello."}))).status == "completed"
