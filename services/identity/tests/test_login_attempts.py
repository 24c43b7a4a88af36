"""Limits of failed logins, by account and by network address."""

import asyncio
from datetime import timedelta

import pytest
from contracts.refusals import Code, Refusal
from identity.credentials import login_attempts
from identity.credentials.fair_queue import MAX_PER_KEY
from identity.credentials.login_attempts import LoginAttempts
from identity.credentials.passwords import Passwords
from runtime.clock import now

from services.identity.tests.desk import Desk

ADA, NOBODY = "ada@example.com", "nobody@example.com"
WRONG = "plantedsecret-wrong password"


async def outcome(desk: Desk, email: str = ADA, password: str = WRONG, address: str | None = None) -> Code | None:
    try:
        await desk.log_in(email, password, address)
    except Refusal as refusal:
        return refusal.code
    return None


async def fail(desk: Desk, times: int, email: str = ADA, address: str | None = None) -> None:
    for _ in range(times):
        assert await outcome(desk, email, address=address) is Code.INVALID_CREDENTIALS


@pytest.fixture
async def ada(desk: Desk) -> str:
    await desk.register(ADA)
    return ADA


@pytest.mark.parametrize("email", [ADA, NOBODY], ids=["known", "unknown"])
async def test_an_account_is_locked_after_ten_failures_whether_or_not_it_exists(desk: Desk, ada: str, email: str):
    await fail(desk, 10, email)
    with pytest.raises(Refusal, match=Code.ACCOUNT_LOCKED) as refusal:
        await desk.log_in(email)
    assert refusal.value.retry_after
    assert 0 < refusal.value.retry_after <= 15 * 60


async def test_a_locked_account_costs_no_hash(desk: Desk, ada: str, monkeypatch: pytest.MonkeyPatch):
    await fail(desk, 10)
    monkeypatch.delattr(Passwords, "verify")
    assert await outcome(desk) is Code.ACCOUNT_LOCKED


async def test_other_accounts_are_not_locked(desk: Desk, ada: str):
    await fail(desk, 10, NOBODY)
    assert await desk.log_in(ada)


async def test_an_address_is_locked_whatever_accounts_it_tries(desk: Desk, ada: str):
    for number in range(20):
        await fail(desk, 1, f"{number}@example.com", "192.0.2.1")
    assert await outcome(desk, ada, address="192.0.2.1") is Code.ADDRESS_LOCKED
    assert await desk.log_in(ada, address="192.0.2.2")


async def test_a_locked_address_does_not_count_against_the_account(desk: Desk, ada: str):
    for number in range(20):
        await fail(desk, 1, f"{number}@example.com", "192.0.2.1")
    for _ in range(10):
        assert await outcome(desk, ada, address="192.0.2.1") is Code.ADDRESS_LOCKED
    assert await desk.log_in(ada, address="192.0.2.2")


async def test_a_login_forgets_the_failures_of_its_account(desk: Desk, ada: str):
    await fail(desk, 9)
    await desk.log_in(ada)
    await fail(desk, 9)
    assert await desk.log_in(ada)


async def test_a_login_does_not_forget_the_failures_of_its_address(desk: Desk, ada: str):
    for number in range(20):
        await desk.log_in(ada, address="192.0.2.1")
        await fail(desk, 1, f"{number}@example.com", "192.0.2.1")
    assert await outcome(desk, NOBODY, address="192.0.2.1") is Code.ADDRESS_LOCKED


