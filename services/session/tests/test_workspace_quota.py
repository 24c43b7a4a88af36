"""The quota of a workspace: measured from time to time by one thread, with writes in between counted."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
import session.workspace.measuring as module
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE
from session.workspace import Quotas, Uploads, Workspace, quota
from session.workspace.walking import Entry, walk

type Measured = Callable[[], int]


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    (tmp_path / "one").mkdir()
    return Workspace(tmp_path / "one", Uploads(tmp_path / "uploads"), Quotas())


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    walks: list[int] = []

    def counted(top: int, *, whole: bool = False) -> Generator[Entry]:
        walks.append(top)
        yield from walk(top, whole=whole)

    monkeypatch.setattr(module, "walk", counted)
    return lambda: len(walks)


def write(files: Workspace, path: str, data: bytes = b"12345") -> None:
    files.uploads.put(UUID(MESSAGE), 0, data)
    files.write(path, UUID(MESSAGE), len(data))


def assert_full(act: Callable[[], object]) -> None:
    with pytest.raises(Refusal) as refusal:
        act()
    assert refusal.value.code is Code.WORKSPACE_FULL


def test_many_writes_measure_the_workspace_once(files: Workspace, measured: Measured) -> None:
    for n in range(10):
        write(files, f"{n}")
    assert measured() == 1


def test_writes_between_measurements_count(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 12)
    write(files, "a")
    write(files, "b")
    assert_full(lambda: write(files, "c"))
    write(files, "a", b"1234567")


def test_concurrent_checks_measure_the_workspace_once(files: Workspace, measured: Measured) -> None:
    with ThreadPoolExecutor(8) as threads:
        checks = [threads.submit(files.check_quota) for _ in range(32)]
    assert all(check.exception() is None for check in checks)
    assert measured() == 1


def test_a_full_workspace_is_not_measured_at_each_check(
    files: Workspace, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.root / "a").write_bytes(b"12345678")
    monkeypatch.setattr(quota, "MAX_BYTES", 5)
    for _ in range(10):
        assert_full(files.check_quota)
    assert measured() == 1


def test_removed_files_free_space_immediately(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 8)
    write(files, "a")
    assert_full(lambda: write(files, "b"))
    files.delete("a")
    write(files, "b")


def test_a_workspace_is_measured_again_after_an_agent_worked(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 8)
    write(files, "a")
    (files.root / "a").write_bytes(b"123456789")
    files.check_quota()
    files.changed()
    assert_full(files.check_quota)


def test_a_workspace_is_measured_again_when_the_figure_is_old(
    files: Workspace, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(quota, "REMEASURE_FACTOR", 0)
    for n in range(3):
        write(files, f"{n}")
    assert measured() == 3


def test_the_number_of_cached_measurements_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_TRACKED", 2)
    quotas, measured = Quotas(), list[str]()

    def take(name: str) -> None:
        quotas.consume(tmp_path / name, 1, lambda: measured.append(name) or quota.Quota())

    for name in "abacab":
        take(name)
    assert "".join(measured) == "abcb"
