"""`python -m sandbox` says whether programs can be confined, and use a folder."""

from pathlib import Path

import pytest
from sandbox import Sandbox
from sandbox.__main__ import check


async def test_programs_can_use_workspaces_in_a_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    assert await check(tmp_path) is None


async def test_a_folder_that_cannot_be_used_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    assert await check(tmp_path / "missing") == f"{tmp_path}/missing: No such file or directory"


async def test_the_reason_and_the_fix_are_said_if_programs_cannot_be_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox._bwrap", lambda: None)
    found = str(await check(None))
    assert found.startswith("programs cannot be confined here: bubblewrap is not installed")
    assert "deploy/seccomp/session.json" in found
