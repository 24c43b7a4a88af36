"""Accounts and tokens."""

from typing import Any

import httpx
import pytest
from contracts.identity.commands import LogIn, LogOut, RefreshTokens, RegisterUser
from contracts.identity.queries import GetUser
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import FAMILY, TIME, USER

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

AUTH = "/api/v1/auth"


async def test_a_registration_is_answered_with_the_account(stranger: httpx.AsyncClient, services: Services):
    await services.answer(RegisterUser, samples.user())
    answer = await stranger.post(f"{AUTH}/register", json=samples.REGISTRATION)
    assert answer.status_code == 201
    expected = {"id": USER, "email": "ada@example.com", "username": "ada", "role": "user", "created_at": TIME}
    assert expected.items() <= answer.json().items()
    assert "password" not in answer.text


async def test_an_email_address_is_case_folded(stranger: httpx.AsyncClient, services: Services):
    await services.answer(RegisterUser, samples.user())
    await stranger.post(f"{AUTH}/register", json=samples.REGISTRATION | {"email": "Ada@Example.COM"})
    command, envelope = services.heard[-1]
    assert command.email == "ada@example.com"
    assert envelope.actor is None


@pytest.mark.parametrize("given", ["\uff21\uff24\uff21@example.com", "\ufb01n@example.com", "ADA\u212a@example.com"])
async def test_letters_that_look_alike_are_one_in_an_email_address(
    stranger: httpx.AsyncClient, services: Services, given: str
):
    await services.answer(LogIn, samples.tokens())
    await stranger.post(f"{AUTH}/login", json={"email": given, "password": "x"})
    assert services.heard[-1][0].email in {"ada@example.com", "fin@example.com", "adak@example.com"}


async def test_a_login_that_found_no_turn_is_503_and_may_be_tried_again(
    stranger: httpx.AsyncClient, services: Services
):
    await services.answer(LogIn, Refused(code=Code.TOO_MANY_LOGINS, detail="Too many."))
    answer = await stranger.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "ada"},
        {"email": "ada@"},
        {"email": ["ada@example.com"]},
        {"username": "ad"},
        {"username": "a" * 51},
        {"username": "ada lovelace"},
        {"username": "ada\n"},
        {"password": "7 chars"},
        {"password": "x" * 1025},
        {"password": 12345678},
        {"full_name": ""},
        {"role": "admin"},
    ],
)
async def test_a_registration_that_is_not_valid_is_422(stranger: httpx.AsyncClient, wrong: dict[str, Any]):
    answer = await stranger.post(f"{AUTH}/register", json=samples.REGISTRATION | wrong)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["loc"] == ["body", next(iter(wrong))]


async def test_a_validation_error_does_not_repeat_the_password(stranger: httpx.AsyncClient):
    answer = await stranger.post(f"{AUTH}/register", json={"password": "hunter2", "email": 1})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_a_common_password_is_422_and_named(stranger: httpx.AsyncClient, services: Services):
    await services.answer(RegisterUser, Refused(code=Code.PASSWORD_TOO_COMMON, detail="Many use it."))
    answer = await stranger.post(f"{AUTH}/register", json=samples.REGISTRATION)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "PASSWORD_TOO_COMMON")
    assert answer.json()["errors"] == [
        {"loc": ["body", "password"], "msg": "Many use it.", "type": "password_too_common"}
    ]


@pytest.mark.parametrize("code", [Code.EMAIL_TAKEN, Code.USERNAME_TAKEN])
async def test_what_is_taken_is_409(stranger: httpx.AsyncClient, services: Services, code: Code):
    await services.answer(RegisterUser, Refused(code=code, detail="Taken."))
    answer = await stranger.post(f"{AUTH}/register", json=samples.REGISTRATION)
    assert (answer.status_code, answer.json()["error_code"]) == (409, code)


async def test_a_login_is_answered_with_tokens(stranger: httpx.AsyncClient, services: Services):
    await services.answer(LogIn, samples.tokens())
    answer = await stranger.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert answer.status_code == 200
    assert answer.json() == samples.tokens().model_dump()
    assert answer.headers["cache-control"] == "no-store"


async def test_wrong_credentials_are_401(stranger: httpx.AsyncClient, services: Services):
    await services.answer(LogIn, Refused(code=Code.INVALID_CREDENTIALS, detail="Wrong."))
    answer = await stranger.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_an_operator_at_localhost_can_log_in(stranger: httpx.AsyncClient, services: Services):
    await services.answer(LogIn, samples.tokens())
    answer = await stranger.post(f"{AUTH}/login", json={"email": "Admin@localhost", "password": "x"})
    assert answer.status_code == 200
    assert services.heard[-1][0].email == "admin@localhost"


async def test_a_refresh_is_answered_with_tokens(stranger: httpx.AsyncClient, services: Services):
    await services.answer(RefreshTokens, samples.tokens())
    answer = await stranger.post(f"{AUTH}/refresh", json={"refresh_token": "opaque"})
    assert answer.json() == samples.tokens().model_dump()


async def test_a_bad_refresh_token_is_401(stranger: httpx.AsyncClient, services: Services):
    await services.answer(RefreshTokens, Refused(code=Code.INVALID_REFRESH_TOKEN, detail="Used."))
    answer = await stranger.post(f"{AUTH}/refresh", json={"refresh_token": "opaque"})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "INVALID_REFRESH_TOKEN")


async def test_me_is_the_account_of_the_token(client: httpx.AsyncClient, services: Services):
    await services.answer_with(GetUser, lambda query: samples.user(id=query.user_id))
    answer = await client.get(f"{AUTH}/me")
    assert (answer.status_code, answer.json()["id"]) == (200, USER)


async def test_a_logout_ends_the_family_of_the_token(client: httpx.AsyncClient, services: Services):
    await services.answer(LogOut, None)
    answer = await client.post(f"{AUTH}/logout")
    command, envelope = services.heard[-1]
    assert (answer.status_code, answer.content) == (204, b"")
    assert str(command.family_id) == FAMILY
    assert str(envelope.actor.user_id if envelope.actor else None) == USER


async def test_after_a_logout_the_token_is_refused_at_once(client: httpx.AsyncClient, services: Services):
    await services.answer(LogOut, None)
    await client.post(f"{AUTH}/logout")
    assert (await client.get(f"{AUTH}/me")).status_code == 401


async def test_a_viewer_can_log_out(door: Door):
    await door.services.answer(LogOut, None)
    async with door.client("viewer") as viewer:
        assert (await viewer.post(f"{AUTH}/logout")).status_code == 204


async def test_the_public_keys_are_shown(stranger: httpx.AsyncClient):
    answer = await stranger.get("/.well-known/jwks.json")
    [key] = answer.json()["keys"]
    assert (key["kid"], key["crv"], key["alg"]) == ("key-0", "Ed25519", "EdDSA")
    assert "d" not in key


@pytest.mark.parametrize("name", ["ab", "a" * 51, "a b", "ada\n", "ad\u00e4"])
async def test_a_user_name_that_cannot_be_is_explained(stranger: httpx.AsyncClient, name: str):
    answer = await stranger.post(f"{AUTH}/register", json=samples.REGISTRATION | {"username": name})
    why = "username: Must be 3 to 50 ASCII letters, digits, dots, hyphens or underscores."
    assert (answer.status_code, answer.json()["detail"]) == (422, why)
