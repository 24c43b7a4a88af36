"""Passwords: Argon2id (RFC 9106), in threads as it is slow by design, and few at a time as it needs much memory."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from contracts.refusals import Code, Refusal
from runtime.envelope import Envelope

from identity.fair_queue import FairQueue, Overloaded

COMMON_PASSWORDS = frozenset((Path(__file__).parent / "common_passwords.txt").read_text().split())


class Passwords:
    """Hashes and verifies passwords, shared out fairly among accounts.

    `account` is the requested e-mail address, with or without an account. Methods that wait raise `Refusal`
    TOO_MANY_LOGINS, without hashing anything, if too many requests are waiting.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._queue = FairQueue()
        # Verified if there is no account, so that the reply for an unknown address takes as long as any other.
        self._dummy_hash = self._hasher.hash("nobody's password")

    async def hash(self, password: str, account: str, envelope: Envelope) -> str:
        """Return the Argon2id encoding of a password."""
        return await self._run(account, envelope, lambda: self._hasher.hash(password))

    async def matches(self, password: str, password_hash: str | None, account: str, envelope: Envelope) -> bool:
        """Return whether the password matches the hash; takes the same time without a hash, and returns False."""
        return await self._run(account, envelope, lambda: self.verify(password, password_hash))

    async def _run[R](self, account: str, envelope: Envelope, work: Callable[[], R]) -> R:
        try:
            async with self._queue.slot(account):
                return await _run_in_thread(envelope, work)
        except Overloaded:
            detail = "Too many logins are in progress. Nothing was changed; try again in a few seconds."
            raise Refusal(Code.TOO_MANY_LOGINS, detail) from None

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password matches the hash; blocks and ignores the queue, unlike `matches`."""
        try:
            return self._hasher.verify(password_hash or self._dummy_hash, password) and password_hash is not None
        except VerifyMismatchError:
            return False


async def _run_in_thread[R](envelope: Envelope, work: Callable[[], R]) -> R:
    if envelope.expired:  # the deadline passed in the queue: nobody waits for the reply any more
        raise Overloaded
    return await asyncio.to_thread(work)


def is_common(password: str) -> bool:
    """Return whether the password is among those that attackers try first."""
    return password.casefold() in COMMON_PASSWORDS
