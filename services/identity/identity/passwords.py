"""Passwords: Argon2id (RFC 9106), in threads because it is slow on purpose, a few at a time because it takes memory."""

import asyncio
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

AT_ONCE = 4
COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text().split())


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._slots = asyncio.Semaphore(AT_ONCE)
        # Checked when there is no account, so that the answer for an unknown address takes as long as any other.
        self._nobody = self._hasher.hash("nobody's password")

    async def hash(self, password: str) -> str:
        """Give the Argon2id encoding of a password."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is the one that was hashed; takes as long when there is no hash."""
        async with self._slots:
            return await asyncio.to_thread(self._verify, password, password_hash)

    def _verify(self, password: str, password_hash: str | None) -> bool:
        try:
            return self._hasher.verify(password_hash or self._nobody, password) and password_hash is not None
        except VerifyMismatchError:
            return False


def is_common(password: str) -> bool:
    """Whether the password is among the ones that are tried first."""
    return password.casefold() in COMMON
