"""A service does not start without a sandbox that it requires, and says what it lacks if it does not require one."""

from pathlib import Path

import pytest
from runtime.http.health import Health
from runtime.starting import CannotStart
from sandbox import Sandbox
from sandbox.required import check_of, find_sandbox
from structlog.testing import capture_logs

EFFECT = "programs are not started"


@pytest.fixture
def unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let bubblewrap fail as in a container, with more than one line."""
    failing = tmp_path / "bwrap"
    failing.write_text("#!/bin/sh\nprintf 'bwrap: No permissions\\nto create a namespace.\\n' >&2; exit 1\n")
    failing.chmod(0o700)
    monkeypatch.setattr("sandbox._bwrap", lambda: failing)


@pytest.mark.usefixtures("unavailable")
async def test_a_required_sandbox_that_fails_is_refused_in_one_line_with_a_fix() -> None:
    with pytest.raises(CannotStart) as refused:
        await find_sandbox(EFFECT, required=True)
    reason, _, fix = str(refused.value).partition("a namespace. ")
    assert reason == "SANDBOX_REQUIRED=true: programs cannot be confined here: bwrap: No permissions to create "
    assert ("deploy/seccomp/session.json" in fix, "\n" in fix) == (True, False)


@pytest.mark.usefixtures("unavailable")
async def test_a_sandbox_that_is_not_required_is_logged_and_reported_as_missing() -> None:
    with capture_logs() as logs:
        sandbox = await find_sandbox(EFFECT, required=False)
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [EFFECT]
    assert not sandbox.confines
    assert await Health({"sandbox": check_of(sandbox, EFFECT)}).report() == {"sandbox": f"ok, but {EFFECT}"}


async def test_a_sandbox_that_confines_is_reported_as_ok(sandbox: Sandbox) -> None:
    assert await Health({"sandbox": check_of(sandbox, EFFECT)}).report() == {"sandbox": "ok"}
