"""The check of a password that somebody presents, which limits how many wrong ones are tried."""

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from contracts.refusals import Refusal

from identity.dependencies import Work


@contextmanager
def naming_owner(user_id: UUID | None) -> Generator[None]:
    """Name the owner of the account in refusals, for the audit log; None if there is no such account."""
    try:
        yield
    except Refusal as refusal:
        refusal.owner = user_id
        raise


async def matches_password(
    password: str, password_hash: str | None, email: str, address: str | None, work: Work
) -> bool:
    """Return whether the password matches the hash; without a hash, it takes the same time and returns False.

    Raises:
        Refusal: ACCOUNT_LOCKED or ADDRESS_LOCKED, too many attempts have failed; TOO_MANY_LOGINS, it was not checked.
    """
    attempt = await work.dependencies.attempts.attempt(email, address, work.now)
    # It begins when it is its turn: attempts that wait or are refused are no failures.
    matches = await work.dependencies.passwords.matches(
        password, password_hash, attempt.payer, work.envelope, known=attempt.is_known, begin=attempt.begin
    )
    if matches:
        await attempt.succeed()
    return matches
