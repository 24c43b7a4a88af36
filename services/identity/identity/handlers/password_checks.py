"""The check of a password that somebody presents, which limits how many wrong ones are tried."""

from contracts.refusals import Refusal

from identity.dependencies import Work


async def matches_password(
    password: str, password_hash: str | None, email: str, address: str | None, work: Work
) -> bool:
    """Return whether the password matches the hash; without a hash, it takes the same time and returns False.

    Raises:
        Refusal: ACCOUNT_LOCKED, too many attempts have failed; TOO_MANY_LOGINS, the password was not checked.
    """
    attempt = await work.dependencies.attempts.begin(email, address, work.now)
    try:
        matches = await work.dependencies.passwords.matches(password, password_hash, email, work.envelope)
    except Refusal:
        await attempt.withdraw()
        raise
    if matches:
        await attempt.succeed()
    return matches
