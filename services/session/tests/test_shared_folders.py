"""A replica does not start with another folder than the one that all replicas share."""

import asyncio
import shutil
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest
from eventing.database import Database
from runtime.starting import CannotStart
from session.app import service
from session.shared_folders import FILE, check_shared
from structlog.testing import capture_logs

from services.session.tests.deployment import Deployment
from services.session.tests.desk import Desk


@pytest.fixture
def database(desk: Desk) -> Database:
    return desk.database


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    (tmp_path / "other").chmod(0o2755)
    return tmp_path / "other"


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


async def check(folder: Path, database: Database) -> None:
    await check_shared("WORKSPACES_DIR", folder, database)


async def test_every_replica_may_use_the_folder_of_the_first(database: Database, tmp_path: Path) -> None:
    for _ in range(2):
        await check(tmp_path / "new", database)
    assert (tmp_path / "new" / FILE).exists()


async def test_another_folder_is_refused_and_not_changed(database: Database, tmp_path: Path, other: Path) -> None:
    await check(tmp_path / "one", database)
    with pytest.raises(
        CannotStart, match=rf"^WORKSPACES_DIR={other}: .* is missing or empty, and should contain \"[0-9a-f-]{{36}}\""
    ):
        await check(other, database)
    assert not (other / FILE).exists()


async def test_a_folder_that_is_not_mounted_is_refused(database: Database, tmp_path: Path) -> None:
    await check(tmp_path / "one", database)
    with pytest.raises(CannotStart, match="is missing"):
        await check(tmp_path / "none", database)


async def test_the_folder_of_another_system_is_refused(database: Database, tmp_path: Path, other: Path) -> None:
    await check(tmp_path / "one", database)
    (other / FILE).write_text("another id\n")
    with pytest.raises(CannotStart, match=f'its file {FILE} contains "another id", and'):
        await check(other, database)


async def test_a_folder_that_was_moved_is_accepted(database: Database, tmp_path: Path) -> None:
    await check(tmp_path / "one", database)
    shutil.move(tmp_path / "one", tmp_path / "two")
    await check(tmp_path / "two", database)


async def test_a_new_database_accepts_a_folder_that_is_marked(database: Database, other: Path) -> None:
    (other / FILE).write_text("an id\n")
    await check(other, database)
    assert (other / FILE).read_text() == "an id\n"
    await check(other, database)


async def test_replicas_that_start_at_the_same_time_agree(database: Database, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "one", "two", "two")]
    results = await asyncio.gather(*(check(folder, database) for folder in folders), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["CannotStart"] * 2 + ["NoneType"] * 2


async def test_a_folder_that_cannot_be_used_is_reported(database: Database, other: Path) -> None:
    (other / "file").touch()
    with pytest.raises(CannotStart, match=r"File exists\. Correct the folder, or WORKSPACES_DIR\.$"):
        await check(other / "file", database)


async def test_a_service_with_another_folder_does_not_start(deployment: Deployment, other: Path) -> None:
    deployment = deployment.changed(archives_dir=deployment.settings.workspaces_dir / "archives")
    async with deployment.replica():
        pass
    for setting in ("workspaces_dir", "archives_dir"):
        with pytest.raises(CannotStart, match=f"^{setting.upper()}={other}: "):
            await service.run(deployment.changed(**{setting: other}).settings, asyncio.Event())


async def test_an_existing_folder_is_closed_to_other_accounts(database: Database, other: Path) -> None:
    await check(other, database)
    assert mode_of(other) == 0o2700


async def test_a_folder_of_another_account_stays_open_with_a_warning(
    database: Database, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", Mock(side_effect=PermissionError(1, "not permitted")))
    with capture_logs() as logs:
        await check(other, database)
    assert [line["event"] for line in logs] == ["folder is open to other accounts"]
