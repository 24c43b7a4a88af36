"""Limits failed logins by account and by network address, exactly and over all replicas."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from contracts.refusals import Code, Refusal
from eventing.database import Connection, Database

WINDOW = timedelta(minutes=15)

# One statement, so that concurrent attempts wait for each other and none of them passes the limit. It counts the
# attempt as failed from the beginning: ten guesses that are sent at once are ten.
COUNT = """
    INSERT INTO login_failures AS stored (key, times, last_at) VALUES ($1, ARRAY[$2::timestamptz], $2)
    ON CONFLICT (key) DO UPDATE SET last_at = $2, times =
        ARRAY(SELECT at FROM unnest(stored.times) AS at WHERE at > $3 ORDER BY at) || $2::timestamptz
    WHERE (SELECT count(*) FROM unnest(stored.times) AS at WHERE at > $3) < $4
    RETURNING true"""
FIRST = "SELECT min(at) FROM login_failures, unnest(times) AS at WHERE key = $1 AND at > $2"
REMOVE = "UPDATE login_failures SET times = array_remove(times, $2) WHERE key = $1"


@dataclass(frozen=True)
class Attempt:
    """An attempt to log in. `limits` holds the number of failures that each of its keys may have."""

    database: Database
    account: bytes
    limits: Mapping[bytes, int]
    at: datetime

    async def begin(self) -> None:
        """Count the attempt as failed, until it succeeds.

        Raises:
            Refusal: ACCOUNT_LOCKED; too many attempts have failed for this account or from this address.
        """
        async with self.database.transaction() as connection:
            for key, limit in self.limits.items():  # the account first, so that transactions lock in one order
                if not await connection.fetchval(COUNT, key, self.at, self.at - WINDOW, limit):
                    raise await _locked(key, self.at, connection)

    async def succeed(self) -> None:
        """Forget the failures of the account: only its owner knows the password. Those of the address are kept."""
        await self.database.execute("DELETE FROM login_failures WHERE key = $1", self.account)
        for address in self.limits.keys() - {self.account}:
            await self.database.execute(REMOVE, address, self.at)


@dataclass(frozen=True)
class LoginAttempts:
    """The failed logins of the last 15 minutes. An unknown account is locked in the same way as an existing one."""

    database: Database
    max_per_account: int
    max_per_address: int

    def attempt(self, email: str, address: str | None, at: datetime) -> Attempt:
        """Return an attempt to log in, which is not counted before it begins."""
        account = _key("account", email)
        limits = {account: self.max_per_account}
        if address is not None:
            limits[_key("address", address)] = self.max_per_address
        return Attempt(self.database, account, limits, at)

    async def forget(self, email: str) -> None:
        """Forget the failures of an account, because its password was reset."""
        await self.database.execute("DELETE FROM login_failures WHERE key = $1", _key("account", email))

    async def remove_expired(self, now: datetime) -> None:
        """Delete what no longer counts."""
        await self.database.execute("DELETE FROM login_failures WHERE last_at <= $1", now - WINDOW)


async def _locked(key: bytes, now: datetime, connection: Connection) -> Refusal:
    first: datetime | None = await connection.fetchval(FIRST, key, now - WINDOW)
    seconds = max(1, ceil(((first or now) + WINDOW - now).total_seconds()))
    return Refusal(Code.ACCOUNT_LOCKED, f"Too many logins have failed. Try again in {seconds} s.", retry_after=seconds)


def _key(kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{kind} {value}".encode()).digest()
