"""The commands for operators: resetting a password, and pruning the audit log."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from datetime import timedelta
from pathlib import Path

import pytest
from contracts.identity.audit import AuditEntry, ExportAuditEntries, RecordEntries
from contracts.refusals import Code, Refusal
from eventing.database import Database
from identity.operations import OPERATOR
from runtime import clock
from runtime.clock import new_id

from services.identity.tests.desk import Desk
from services.identity.tests.test_passwords import refused_refresh


@pytest.fixture
def environment(desk: Desk, nats_url: str, key_ring_file: Path) -> dict[str, str]:
    database: Database = desk.database
    return {"DATABASE_URL": database.url, "NATS_URL": nats_url, "KEY_RING_FILE": str(key_ring_file)}


async def run(environment: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    command = (sys.executable, "-P", "-m", "identity", *arguments)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    output, errors = await process.communicate()
    return process.returncode, (output + errors).decode()


async def test_the_command_sets_a_new_password_and_ends_all_logins(desk: Desk, environment: dict[str, str]):
    await desk.register()
    tokens = await desk.log_in()
    code, output = await run(environment, "reset-password", "Ada@example.com")
    password = re.search(r"is (\S+)\. ", output)
    assert (code, bool(password)) == (0, True)
    assert password
    assert await desk.log_in(password=password[1])
    await refused_refresh(desk, tokens.refresh_token)


async def test_the_old_password_is_refused_after_the_command(desk: Desk, environment: dict[str, str]):
    await desk.register()
    await run(environment, "reset-password", "ada@example.com")
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.log_in()


async def test_an_unknown_address_is_an_error(environment: dict[str, str]):
    code, output = await run(environment, "reset-password", "eve@example.com")
    assert code == 1
    assert "No account has the e-mail address eve@example.com." in output


async def test_old_entries_of_the_audit_log_are_pruned(desk: Desk, owner: Database):
    old = {"id": new_id(), "at": clock.now() - timedelta(days=50), "outcome": "denied", "action": "deleteSession"}
    await desk.send(RecordEntries(entries=[AuditEntry.model_validate(old | {"correlation_id": "one"})]))
    code, output = await run({"MIGRATION_DATABASE_URL": owner.url}, "prune-audit", "31")
    assert (code, output) == (0, "1 entries were deleted.\n")
    [entry] = await desk.ask(ExportAuditEntries(), OPERATOR)
    assert (entry.action, entry.user_id) == ("audit.pruned", OPERATOR.user_id)


async def test_the_role_of_the_service_may_not_prune(environment: dict[str, str]):
    code, output = await run(environment, "prune-audit", "31")
    assert (code, "Set MIGRATION_DATABASE_URL" in output) == (1, True)


async def test_pruning_without_a_database_is_an_error():
    assert await run({}, "prune-audit", "31") == (1, "DatabaseSettings: MIGRATION_DATABASE_URL must be set\n")


@pytest.mark.parametrize("days", ["30", "0", "-1", "a", "99999999999", "²"])
async def test_recent_entries_of_the_audit_log_are_kept(environment: dict[str, str], days: str):
    code, output = await run(environment, "prune-audit", days)
    assert code == 1
    assert "Entries are kept for at least 30 days" in output
