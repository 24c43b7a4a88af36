"""Passwords: Argon2id (RFC 9106), in threads as it is slow by design, and few at a time as it needs much memory."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from contracts.refusals import Code, Refusal
from runtime.bus.envelope import Envelope

from identity.credentials.fair_queue import MAX_CONCURRENT, FairQueue, Overloaded

COMMON_PASSWORDS = frozenset((Path(__file__).parent / "common_passwords.txt").read_text().split())
LOWER_PRIORITY = 3
"""How much higher the nice value of the threads that hash is than that of the service, so that a flood of logins takes
little CPU time from other requests. That of agents is 10 higher: nobody could log in while they keep the processors
busy, if hashing had no more than they have."""


class Passwords:
    """Hashes and verifies passwords, shared out fairly among accounts.

    `account` identifies the requested account, which may not exist, or the account and an address that is known for it.
    Methods that wait raise `Refusal` TOO_MANY_LOGINS, without hashing anything, if too many requests are waiting.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._queue = FairQueue()
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT, "passwords", initializer=_lower_priority)
        # Verified if there is no account, so that the reply for an unknown address takes as long as any other.
        self._dummy_hash = self._hasher.hash("nobody's password")

    async def hash(self, password: str, account: str, envelope: Envelope) -> str:
        """Return the Argon2id encoding of a password."""
        return await self._run(account, envelope, lambda: self._hasher.hash(password))

    async def matches(
        self,
        password: str,
        password_hash: str | None,
        account: str,
        envelope: Envelope,
        *,
        known: bool = False,
        begin: Callable[[], Awaitable[None]] | None = None,
    ) -> bool:
        """Return whether the password matches the hash; takes the same time without a hash, and returns False.

        A request is served first if the account has logged in from its address before (`known`). `begin` is called when
        it is the turn of this request, and may refuse it.
        """
        return await self._run(account, envelope, lambda: self.verify(password, password_hash), known, begin)

    async def _run[R](
        self,
        account: str,
        envelope: Envelope,
        work: Callable[[], R],
        known: bool = False,
        begin: Callable[[], Awaitable[None]] | None = None,
    ) -> R:
        try:
            async with self._queue.slot(account, known=known):
                _check_deadline(envelope)
                if begin:
                    await begin()
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except Overloaded:
            detail = "Too many logins are in progress. Nothing was changed; try again in a few seconds."
            raise Refusal(Code.TOO_MANY_LOGINS, detail) from None

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password matches the hash; blocks and ignores the queue, unlike `matches`."""
        try:
            return self._hasher.verify(password_hash or self._dummy_hash, password) and password_hash is not None
        except VerifyMismatchError:
            return False


def _check_deadline(envelope: Envelope) -> None:
    if envelope.expired:  # it passed in the queue: nobody waits for the reply any more
        raise Overloaded


def _lower_priority() -> None:
    # Linux has a nice value for each thread. The threads that Argon2 starts for its lanes inherit it.
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + LOWER_PRIORITY)


def is_common(password: str) -> bool:
    """Return whether the password is among those that attackers try first."""
    return password.casefold() in COMMON_PASSWORDS


def check_strength(field: str, password: str) -> None:
    """Check that a new password, the value of a field, is not among those that attackers try first.

    Raises:
        Refusal: PASSWORD_TOO_COMMON.
    """
    if is_common(password):
        raise Refusal(Code.PASSWORD_TOO_COMMON, f"{field}: Must not be one of the most common passwords.")
