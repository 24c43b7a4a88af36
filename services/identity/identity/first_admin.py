"""The first administrator: as the settings say, or made up and told once."""

import asyncio
import json
import secrets
import sys
from pathlib import Path

from contracts.identity.commands import EnsureAdmin
from contracts.refusals import Refusal
from eventing.dispatch import Dispatcher
from runtime.clock import new_id
from runtime.envelope import Envelope
from runtime.logging import get_logger
from runtime.starting import CannotStart

from identity.dependencies import Dependencies
from identity.names import folded_address
from identity.passwords import is_common
from identity.settings import Settings

log = get_logger()

LOCK = "identity: the first administrator"
PAUSE = 0.1


async def ensure_admin(settings: Settings, dispatcher: Dispatcher[Dependencies]) -> None:
    """Make an administrator where there is none. Of replicas that start together one does, and the others wait.

    Raises:
        CannotStart: the password in the settings is too weak.
    """
    directory = dispatcher.dependencies.directory
    while not await directory.has_admin():
        async with dispatcher.database.advisory_lock(LOCK) as ours:
            if ours:
                if not await directory.has_admin():
                    await _make(settings, dispatcher)
                return
        await asyncio.sleep(PAUSE)


async def _make(settings: Settings, dispatcher: Dispatcher[Dependencies]) -> None:
    if settings.admin_password and is_common(settings.admin_password):
        raise CannotStart(
            "ADMIN_PASSWORD is one of the most common passwords. Choose another, or unset it to have one made up."
        )
    # A made-up password is told before it is stored, never after: a crash in between makes and tells a new one.
    password = settings.admin_password or await asyncio.to_thread(_told, settings)
    command = EnsureAdmin(user_id=new_id(), email=folded_address(settings.admin_email), password=password)
    try:
        await dispatcher.send(command, Envelope.begin())
    except Refusal as refusal:  # a user has this address
        log.warning("no administrator was made", reason=refusal.detail)


def _told(settings: Settings) -> str:
    password = secrets.token_urlsafe(12)
    told = json.dumps({"email": settings.admin_email, "password": password})
    if settings.first_admin_file is None:
        sys.stdout.write(f"first administrator: {told}\n")
        sys.stdout.flush()
    else:
        _write(settings.first_admin_file, told)
    return password


def _write(file: Path, text: str) -> None:
    """Write a file that others may be reading: it is there whole, or as it was before. Needs the lock."""
    beside = file.with_name(f"{file.name}.new")
    beside.touch(mode=0o600)
    beside.write_text(text)
    beside.replace(file)
