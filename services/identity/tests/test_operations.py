"""The command that resets a password on the machine."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from contracts.refusals import Code, Refusal
from eventing.database import Database

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
