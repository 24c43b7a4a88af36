"""The routes of accounts and tokens."""

from typing import Any

import httpx
from contracts.identity.login import LogIn, LogOut, RefreshTokens
from contracts.identity.user import GetUser, RegisterUser
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import FAMILY, TIME, USER

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

AUTH = "/api/v1/auth"


async def test_a_registration_returns_the_account(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RegisterUser, samples.user())
    response = await anonymous.post(f"{AUTH}/register", json=samples.REGISTRATION)
    assert response.status_code == 201
    expected = {"id": USER, "email": "ada@example.com", "username": "ada", "role": "user", "created_at": TIME}
    assert expected.items() <= response.json().items()
    assert "password" not in response.text


async def test_an_email_address_is_case_folded(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RegisterUser, samples.user())
    await anonymous.post(f"{AUTH}/register", json=samples.REGISTRATION | {"email": "Ada@Example.COM"})
    command, envelope = services.received[-1]
    assert command.email == "ada@example.com"
    assert envelope.actor is None


@each("email", ["\uff21\uff24\uff21@example.com", "\ufb01n@example.com", "ADA\u212a@example.com"])
async def test_compatible_letters_of_an_email_address_are_normalized(
    anonymous: httpx.AsyncClient, services: FakeServices, email: str
):
    await services.answer(LogIn, samples.tokens())
    await anonymous.post(f"{AUTH}/login", json={"email": email, "password": "x"})
    assert services.received[-1][0].email in {"ada@example.com", "fin@example.com", "adak@example.com"}


async def test_too_many_logins_are_503_with_retry_after(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, Refused(code=Code.TOO_MANY_LOGINS, detail="Too many."))
    response = await anonymous.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


@each(
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
async def test_an_invalid_registration_is_422(anonymous: httpx.AsyncClient, wrong: dict[str, Any]):
    response = await anonymous.post(f"{AUTH}/register", json=samples.REGISTRATION | wrong)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")
    assert response.json()["errors"][0]["loc"] == ["body", next(iter(wrong))]


@each(
    "email",
    [
        "ada\u200b@example.com",
        "\ufeffada@example.com",
        "ada@exam\u00adple.com",
        "ada@exam\u202eple.com",
        "ada@ex\u2024ample.com",
        "ada\uff20example.com",
        "ada\u3000@example.com",
        "ada@example.com\r\nbcc: eve@example.com",
        '"ada lovelace"@example.com',
        "ada@[127.0.0.1]",
        "a" * 300 + "@example.com",
    ],
)
async def test_an_email_address_with_a_trick_is_422(anonymous: httpx.AsyncClient, email: str):
    response = await anonymous.post(f"{AUTH}/register", json=samples.REGISTRATION | {"email": email})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "email"])


async def test_a_validation_error_does_not_repeat_the_password(anonymous: httpx.AsyncClient):
    response = await anonymous.post(f"{AUTH}/register", json={"password": "plantedsecret-hunter2", "email": 1})
    assert response.status_code == 422
    assert "plantedsecret-hunter2" not in response.text


async def test_a_common_password_is_422_and_names_the_field(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RegisterUser, Refused(code=Code.PASSWORD_TOO_COMMON, detail="password: Too common."))
    response = await anonymous.post(f"{AUTH}/register", json=samples.REGISTRATION)
    assert (response.status_code, response.json()["error_code"]) == (422, "PASSWORD_TOO_COMMON")
    assert response.json()["errors"] == [
        {"loc": ["body", "password"], "msg": "Too common", "type": "password_too_common"}
    ]


@each("code", [Code.EMAIL_TAKEN, Code.USERNAME_TAKEN])
async def test_a_taken_address_or_username_is_409(anonymous: httpx.AsyncClient, services: FakeServices, code: Code):
    await services.answer(RegisterUser, Refused(code=code, detail="Taken."))
    response = await anonymous.post(f"{AUTH}/register", json=samples.REGISTRATION)
    assert (response.status_code, response.json()["error_code"]) == (409, code)


async def test_a_login_returns_tokens(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, samples.tokens())
    response = await anonymous.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert response.status_code == 200
    assert response.json() == samples.tokens().model_dump()
    assert response.headers["cache-control"] == "no-store"


async def test_wrong_credentials_are_401(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, Refused(code=Code.INVALID_CREDENTIALS, detail="Wrong."))
    response = await anonymous.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_an_address_at_localhost_can_log_in(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, samples.tokens())
    response = await anonymous.post(f"{AUTH}/login", json={"email": "Admin@localhost", "password": "x"})
    assert response.status_code == 200
    assert services.received[-1][0].email == "admin@localhost"


async def test_a_refresh_returns_tokens(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RefreshTokens, samples.tokens())
    response = await anonymous.post(f"{AUTH}/refresh", json={"refresh_token": "opaque"})
    assert response.json() == samples.tokens().model_dump()


async def test_an_invalid_refresh_token_is_401(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RefreshTokens, Refused(code=Code.INVALID_REFRESH_TOKEN, detail="Used."))
    response = await anonymous.post(f"{AUTH}/refresh", json={"refresh_token": "opaque"})
    assert (response.status_code, response.json()["error_code"]) == (401, "INVALID_REFRESH_TOKEN")


async def test_me_is_the_account_of_the_token(client: httpx.AsyncClient, services: FakeServices):
    await services.answer_with(GetUser, lambda query: samples.user(id=query.user_id))
    response = await client.get(f"{AUTH}/me")
    assert (response.status_code, response.json()["id"]) == (200, USER)


async def test_a_logout_revokes_the_family_of_the_token(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogOut, None)
    response = await client.post(f"{AUTH}/logout")
    command, envelope = services.received[-1]
    assert (response.status_code, response.content) == (204, b"")
    assert str(command.family_id) == FAMILY
    assert str(envelope.actor.user_id if envelope.actor else None) == USER


async def test_the_access_token_is_refused_immediately_after_a_logout(
    client: httpx.AsyncClient, services: FakeServices
):
    await services.answer(LogOut, None)
    await client.post(f"{AUTH}/logout")
    assert (await client.get(f"{AUTH}/me")).status_code == 401


async def test_a_viewer_can_log_out(harness: Harness):
    await harness.services.answer(LogOut, None)
    async with harness.client("viewer") as viewer:
        assert (await viewer.post(f"{AUTH}/logout")).status_code == 204


async def test_the_public_keys_are_published(anonymous: httpx.AsyncClient):
    response = await anonymous.get("/.well-known/jwks.json")
    [key] = response.json()["keys"]
    assert (key["kid"], key["crv"], key["alg"]) == ("key-0", "Ed25519", "EdDSA")
    assert "d" not in key


@each("name", ["ab", "a" * 51, "a b", "ada\n", "ad\u00e4"])
async def test_the_error_of_an_invalid_username_explains_the_rule(anonymous: httpx.AsyncClient, name: str):
    response = await anonymous.post(f"{AUTH}/register", json=samples.REGISTRATION | {"username": name})
    why = "username: Must be 3 to 50 ASCII letters, digits, dots, hyphens or underscores."
    assert (response.status_code, response.json()["detail"]) == (422, why)
