"""The commands for operators: resetting a password, and pruning the audit log."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from contracts.identity.audit import AuditEntry, ExportAuditEntries, RecordEntries
from contracts.refusals import Code, Refusal
from eventing.database import Database
from identity.operations import OPERATOR, InvalidPeriod, main, prune_audit
from identity.settings import DatabaseSettings
from runtime import clock
from runtime.clock import new_id

from services.identity.tests.desk import Desk
from services.identity.tests.test_passwords import refused_refresh

type Run = Callable[..., Coroutine[None, None, tuple[str | None, str]]]


@pytest.fixture
def settings(desk: Desk, nats_url: str, key_ring_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the service, which the commands read."""
    for name, value in (
        ("DATABASE_URL", desk.database.url),
        ("NATS_URL", nats_url),
        ("KEY_RING_FILE", str(key_ring_file)),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as the program does, in a thread; return the error and what it printed."""
    monkeypatch.setattr("identity.operations.logging.set_up", Mock())

    async def run(*arguments: str) -> tuple[str | None, str]:
        error = await asyncio.to_thread(main, [*arguments])
        return error, capsys.readouterr().out

    return run


async def test_the_command_sets_a_new_password_and_ends_all_logins(desk: Desk, settings: None, run: Run):
    await desk.register()
    tokens = await desk.log_in()
    error, output = await run("reset-password", "Ada@example.com")
    password = re.search(r"is (\S+)\. ", output)
    assert error is None
    assert password
    assert await desk.log_in(password=password[1])
    await refused_refresh(desk, tokens.refresh_token)


async def test_the_old_password_is_refused_after_the_command(desk: Desk, settings: None, run: Run):
    await desk.register()
    await run("reset-password", "ada@example.com")
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.log_in()


async def test_an_unknown_address_is_an_error(settings: None, run: Run):
    assert await run("reset-password", "eve@example.com") == ("No account has the e-mail address eve@example.com.", "")


async def test_old_entries_of_the_audit_log_are_pruned(
    desk: Desk, owner: Database, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MIGRATION_DATABASE_URL", owner.url)
    old = {"id": new_id(), "at": clock.now() - timedelta(days=50), "outcome": "denied", "action": "deleteSession"}
    await desk.send(RecordEntries(entries=[AuditEntry.model_validate(old | {"correlation_id": "one"})]))
    assert await run("prune-audit", "31") == (None, "1 entries were deleted.\n")
    [entry] = await desk.ask(ExportAuditEntries(), OPERATOR)
    assert (entry.action, entry.user_id) == ("audit.pruned", OPERATOR.user_id)


async def test_the_role_of_the_service_may_not_prune(settings: None, run: Run):
    error, _ = await run("prune-audit", "31")
    assert error
    assert "Set MIGRATION_DATABASE_URL" in error


@pytest.mark.usefixtures("servers")  # it loads the code of all services
async def test_the_program_reports_an_error_of_a_command():
    command = (sys.executable, "-P", "-m", "identity", "prune-audit", "31")
    process = await asyncio.create_subprocess_exec(*command, env={}, stdout=PIPE, stderr=PIPE)
    output, errors = await process.communicate()
    expected = b"MIGRATION_DATABASE_URL must be set\n"
    assert (process.returncode, output, errors) == (1, b"", expected)


@pytest.mark.parametrize("days", ["30", "0", "-1", "a", "99999999999", "²"])
async def test_recent_entries_of_the_audit_log_are_kept(days: str):
    settings = DatabaseSettings.model_validate({"database_url": "postgresql://nowhere"})
    with pytest.raises(InvalidPeriod, match="Entries are kept for at least 30 days"):
        await prune_audit(settings, days)
