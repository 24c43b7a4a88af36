"""Commands for operators, run on a machine that has the settings of the service."""

import asyncio
import secrets
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from contracts.identity.password import IssuePasswordReset, ResetPassword
from contracts.identity.values import OPERATOR_ID
from contracts.messages import Actor
from contracts.refusals import Refusal
from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from runtime import bus, clock, logging
from runtime.bus.envelope import Envelope
from runtime.settings import InvalidSettings, load
from runtime.usage import show_help, variables

from identity.app import service
from identity.audit_log import MIN_AGE, AuditLog, NotAllowed
from identity.credentials.keys import PUBLICATION_LEAD, InvalidKeyRing, KeyRing
from identity.dependencies import dependencies
from identity.names import normalized_email
from identity.settings import DatabaseSettings, KeySettings, Settings

USAGE = """usage: python -m identity                            run the service
       python -m identity migrate                    apply the migrations of this release, and exit
       python -m identity rebuild [<read model>]     build a read model again, or list all
       python -m identity dead-letters <action> …    list, show, retry or drop what was given up
       python -m identity reset-password <e-mail>    set a new password, which is printed
       python -m identity rotate-keys                add a new key for access tokens
       python -m identity prune-audit <days>         delete the entries of the audit log that are older"""
OPERATOR = Actor(user_id=OPERATOR_ID, role="admin")
"""The actor of what is done on the machine."""


MAX_DAYS = 36_500


class InvalidPeriod(Exception):
    """Entries of the audit log cannot be deleted after this time."""


class UnknownAccount(Exception):
    """No account has the e-mail address."""


async def reset_password(settings: Settings, email: str) -> str:
    """Set a generated password, end all logins of the account, and return a line with the password.

    Raises:
        UnknownAccount: no account has this address.
        Refusal: it is a service account.
    """
    password = secrets.token_urlsafe(12)
    async with (
        Database.open(settings.database_url, service.name) as database,
        bus.connected(settings.nats_url, "identity") as client,
        dependencies(settings, database, client) as shared,
    ):
        account = await shared.directory.find_account(normalized_email(email))
        if account is None:
            raise UnknownAccount(f"No account has the e-mail address {email}.")
        store = service.store(database)
        dispatcher = Dispatcher(store, database, shared, service.commands, service.queries)
        envelope = Envelope.begin(actor=OPERATOR)
        issued = await dispatcher.send(IssuePasswordReset(user_id=account.id), envelope)
        await dispatcher.send(ResetPassword(reset_token=issued.reset_token, new_password=password), envelope.follow())
    return f"The new password of {account.email} is {password}. All its logins have ended."


async def rotate_keys(settings: KeySettings) -> str:
    """Add a new key to the ring, and return a line that says when it is used."""
    now = clock.now()
    ring = KeyRing.read(settings.key_ring_file).rotated(now)
    ring.write(settings.key_ring_file)
    at = (now + PUBLICATION_LEAD).isoformat(timespec="seconds")
    return f"Key {ring.keys[0]['kid']} signs from {at} on. The ring has {len(ring.keys)} keys."


async def prune_audit(settings: DatabaseSettings, days: str) -> str:
    """Delete the entries of the audit log that are older than a number of days, and return a line with their number.

    Raises:
        InvalidPeriod: it is not a number, or so small that the log would lose entries that it has to keep.
        NotAllowed: the database role does not own the log.
    """
    if not days.isdecimal() or not MIN_AGE.days < int(days) <= MAX_DAYS:
        raise InvalidPeriod(f"Entries are kept for at least {MIN_AGE.days} days: pass a number above that.")
    now, cause = clock.now(), Envelope.begin(actor=OPERATOR)
    async with Database.open(settings.url, service.name) as database:
        deleted = await AuditLog(database).prune(now - timedelta(days=int(days)))
        await AuditLog(database).add_pruning(cause, now)
    return f"{deleted} entries were deleted."


def main(arguments: list[str]) -> str | None:
    """Run an operator's command; return an error message, or None after success."""
    show_help(f"{USAGE}\n\n{variables(Settings)}", arguments)
    match arguments:
        case ["reset-password", email]:
            return _run(lambda: reset_password(load(Settings), email))
        case ["rotate-keys"]:
            return _run(lambda: rotate_keys(load(KeySettings)))
        case ["prune-audit", days]:
            return _run(lambda: prune_audit(load(DatabaseSettings), days))
        case _:
            return USAGE


def _run(command: Callable[[], Coroutine[Any, Any, str]]) -> str | None:
    logging.set_up("identity", "WARNING")
    try:
        sys.stdout.write(f"{asyncio.run(command())}\n")
    except (InvalidSettings, InvalidKeyRing, InvalidPeriod, NotAllowed, UnknownAccount) as error:
        return str(error)
    except Refusal as refusal:
        return refusal.detail
    return None
