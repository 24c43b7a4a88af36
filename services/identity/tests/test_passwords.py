"""Changing a password, and resetting one that was lost."""

from typing import Any
from uuid import UUID

import pytest
from contracts.identity.login import LogIn, LogOutEverywhere
from contracts.identity.password import ChangePassword, IssuePasswordReset, ResetPassword
from contracts.identity.user import CreateServiceAccount
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from identity.credentials.passwords import Passwords
from runtime.clock import new_id

from services.identity.tests.desk import PASSWORD, Desk, family_of

ADA, NEW = "ada@example.com", "plantedsecret-difference engine"


@pytest.fixture
async def ada(desk: Desk) -> Actor:
    return Actor(user_id=await desk.register(ADA), role="user")


async def change(desk: Desk, ada: Actor, family_id: UUID, current: str = PASSWORD, new: str = NEW) -> None:
    await desk.send(ChangePassword(family_id=family_id, current_password=current, new_password=new), ada)


async def issue(desk: Desk, user_id: UUID) -> str:
    return (await desk.send(IssuePasswordReset(user_id=user_id), await desk.admin())).reset_token


async def reset(desk: Desk, token: str, new: str = NEW) -> None:
    await desk.send(ResetPassword(reset_token=token, new_password=new))


async def refused_refresh(desk: Desk, refresh_token: str) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        await desk.refresh(refresh_token)


async def test_a_changed_password_replaces_the_old_one(desk: Desk, ada: Actor) -> None:
    await change(desk, ada, family_of(await desk.log_in()))
    assert await desk.log_in(password=NEW)
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.log_in()


async def test_a_changed_password_ends_other_logins_but_not_this_one(desk: Desk, ada: Actor) -> None:
    this, other = await desk.log_in(), await desk.log_in()
    await change(desk, ada, family_of(this))
    assert await desk.refresh(this.refresh_token)
    await refused_refresh(desk, other.refresh_token)


async def test_a_wrong_current_password_is_refused_and_counted(desk: Desk, ada: Actor) -> None:
    family_id = family_of(await desk.log_in())
    for _ in range(10):
        with pytest.raises(Refusal, match=Code.WRONG_PASSWORD):
            await change(desk, ada, family_id, "plantedsecret-wrong password")
    with pytest.raises(Refusal, match=Code.ACCOUNT_LOCKED):
        await change(desk, ada, family_id)


async def test_a_new_password_must_not_be_a_common_one(desk: Desk, ada: Actor) -> None:
    with pytest.raises(Refusal, match="PASSWORD_TOO_COMMON: new_password: "):
        await change(desk, ada, family_of(await desk.log_in()), new="password123")


async def test_a_login_that_checked_the_old_password_is_refused(
    desk: Desk, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    family_id = family_of(await desk.log_in())
    matches = Passwords.matches

    async def change_meanwhile(passwords: Passwords, *arguments: Any, **named: Any) -> bool:
        result = await matches(passwords, *arguments, **named)
        monkeypatch.setattr(Passwords, "matches", matches)
        await change(desk, ada, family_id)
        return result

    monkeypatch.setattr(Passwords, "matches", change_meanwhile)
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.send(LogIn(email=ADA, password=PASSWORD))


async def test_logging_out_everywhere_ends_all_logins(desk: Desk, ada: Actor) -> None:
    both = [await desk.log_in(), await desk.log_in()]
    await desk.send(LogOutEverywhere(), ada)
    for tokens in both:
        await refused_refresh(desk, tokens.refresh_token)


async def test_a_reset_token_sets_the_password_once(desk: Desk, ada: Actor) -> None:
    token = await issue(desk, ada.user_id)
    await reset(desk, token)
    assert await desk.log_in(password=NEW)
    with pytest.raises(Refusal, match=Code.INVALID_RESET_TOKEN):
        await reset(desk, token)


async def test_a_reset_ends_all_logins(desk: Desk, ada: Actor) -> None:
    tokens = await desk.log_in()
    await reset(desk, await issue(desk, ada.user_id))
    await refused_refresh(desk, tokens.refresh_token)


async def test_a_reset_unlocks_the_account(desk: Desk, ada: Actor) -> None:
    for _ in range(10):
        with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
            await desk.log_in(password="plantedsecret-wrong password")
    await reset(desk, await issue(desk, ada.user_id))
    assert await desk.log_in(password=NEW)


async def test_a_refused_password_does_not_use_up_the_token(desk: Desk, ada: Actor) -> None:
    token = await issue(desk, ada.user_id)
    with pytest.raises(Refusal, match=Code.PASSWORD_TOO_COMMON):
        await reset(desk, token, "password123")
    await reset(desk, token)


@pytest.mark.parametrize("token", ["", "x", "x.y", f"{UUID(int=1).hex}.secret"])
async def test_a_forged_reset_token_is_refused(desk: Desk, token: str) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_RESET_TOKEN):
        await reset(desk, token)


async def test_a_made_up_reset_token_is_refused_without_hashing(
    desk: Desk, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Passwords, "hash")
    with pytest.raises(Refusal, match=Code.INVALID_RESET_TOKEN):
        await reset(desk, f"{ada.user_id.hex}.secret")


async def test_only_administrators_issue_resets(desk: Desk, ada: Actor) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.send(IssuePasswordReset(user_id=ada.user_id), ada)


async def test_a_service_account_cannot_log_in(desk: Desk) -> None:
    command = CreateServiceAccount(user_id=new_id(), username="build")
    view = await desk.send(command, await desk.admin())
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.log_in(view.email)
