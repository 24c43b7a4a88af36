"""Registration, login, refresh and logout."""

import asyncio
import time
from collections import Counter
from datetime import timedelta
from uuid import UUID

import jwt
import pytest
from contracts.identity.login import LogOut, RefreshTokens
from contracts.identity.user import EnsureAdmin
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from identity.aggregate import token_family
from identity.credentials.passwords import Passwords
from runtime.clock import new_id
from runtime.testing import background, eventually

from services.identity.tests.desk import PASSWORD, Desk


def claims(token: str) -> dict[str, str]:
    return jwt.decode(token, options={"verify_signature": False})


@pytest.mark.parametrize(
    ("email", "username", "code"),
    [("ada@example.com", "eve", Code.EMAIL_TAKEN), ("eve@example.com", "ADA", Code.USERNAME_TAKEN)],
)
async def test_email_and_username_are_unique(desk: Desk, email: str, username: str, code: Code) -> None:
    await desk.register()
    with pytest.raises(Refusal, match=code):
        await desk.register(email, username)


@pytest.mark.parametrize("username", ["ada.", "A-D-A", "a_da", "..ada"])
async def test_a_username_that_looks_like_an_existing_one_is_refused(desk: Desk, username: str) -> None:
    await desk.register()
    with pytest.raises(Refusal, match=Code.USERNAME_TAKEN):
        await desk.register("eve@example.com", username)


@pytest.mark.parametrize("username", ["admin", "Admin.", "ad-min", "root", "___"])
async def test_reserved_usernames_are_refused(desk: Desk, username: str) -> None:
    with pytest.raises(Refusal, match=Code.USERNAME_TAKEN):
        await desk.register(username=username)


async def test_of_concurrent_registrations_of_an_address_one_succeeds(desk: Desk) -> None:
    both = [desk.register("ada@example.com", name) for name in ("ada", "eve")]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Refusal", "UUID"]


async def test_a_common_password_is_refused(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.PASSWORD_TOO_COMMON):
        await desk.register(password="Password123")


async def test_registration_can_be_closed(desk: Desk) -> None:
    desk.close_registration()
    with pytest.raises(Refusal, match=Code.REGISTRATION_CLOSED):
        await desk.register()


async def test_a_login_returns_tokens_of_the_user(desk: Desk) -> None:
    user_id = await desk.register()
    tokens = await desk.log_in()
    assert (claims(tokens.access_token)["sub"], claims(tokens.access_token)["role"]) == (str(user_id), "user")
    assert (tokens.expires_in, tokens.refresh_expires_in) == (3600, 7 * 24 * 3600)


@pytest.mark.parametrize(
    ("email", "password"), [("ada@example.com", "plantedsecret-wrong password"), ("eve@example.com", PASSWORD)]
)
async def test_wrong_password_and_unknown_address_get_the_same_refusal(desk: Desk, email: str, password: str) -> None:
    await desk.register()
    with pytest.raises(Refusal) as refusal:
        await desk.log_in(email, password)
    assert (refusal.value.code, refusal.value.detail) == (
        Code.INVALID_CREDENTIALS,
        "The e-mail address or the password is wrong.",
    )


async def test_a_wrong_password_does_not_load_the_account(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.register()

    async def load(*_: object) -> None:
        raise AssertionError("the account was loaded")

    monkeypatch.setattr(desk.dispatcher.store, "load", load)
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.log_in(password="plantedsecret-wrong password")


async def test_a_user_that_an_earlier_release_registered_can_log_in(desk: Desk) -> None:
    await desk.register()
    await desk.database.execute("UPDATE users SET password_hash = NULL")
    assert await desk.log_in()


async def test_honest_users_can_log_in_while_a_hundred_clients_guess(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = [f"honest-{number}@example.com" for number in range(5)]
    for number, email in enumerate(honest):
        await desk.register(email, f"honest-{number}")
    verify = Passwords.verify

    def slow(passwords: Passwords, password: str, password_hash: str | None) -> bool:
        time.sleep(0.05)
        return verify(passwords, password, password_hash)

    monkeypatch.setattr(Passwords, "verify", slow)
    refusals, attempts = set[Code](), Counter[int]()

    async def guess(number: int) -> None:
        while True:
            try:
                await desk.log_in(f"guessed-{number}@example.com", "plantedsecret-wrong password")
            except Refusal as refusal:
                refusals.add(refusal.code)
                attempts[number] += 1
                await asyncio.sleep(0.01)

    async with background(*(guess(number) for number in range(100))):
        await eventually(lambda: len(attempts) == 100, within=60)  # none of the clients is new any more
        assert refusals == {Code.INVALID_CREDENTIALS, Code.TOO_MANY_LOGINS}
        for email in honest:
            assert await desk.log_in(email)


async def test_late_reuse_of_a_refresh_token_revokes_its_family(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.register()
    first = await desk.log_in()
    second = await desk.refresh(first.refresh_token)
    monkeypatch.setattr(token_family, "REUSE_GRACE_PERIOD", timedelta(seconds=-1))
    for used in (first, second):
        with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
            await desk.refresh(used.refresh_token)


async def test_two_tabs_that_refresh_concurrently_both_stay_logged_in(desk: Desk) -> None:
    await desk.register()
    first = await desk.log_in()
    both = await asyncio.gather(desk.refresh(first.refresh_token), desk.refresh(first.refresh_token))
    for tab in both:
        assert await desk.refresh(tab.refresh_token)


async def test_a_wrong_secret_with_the_right_ids_revokes_nothing(desk: Desk) -> None:
    await desk.register()
    first = await desk.log_in()
    ids = [UUID(claims(first.access_token)[name]).hex for name in ("sub", "sid")]
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        await desk.refresh(".".join([*ids, "made-up"]))
    assert await desk.refresh(first.refresh_token)


async def test_reuse_is_detected_after_many_refreshes_by_a_thief(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_family, "MAX_USED_TOKENS", 2)
    await desk.register()
    first = stolen = await desk.log_in()
    for _ in range(4):
        stolen = await desk.refresh(stolen.refresh_token)
    for token in (first, stolen):
        with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
            await desk.refresh(token.refresh_token)


async def test_a_refreshed_access_token_belongs_to_the_same_family(desk: Desk) -> None:
    await desk.register()
    first = await desk.log_in()
    second = await desk.send(RefreshTokens(refresh_token=first.refresh_token))
    assert claims(second.access_token)["sid"] == claims(first.access_token)["sid"]


@pytest.mark.parametrize("text", ["nonsense", f"{UUID(int=1)}.{UUID(int=2)}.secret"])
async def test_a_forged_refresh_token_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        await desk.send(RefreshTokens(refresh_token=text))


async def test_refreshing_after_a_logout_is_refused(desk: Desk) -> None:
    user_id = await desk.register()
    tokens = await desk.log_in()
    family_id = UUID(claims(tokens.access_token)["sid"])
    await desk.send(LogOut(family_id=family_id), Actor(user_id=user_id, role="user"))
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        await desk.send(RefreshTokens(refresh_token=tokens.refresh_token))


async def test_only_the_first_admin_is_created(desk: Desk) -> None:
    for email in ("one@example.com", "two@example.com"):
        await desk.send(EnsureAdmin(user_id=new_id(), email=email, password=PASSWORD))
    assert claims((await desk.log_in("one@example.com")).access_token)["role"] == "admin"
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.log_in("two@example.com")
