"""The first administrator: configured, or with a generated password that is shown once."""

import asyncio
import json
import secrets
import sys
from pathlib import Path

from contracts.identity.user import EnsureAdmin
from contracts.refusals import Refusal
from eventing.handling.dispatch import Dispatcher
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from runtime.logging import get_logger

from identity.dependencies import Dependencies
from identity.names import normalized_email
from identity.settings import Settings

log = get_logger()

LOCK_NAME = "identity: the first administrator"
RETRY_SECONDS = 0.1


async def ensure_admin(settings: Settings, dispatcher: Dispatcher[Dependencies]) -> None:
    """Create an administrator if there is none.

    Of replicas that start concurrently one creates the account, and the others wait for it.
    """
    directory = dispatcher.dependencies.directory
    while not await directory.has_admin():
        async with dispatcher.database.advisory_lock(LOCK_NAME) as acquired:
            if acquired:
                # Another replica may have created it between the check above and the lock.
                if not await directory.has_admin():
                    await _create_admin(settings, dispatcher)
                return
        await asyncio.sleep(RETRY_SECONDS)


async def _create_admin(settings: Settings, dispatcher: Dispatcher[Dependencies]) -> None:
    # A generated password is shown before it is stored, never after: a crash in between generates another one on the
    # next start, but never leaves an account whose password nobody knows.
    password = settings.admin_password or await asyncio.to_thread(_show_generated_password, settings)
    command = EnsureAdmin(user_id=new_id(), email=normalized_email(settings.admin_email), password=password)
    try:
        await dispatcher.send(command, Envelope.begin())
    except Refusal as refusal:  # the address or the name "admin" belongs to a user
        log.warning("administrator not created", reason=refusal.detail)


def _show_generated_password(settings: Settings) -> str:
    password = secrets.token_urlsafe(12)
    credentials = json.dumps({"email": settings.admin_email, "password": password})
    if settings.first_admin_file is None:
        sys.stdout.write(f"first administrator: {credentials}\n")
        sys.stdout.flush()
    else:
        _replace_file(settings.first_admin_file, credentials)
    return password


def _replace_file(file: Path, text: str) -> None:
    """Write a file by rename: a concurrent reader sees the old or the new content. Requires the lock."""
    temporary = file.with_name(f"{file.name}.new")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(file)
