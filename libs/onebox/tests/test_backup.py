"""Saving a database, files and keys, restoring them, and what is refused before anything is written."""

import asyncio
import json
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from onebox.backup import BackupFailed
from onebox.backup.__main__ import main
from onebox.backup.database import without_password
from onebox.backup.manifest import Keys, Manifest, keys_of
from onebox.backup.restoring import restore
from onebox.backup.saving import save
from onebox.children import allowed_environment
from onebox.cluster import NAME, SERVICE_ROLE
from onebox.testing.databases import Databases
from runtime import clock

from libs.onebox.tests.installations import RINGS, Installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def source(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """Yield an installation with data, which tests only read."""
    async with databases.fresh() as url:
        installation = Installation(url, tmp_path_factory.mktemp("source"))
        await asyncio.to_thread(installation.fill)
        yield installation


@pytest_asyncio.fixture
async def target(databases: Databases, tmp_path: Path) -> AsyncGenerator[Installation]:
    """Yield an installation without data, whose role is no superuser."""
    async with databases.fresh() as url:
        installation = Installation(url, tmp_path / "target")
        await asyncio.to_thread(
            installation.ask, f"GRANT CREATE ON DATABASE {urlsplit(url).path[1:]} TO {SERVICE_ROLE}"
        )
        yield replace(installation, url=url.replace(f"//{NAME}@", f"//{SERVICE_ROLE}@"))


@pytest.fixture(scope="module")
def saved(source: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup, which tests only read."""
    save(source.settings, file := tmp_path_factory.mktemp("saved") / "backup")
    return file


@pytest.fixture
def backup(saved: Path, tmp_path: Path) -> Path:
    for file in (saved, keys_of(saved)):
        shutil.copy2(file, tmp_path)
    return tmp_path / saved.name


def test_a_restored_installation_has_the_same_rows_files_and_keys(
    source: Installation, target: Installation, backup: Path
) -> None:
    restore(target.settings, backup)
    assert target.files() == source.files()
    assert target.ask("SELECT name FROM report.things") == "a thing"
    assert target.ask("SELECT count(*) FROM report.migrations WHERE name = '0001_things.sql'") == 1


def test_relays_of_a_restored_installation_begin_again(target: Installation, backup: Path) -> None:
    restore(target.settings, backup)
    assert target.ask("SELECT generation = 1 AND stream_created IS NULL FROM report.relayed")


def test_only_its_owner_can_read_a_backup_and_restored_keys(target: Installation, backup: Path) -> None:
    restore(target.settings, backup)
    files = [backup, keys_of(backup), *(target.path / "keys" / name for name in RINGS)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_backup_has_no_keys(backup: Path) -> None:
    assert all(ring in keys_of(backup).read_text() for ring in RINGS.values())
    assert all(ring.encode() not in backup.read_bytes() for ring in RINGS.values())


def test_a_backup_is_written_to_files_of_somebody_else(
    source: Installation, target: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "monday"
    inodes = [make_writable(each) for each in (file, keys_of(file))]
    save(source.settings, file, in_place=True)
    assert [each.stat().st_ino for each in (file, keys_of(file))] == inodes
    assert not [*tmp_path.glob("*.part")]
    restore(target.settings, file)
    assert target.files() == source.files()


def make_writable(file: Path) -> int:
    file.touch()
    file.chmod(0o666)
    return file.stat().st_ino


def test_a_file_with_content_is_not_replaced_by_a_backup(source: Installation, backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(BackupFailed, match="backup is not empty"):
        save(source.settings, backup, in_place=True)
    assert backup.read_bytes() == before


def truncate(backup: Path, _target: Installation) -> None:
    backup.write_bytes(backup.read_bytes()[:-1])


def change(backup: Path, _target: Installation) -> None:
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 1
    backup.write_bytes(content)


def spoil_keys(backup: Path, _target: Installation) -> None:
    keys_of(backup).write_text("{}")


def give_more_content(backup: Path, _target: Installation) -> None:
    keys = Keys.model_validate_json(keys_of(backup).read_text())
    keys_of(backup).write_text(keys.model_copy(update={"unpacked_bytes": 2**60}).model_dump_json())


def add_file(_backup: Path, target: Installation) -> None:
    (target.path / "reports" / "two").mkdir(parents=True)
    (target.path / "reports" / "two" / "file").touch()


def add_tables(_backup: Path, target: Installation) -> None:
    target.ask("CREATE SCHEMA session")


def add_other_key(_backup: Path, target: Installation) -> None:
    (target.path / "keys").mkdir(parents=True)
    (target.path / "keys" / "secrets.json").write_text("other")


SLOW_DUMP = """
import sys, time
from onebox.backup.__main__ import main
from onebox.backup.database import Source
Source.dump = lambda *_: (print("dumping", flush=True), time.sleep(60))
"""

REFUSED: list[tuple[Callable[[Path, Installation], None], str]] = [
    (lambda backup, _: backup.unlink(), "There is no backup"),
    (truncate, "is incomplete or was changed"),
    (change, "is incomplete or was changed"),
    (lambda backup, _: keys_of(backup).unlink(), "backup.keys is missing"),
    (spoil_keys, "is not the file of keys"),
    (give_more_content, "The backup needs"),
    (add_file, "reports has files already"),
    (add_tables, r"tables already \(session\)"),
    (add_other_key, "secrets.json has other keys"),
]


@pytest.mark.parametrize(("prepare", "reason"), REFUSED)
def test_a_restore_is_refused_before_anything_is_written(
    prepare: Callable[[Path, Installation], None], reason: str, backup: Path, target: Installation
) -> None:
    prepare(backup, target)
    before = target.files()
    with pytest.raises(BackupFailed, match=reason):
        restore(target.settings, backup)
    assert target.files() == before
    assert target.ask("SELECT to_regnamespace('report')") is None


def described(**fields: Any) -> Manifest:
    return Manifest.model_validate({"created_at": clock.now(), "postgres": 18, "migrations": {}} | fields)


def test_a_backup_of_a_later_release_or_format_is_refused() -> None:
    described().check()
    for later in ({"product": "0.10.0"}, {"product": "1.0"}, {"format": 2}):
        with pytest.raises(BackupFailed, match="Restore it with that release"):
            described(**later).check()


def test_a_backup_that_needs_a_later_postgresql_is_refused(
    source: Installation, target: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def later(**fields: Any) -> Manifest:
        return described(**fields | {"postgres": 99})

    monkeypatch.setattr("onebox.backup.saving.Manifest", later)
    save(source.settings, tmp_path / "backup")
    with pytest.raises(BackupFailed, match="needs PostgreSQL 99 or later"):
        restore(target.settings, tmp_path / "backup")


def test_the_keys_of_another_backup_are_refused(source: Installation, target: Installation, backup: Path) -> None:
    save(source.settings, other := backup.with_name("other"))
    keys_of(other).rename(keys_of(backup))
    with pytest.raises(BackupFailed, match="belongs to another backup"):
        restore(target.settings, backup)


def test_an_existing_file_is_not_replaced(source: Installation, backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(BackupFailed, match="exists"):
        save(source.settings, backup)
    assert backup.read_bytes() == before


@pytest.fixture
def failing_clients(tmp_path: Path) -> Path:
    """Programs of PostgreSQL of which pg_dump and pg_restore fail in the middle."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        version = f'[ "$1" = --version ] && echo "{name} (PostgreSQL) 99.0" && exit'
        (programs / name).write_text(f"#!/bin/sh\n{version}\necho half; echo no >&2; exit 1\n")
        (programs / name).chmod(0o755)
    return programs


def test_a_backup_that_fails_leaves_no_file(source: Installation, failing_clients: Path, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    settings = source.settings.model_copy(update={"pg_bindir": failing_clients})
    with pytest.raises(BackupFailed, match="pg_dump failed: no"):
        save(settings, tmp_path / "to" / "backup")
    assert not [*(tmp_path / "to").iterdir()]


def test_a_restore_that_fails_leaves_no_rows_and_says_why(
    target: Installation, backup: Path, failing_clients: Path
) -> None:
    settings = target.settings.model_copy(update={"pg_bindir": failing_clients})
    with pytest.raises(BackupFailed, match="pg_restore failed: no"):
        restore(settings, backup)
    assert target.ask("SELECT to_regnamespace('report')") is None


def test_a_restore_that_is_interrupted_before_its_end_leaves_no_rows(
    target: Installation, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        time.sleep(1)  # pg_restore works meanwhile
        raise KeyboardInterrupt

    monkeypatch.setattr("onebox.backup.placing.Placer.remove", interrupt)
    with pytest.raises(KeyboardInterrupt):
        restore(target.settings, backup)
    assert target.ask("SELECT to_regnamespace('report')") is None


def test_an_interrupted_backup_leaves_no_file(source: Installation, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    script = f"{SLOW_DUMP}sys.exit(main(['save', {str(tmp_path / 'to' / 'backup')!r}]))"
    variables = {name.upper(): str(value) for name, value in source.settings if value}
    options: dict[str, Any] = {"env": allowed_environment() | variables, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **options) as process:  # noqa: S603  our own program
        assert "dumping\n" in (process.stdout or ())  # from then on, it removes its files
        assert len([*(tmp_path / "to").iterdir()]) == 2
        process.terminate()
    assert process.returncode == 130
    assert not [*(tmp_path / "to").iterdir()]


def test_a_password_is_not_on_a_command_line() -> None:
    shown = without_password("postgresql://me:plantedsecret%2F@host:5432/db?sslmode=require")
    assert shown == ("postgresql://me@host:5432/db?sslmode=require", "plantedsecret/")
    assert without_password("postgresql://me@/db?host=/run") == ("postgresql://me@/db?host=/run", "")


def test_a_system_that_does_not_run_cannot_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").mkdir()
    for name, ring in RINGS.items():
        (tmp_path / "keys" / name).write_text(json.dumps(ring))
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    for name in ("logging.set_up", "signal.signal"):  # other tests need the logs and signals of this process
        monkeypatch.setattr(f"onebox.backup.__main__.{name}", Mock())
    assert main(["save", str(tmp_path / "backup")]) == 1
    assert f"No system is running in {tmp_path}" in capsys.readouterr().err


def test_a_backup_without_keys_is_refused(source: Installation, tmp_path: Path) -> None:
    without = replace(source, path=shutil.copytree(source.path, tmp_path / "source"))
    (without.path / "keys" / "secrets.json").unlink()
    with pytest.raises(BackupFailed, match=r"lacks secrets\.json"):
        save(without.settings, tmp_path / "backup")