async def test_a_locked_address_is_open_to_accounts_that_are_known_there(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    for number in range(20):
        await fail(desk, 1, f"{number}@example.com", "192.0.2.1")
    await fail(desk, 9, address="192.0.2.1")
    assert await desk.log_in(ada, address="192.0.2.1")


async def test_failures_of_known_accounts_do_not_lock_their_address(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    for _ in range(3):
        await fail(desk, 9, address="192.0.2.1")
        await desk.log_in(ada, address="192.0.2.1")
    assert await outcome(desk, NOBODY, address="192.0.2.1") is Code.INVALID_CREDENTIALS


async def test_strangers_cannot_lock_an_owner_out(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    await fail(desk, 10, address="198.51.100.1")
    assert await desk.log_in(ada, address="192.0.2.1")


async def test_an_owners_address_is_known_for_their_account_only(desk: Desk, ada: str):
    await desk.register("eve@example.com", "eve")
    await desk.log_in("eve@example.com", address="192.0.2.1")
    await fail(desk, 10, address="198.51.100.1")
    assert await outcome(desk, ada, address="192.0.2.1") is Code.ACCOUNT_LOCKED


async def test_failures_from_a_known_address_are_limited(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    await fail(desk, 10, address="192.0.2.1")
    assert await outcome(desk, ada, address="192.0.2.1") is Code.ACCOUNT_LOCKED


async def test_a_reset_unlocks_the_account_at_a_known_address(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    await fail(desk, 10, address="192.0.2.1")
    await desk.dispatcher.dependencies.attempts.forget(ada)
    assert await desk.log_in(ada, address="192.0.2.1")


async def test_a_reset_does_not_unlock_other_accounts(desk: Desk, ada: str):
    await fail(desk, 10, address="192.0.2.1")
    await desk.dispatcher.dependencies.attempts.forget(NOBODY)
    assert await outcome(desk, ada) is Code.ACCOUNT_LOCKED


async def test_a_reset_unlocks_the_address_that_the_owner_tried_from(desk: Desk, ada: str):
    for email in (NOBODY, ada):  # as many as lock the address
        await fail(desk, 10, email, "192.0.2.1")
    await desk.dispatcher.dependencies.attempts.forget(ada)
    assert await desk.log_in(ada, address="192.0.2.1")


async def test_a_reset_keeps_the_failures_of_others_at_the_address(desk: Desk, ada: str):
    for email in (NOBODY, ada):
        await fail(desk, 10, email, "192.0.2.1")
    await desk.dispatcher.dependencies.attempts.forget(ada)
    await fail(desk, 10, address="192.0.2.1")
    assert await outcome(desk, "other@example.com", address="192.0.2.1") is Code.ADDRESS_LOCKED


async def test_a_reset_keeps_what_failed_for_others_at_the_same_microsecond(desk: Desk):
    attempts, at = LoginAttempts(desk.database, 10, 2), now()
    for email, address in ((ADA, "192.0.2.1"), (NOBODY, "192.0.2.1"), (NOBODY, "192.0.2.2")):
        await (await attempts.attempt(email, address, at)).begin()
    await attempts.forget(ADA)
    assert await failures_until_locked(attempts, "192.0.2.1") == 1
    assert await failures_until_locked(attempts, "192.0.2.2") == 1


async def test_a_login_keeps_what_failed_for_others_at_the_same_microsecond(desk: Desk):
    attempts, at = LoginAttempts(desk.database, 10, 2), now()
    one, other = [await attempts.attempt(email, "192.0.2.1", at) for email in (ADA, NOBODY)]
    await one.begin()
    await other.begin()
    await one.succeed()
    assert await failures_until_locked(attempts, "192.0.2.1") == 1


async def test_a_reset_forgets_no_more_than_the_account_has_failed(desk: Desk):
    attempts, at = LoginAttempts(desk.database, 3, 10), now()
    times = [at - login_attempts.WINDOW, *(at + timedelta(seconds=number) for number in range(1, 4))]
    for number, time in enumerate(times):  # the first one has expired when the last one is counted
        await (await attempts.attempt(ADA, f"192.0.2.{number % 2}", time)).begin()
    await attempts.forget(ADA)
    assert [await failures_until_locked(attempts, f"192.0.2.{number}") for number in range(2)] == [10, 10]


async def test_failures_that_an_earlier_release_counted_do_not_prevent_a_reset(desk: Desk):
    attempts = LoginAttempts(desk.database, 10, 10)
    await (await attempts.attempt(ADA, "192.0.2.1", now())).begin()
    await desk.database.execute("UPDATE login_failures SET addresses = DEFAULT")
    await (await attempts.attempt(ADA, "192.0.2.1", now())).begin()
    await attempts.forget(ADA)
    assert await failures_until_locked(attempts, "192.0.2.1") == 9


async def test_a_reset_beside_failing_logins_does_not_deadlock(desk: Desk, ada: str):
    attempts = desk.dispatcher.dependencies.attempts
    for _ in range(10):
        guesses = [await attempts.attempt(ada, f"192.0.2.{number}", now()) for number in range(8)]
        works = [guess.begin() for guess in guesses] + [attempts.forget(ada), attempts.forget(NOBODY)]
        results = await asyncio.gather(*works, return_exceptions=True)
        assert [each for each in results if each and not isinstance(each, Refusal)] == []


async def failures_until_locked(attempts: LoginAttempts, address: str) -> int:
    """Return how many more logins to other accounts may fail at an address."""
    for number in range(attempts.max_per_address + 1):
        try:
            await (await attempts.attempt(f"{number}@example.com", address, now())).begin()
        except Refusal:
            return number
    raise AssertionError("the address is not limited")


async def test_a_login_of_a_known_client_keeps_the_failures_of_strangers(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    await fail(desk, 10, address="198.51.100.1")
    await desk.log_in(ada, address="192.0.2.1")
    assert await outcome(desk, ada, address="198.51.100.2") is Code.ACCOUNT_LOCKED


async def test_a_login_forgets_the_failures_of_its_client(desk: Desk, ada: str):
    for _ in range(2):
        await desk.log_in(ada, address="192.0.2.1")
        await fail(desk, 9, address="192.0.2.1")
    assert await desk.log_in(ada, address="192.0.2.1")


async def test_an_address_is_not_known_for_ever(desk: Desk, ada: str, monkeypatch: pytest.MonkeyPatch):
    await desk.log_in(ada, address="192.0.2.1")
    monkeypatch.setattr(login_attempts, "KNOWN_FOR", timedelta())
    await fail(desk, 10, address="198.51.100.1")
    assert await outcome(desk, ada, address="192.0.2.1") is Code.ACCOUNT_LOCKED


async def test_a_known_client_does_not_wait_with_strangers(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    attempts, at = desk.dispatcher.dependencies.attempts, now()
    addresses = ("192.0.2.1", "198.51.100.1", "198.51.100.2")
    known, one, other = [await attempts.attempt(ada, address, at) for address in addresses]
    assert (known.payer == one.payer, one.payer == other.payer) == (False, True)
    assert (known.is_known, one.is_known, other.is_known) == (True, False, False)


async def test_failures_expire(desk: Desk, ada: str, monkeypatch: pytest.MonkeyPatch):
    await fail(desk, 10)
    monkeypatch.setattr(login_attempts, "WINDOW", timedelta())
    assert await desk.log_in(ada)


async def test_guesses_that_are_sent_at_once_do_not_pass_the_limit(desk: Desk):
    attempts, at = desk.dispatcher.dependencies.attempts, now()
    guesses = [await attempts.attempt(ADA, None, at) for _ in range(40)]
    begun = await asyncio.gather(*(guess.begin() for guess in guesses), return_exceptions=True)
    assert sum(not isinstance(attempt, Refusal) for attempt in begun) == 10


async def test_a_login_that_was_not_checked_is_not_counted(desk: Desk, ada: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("identity.credentials.fair_queue.MAX_PER_KEY", 0)
    for _ in range(10):
        assert await outcome(desk, address="192.0.2.1") is Code.TOO_MANY_LOGINS
    monkeypatch.setattr("identity.credentials.fair_queue.MAX_PER_KEY", MAX_PER_KEY)
    assert await desk.log_in(ada, address="192.0.2.1")


async def test_expired_failures_are_deleted(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    await fail(desk, 1)
    attempts: LoginAttempts = desk.dispatcher.dependencies.attempts
    await attempts.remove_expired(now())
    assert await desk.database.fetchval("SELECT count(*) FROM login_failures") == 1
    await attempts.remove_expired(now() + timedelta(minutes=16))
    assert await desk.database.fetchval("SELECT count(*) FROM login_failures") == 0


async def test_known_addresses_are_deleted_after_a_month(desk: Desk, ada: str):
    await desk.log_in(ada, address="192.0.2.1")
    attempts: LoginAttempts = desk.dispatcher.dependencies.attempts
    await attempts.remove_expired(now())
    assert await desk.database.fetchval("SELECT count(*) FROM known_addresses") == 1
    await attempts.remove_expired(now() + timedelta(days=31))
    assert await desk.database.fetchval("SELECT count(*) FROM known_addresses") == 0


async def test_neither_addresses_nor_accounts_are_stored_in_clear(desk: Desk, ada: str):
    await fail(desk, 1, address="192.0.2.1")
    await desk.log_in(ada, address="192.0.2.1")
    await fail(desk, 1, address="192.0.2.1")
    stored = str(await desk.database.fetch("SELECT * FROM login_failures, known_addresses"))
    assert ADA not in stored
    assert "192.0.2.1" not in stored


async def test_known_and_unknown_accounts_cost_the_same_hashes(desk: Desk, ada: str, monkeypatch: pytest.MonkeyPatch):
    verify, calls = Passwords.verify, list[bool]()

    def counted(passwords: Passwords, password: str, password_hash: str | None) -> bool:
        calls.append(password_hash is not None)
        return verify(passwords, password, password_hash)

    monkeypatch.setattr(Passwords, "verify", counted)
    await fail(desk, 1, ADA)
    await fail(desk, 1, NOBODY)
    assert calls == [True, False]
