"""Passwords: Argon2id (RFC 9106), in threads because it is slow on purpose, a few at a time because it takes memory."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from contracts.refusals import Code, Refusal
from runtime.envelope import Envelope

from identity.turns import NoTurn, Turns

COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text().split())


class Passwords:
    """Hashes and checks passwords. `account` is for whom, known or not: the e-mail address that was given.

    Both raise `Refusal` TOO_MANY_LOGINS when others take all the time there is; nothing was hashed then.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turns = Turns()
        # Checked when there is no account, so that the answer for an unknown address takes as long as any other.
        self._nobody = self._hasher.hash("nobody's password")

    async def hash(self, password: str, account: str, envelope: Envelope) -> str:
        """Return the Argon2id encoding of a password."""
        return await self._in_turn(account, envelope, lambda: self._hasher.hash(password))

    async def matches(self, password: str, password_hash: str | None, account: str, envelope: Envelope) -> bool:
        """Return whether the password is the one that was hashed; takes as long when there is no hash."""
        return await self._in_turn(account, envelope, lambda: self.verify(password, password_hash))

    async def _in_turn[R](self, account: str, envelope: Envelope, work: Callable[[], R]) -> R:
        try:
            async with self._turns.turn(account):
                return await _in_time(envelope, work)
        except NoTurn:
            detail = "Too many people log in at this moment. Nothing was done; try again shortly."
            raise Refusal(Code.TOO_MANY_LOGINS, detail) from None

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Check a password at once, here and now; `matches` is what waits for its turn."""
        try:
            return self._hasher.verify(password_hash or self._nobody, password) and password_hash is not None
        except VerifyMismatchError:
            return False


async def _in_time[R](envelope: Envelope, work: Callable[[], R]) -> R:
    if envelope.expired:  # nobody waits for the answer any more
        raise NoTurn
    return await asyncio.to_thread(work)


def is_common(password: str) -> bool:
    """Whether the password is among the ones that are tried first."""
    return password.casefold() in COMMON
