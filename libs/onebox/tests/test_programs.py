import os
import pwd
import shutil
from pathlib import Path

import pytest
from onebox.programs import PostgresBinaries, find_postgres, postgres_account, reachable_copy, version_of

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whom PostgreSQL refuses")


def test_a_program_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert version_of(tmp_path / "none") is None


def test_programs_that_the_account_can_run_are_used_where_they_are(open_folder: Path) -> None:
    found = find_postgres(None, None)
    assert reachable_copy(found, postgres_account(), open_folder) == found.folder


@as_root
def test_a_database_belongs_to_who_made_it(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)
    assert postgres_account(tmp_path) == nobody


@as_root
def test_programs_in_a_private_home_are_copied_with_their_libraries(open_folder: Path) -> None:
    found = find_postgres(None, None)
    home, room = open_folder / "home", open_folder / "room"
    home.mkdir(mode=0o700)
    package = found.folder.parent.parent
    shutil.copytree(package, home / package.name, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), home / f"{package.name}.libs")
    private = PostgresBinaries(home / package.name / "pginstall" / "bin", found.version)
    copy = reachable_copy(private, postgres_account(), room)
    assert version_of(copy / "postgres", postgres_account()) == found.version
