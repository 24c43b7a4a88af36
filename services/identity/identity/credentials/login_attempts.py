"""Limits failed logins by account and by network address, exactly and over all replicas.

Failures from an address from which the account's owner has logged in before are counted separately, and by the account
alone: nobody can lock the owner out by wrong passwords from elsewhere, or for other accounts from the same address.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from contracts.refusals import Code, Refusal
from eventing.database import Connection, Database

WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)
"""How long an address is known after a login from it."""

# One statement, so that concurrent attempts wait for each other and none of them passes the limit. It counts the
# attempt as failed from the beginning: ten guesses that are sent at once are ten.
COUNT = """
    INSERT INTO login_failures AS stored (key, times, last_at, addresses)
    VALUES ($1, ARRAY[$2::timestamptz], $2, ARRAY[$5::bytea])
    ON CONFLICT (key) DO UPDATE SET last_at = $2, (times, addresses) = (
        SELECT array_append(array_agg(at ORDER BY at), $2), array_append(array_agg(address ORDER BY at), $5)
        FROM unnest(stored.times, stored.addresses) AS failure (at, address) WHERE at > $3)
    WHERE (SELECT count(*) FROM unnest(stored.times) AS at WHERE at > $3) < $4
    RETURNING true"""
FIRST = "SELECT min(at) FROM login_failures, unnest(times) AS at WHERE key = $1 AND at > $2"
IS_KNOWN = "SELECT EXISTS (SELECT FROM known_addresses WHERE key = $1 AND last_at > $2)"
REMEMBER = """
    INSERT INTO known_addresses (key, last_at) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at"""
# In the order of the addresses, so that concurrent transactions lock them in one order.
FORGET = """
    WITH forgotten AS (DELETE FROM login_failures WHERE key BETWEEN $1 AND $2 RETURNING times, addresses)
    SELECT address, array_agg(at) AS times FROM forgotten, unnest(times, addresses) AS failure (at, address)
    WHERE address IS NOT NULL GROUP BY address ORDER BY address"""
LAST = b"\xff" * 32
# EXCEPT ALL removes each time once: failures of several accounts may have the same time.
REMOVE = """
    UPDATE login_failures SET times = ARRAY(
        SELECT unnest(times) EXCEPT ALL SELECT unnest($2::timestamptz[]) ORDER BY 1) WHERE key = $1"""


@dataclass(frozen=True)
class Attempt:
    """An attempt to log in to an account, by a `client`: the account from one address, or None without an address.

    `limits` holds the number of failures that each of its keys may have: of the client if it is known, or else of the
    account and then of the address.
    """

    database: Database
    client: bytes | None
    limits: Mapping[bytes, int]
    at: datetime

    @property
    def address(self) -> bytes | None:
        """The key of the address, which stands after that of the account."""
        return self.client and self.client[len(LAST) :]

    @property
    def is_known(self) -> bool:
        """Whether the account has logged in from this address before."""
        return self.client in self.limits

    @property
    def payer(self) -> str:
        """Key of the queue in which an attempt waits: a known client does not wait with strangers."""
        return next(iter(self.limits)).hex()

    async def begin(self) -> None:
        """Count the attempt as failed, until it succeeds.

        Raises:
            Refusal: ACCOUNT_LOCKED or ADDRESS_LOCKED; too many attempts have failed for the account, or at the address.
        """
        async with self.database.transaction() as connection:
            for key, limit in self.limits.items():  # the account first, so that transactions lock in one order
                counted_too = self.address if key != self.address and self.address in self.limits else None
                if not await connection.fetchval(COUNT, key, self.at, self.at - WINDOW, limit, counted_too):
                    code = Code.ADDRESS_LOCKED if key == self.address else Code.ACCOUNT_LOCKED
                    raise await _locked(code, key, self.at, connection)

    async def succeed(self) -> None:
        """Forget the failures that were counted with this attempt, except those of the address.

        Those of strangers count on after the login of a known client: they would get ten more guesses for each one.
        """
        counted, *addresses = self.limits
        await self.database.execute("DELETE FROM login_failures WHERE key = $1", counted)
        for address in addresses:
            await self.database.execute(REMOVE, address, [self.at])
        if self.client:
            await self.database.execute(REMEMBER, self.client, self.at)


@dataclass(frozen=True)
class LoginAttempts:
    """The failed logins of the last 15 minutes. An unknown account is locked in the same way as an existing one."""

    database: Database
    max_per_account: int
    max_per_address: int

    async def attempt(self, email: str, address: str | None, at: datetime) -> Attempt:
        """Return an attempt to log in, which is not counted before it begins."""
        account = _key("account", email)
        if address is None:
            return Attempt(self.database, None, {account: self.max_per_account}, at)
        client = account + _key("address", address)
        if await self.database.fetchval(IS_KNOWN, client, at - KNOWN_FOR):
            limits = {client: self.max_per_account}
        else:
            limits = {account: self.max_per_account, _key("address", address): self.max_per_address}
        return Attempt(self.database, client, limits, at)

    async def forget(self, email: str) -> None:
        """Forget the failures of an account, also at the addresses they came from, because its password was reset."""
        account = _key("account", email)  # with which the keys of its clients begin
        async with self.database.transaction() as connection:
            for failures in await connection.fetch(FORGET, account, account + LAST):
                await connection.execute(REMOVE, failures["address"], failures["times"])

    async def remove_expired(self, now: datetime) -> None:
        """Delete what no longer counts."""
        await self.database.execute("DELETE FROM login_failures WHERE last_at <= $1", now - WINDOW)
        await self.database.execute("DELETE FROM known_addresses WHERE last_at <= $1", now - KNOWN_FOR)


async def _locked(code: Code, key: bytes, now: datetime, connection: Connection) -> Refusal:
    first: datetime | None = await connection.fetchval(FIRST, key, now - WINDOW)
    seconds = max(1, ceil(((first or now) + WINDOW - now).total_seconds()))
    of = "from this network address" if code is Code.ADDRESS_LOCKED else "for this account"
    return Refusal(code, f"Too many logins {of} have failed. Try again in {seconds} s.", retry_after=seconds)


def _key(kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{kind} {value}".encode()).digest()
