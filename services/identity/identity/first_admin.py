"""The first administrator: as the settings say, or made up and told once."""

import json
import secrets
import sys

from contracts.identity.commands import EnsureAdmin
from contracts.refusals import Refusal
from eventing.dispatch import Dispatcher
from runtime.clock import new_id
from runtime.envelope import Envelope
from runtime.logging import get_logger

from identity.settings import Settings
from identity.tools import Tools

log = get_logger()


async def ensure_admin(settings: Settings, dispatcher: Dispatcher[Tools]) -> None:
    """Make an administrator where there is none. Its made-up password is told before it is stored, never after."""
    if await dispatcher.tools.directory.has_admin():
        return
    password = settings.admin_password or _told(settings)
    command = EnsureAdmin(user_id=new_id(), email=settings.admin_email.casefold(), password=password)
    try:
        await dispatcher.send(command, Envelope.begin())
    except Refusal as refusal:  # another replica was faster, or a user has this address
        log.warning("no administrator was made", reason=refusal.detail)


def _told(settings: Settings) -> str:
    password = secrets.token_urlsafe(12)
    told = json.dumps({"email": settings.admin_email, "password": password})
    if settings.first_admin_file is None:
        sys.stdout.write(f"first administrator: {told}\n")
    else:
        settings.first_admin_file.touch(mode=0o600)
        settings.first_admin_file.write_text(told)
    return password
