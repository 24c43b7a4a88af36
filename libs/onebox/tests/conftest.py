from collections.abc import Generator
from pathlib import Path

import pytest
from onebox.folder import DataFolder


@pytest.fixture
def folder(open_folder: Path) -> Generator[DataFolder]:
    """Yield a locked data folder."""
    folder = DataFolder(open_folder / "data")
    yield folder
    folder.close()


@pytest.fixture
def fake_program(tmp_path: Path) -> Path:
    """Create a server program that only reports its version, which is too old."""
    for name in ("postgres", "initdb", "nats-server"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "postgres (PostgreSQL) 2.10.1"\n')
        program.chmod(0o755)
    return tmp_path / "nats-server"
