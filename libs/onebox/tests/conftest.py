from collections.abc import Generator
from pathlib import Path

import pytest
from onebox.folder import DataFolder


@pytest.fixture
def folder(open_folder: Path) -> Generator[DataFolder]:
    """A data folder, taken."""
    taken = DataFolder(open_folder / "data")
    yield taken
    taken.close()


@pytest.fixture
def fake_program(tmp_path: Path) -> Path:
    """A server program that only knows its version: an ancient one."""
    for name in ("postgres", "initdb", "nats-server"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "postgres (PostgreSQL) 2.10.1"\n')
        program.chmod(0o755)
    return tmp_path / "nats-server"
