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
from runtime.starting import CannotStart

from identity.passwords import is_common
from identity.settings import Settings
from identity.tools import Tools

log = get_logger()


async def ensure_admin(settings: Settings, dispatcher: Dispatcher[Tools]) -> None:
    """Make an administrator where there is none. Its made-up password is told before it is stored, never after.

    Raises:
        CannotStart: the password in the settings is too weak.
    """
    if await dispatcher.tools.directory.has_admin():
        return
    if settings.admin_password and is_common(settings.admin_password):
        raise CannotStart(
            "ADMIN_PASSWORD is one of the most common passwords. Choose another, or unset it to have one made up."
        )
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
