"""The check of a password that somebody presents, which limits how many wrong ones are tried."""

from identity.dependencies import Work


async def matches_password(
    password: str, password_hash: str | None, email: str, address: str | None, work: Work
) -> bool:
    """Return whether the password matches the hash; without a hash, it takes the same time and returns False.

    Raises:
        Refusal: ACCOUNT_LOCKED, too many attempts have failed; TOO_MANY_LOGINS, the password was not checked.
    """
    attempt = work.dependencies.attempts.attempt(email, address, work.now)
    # It begins when it is its turn: attempts that wait or are refused are no failures.
    matches = await work.dependencies.passwords.matches(
        password, password_hash, email, work.envelope, begin=attempt.begin
    )
    if matches:
        await attempt.succeed()
    return matches
