"""The routes of API keys, passwords and accounts."""

from typing import Any

import httpx
import pytest
from contracts.identity.api_key import ApiKeyView, CreateApiKey, ListApiKeys, NewApiKeyView, RevokeApiKey
from contracts.identity.login import LogIn, LogOutEverywhere
from contracts.identity.password import ChangePassword, IssuePasswordReset, PasswordResetView, ResetPassword
from contracts.identity.user import ChangeUser, CreateServiceAccount, GetUser
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import API_KEY, FAMILY, SESSION, TIME, USER
from gateway.clients.client_address import client_address
from starlette.requests import Request

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

AUTH, ADMIN = "/api/v1/auth", "/api/v1/admin"
KEY: dict[str, Any] = {
    "id": API_KEY, "user_id": USER, "name": "CI", "scopes": ["read"], "created_at": TIME,
    "expires_at": None, "last_used_at": None,
}  # fmt: skip
NEW_KEY = {"name": "CI", "scopes": ["write", "read", "read"]}
CHANGE = {"current_password": "plantedsecret-analytical engine", "new_password": "plantedsecret-difference engine"}
RESET = {"reset_token": "opaque", "new_password": "plantedsecret-difference engine"}


@pytest.fixture
async def admin(harness: Harness):
    async with harness.client("admin") as client:
        yield client


async def test_a_new_key_is_returned_once_and_not_cached(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateApiKey, NewApiKeyView.model_validate(KEY | {"key": "agk_x_y"}))
    response = await client.post(f"{AUTH}/api-keys", json=NEW_KEY)
    assert (response.status_code, response.json()["key"]) == (201, "agk_x_y")
    assert response.headers["cache-control"] == "no-store"
    [command] = services.of(CreateApiKey)
    assert (str(command.user_id), command.scopes) == (USER, ["read", "write"])


@each(
    "wrong",
    [
        {"name": " "},
        {"scopes": []},
        {"scopes": ["root"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00"},
        {"expires_at": 4070908800},
        {"role": "admin"},
        {"key_id": API_KEY},
    ],
)
async def test_an_invalid_key_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    response = await client.post(f"{AUTH}/api-keys", json=NEW_KEY | wrong)
    assert (response.status_code, response.json()["errors"][0]["loc"][:2]) == (422, ["body", next(iter(wrong))])


async def test_keys_are_listed_without_their_texts(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListApiKeys, Page(items=[ApiKeyView.model_validate(KEY)], total=1))
    response = await client.get(f"{AUTH}/api-keys")
    assert response.json()["items"] == [KEY]
    assert str(services.of(ListApiKeys)[0].user_id) == USER


async def test_keys_of_a_service_account_are_listed_by_its_id(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListApiKeys, Page[ApiKeyView](items=[], total=0))
    await client.get(f"{AUTH}/api-keys?user_id={SESSION}")
    assert str(services.of(ListApiKeys)[0].user_id) == SESSION


async def test_a_revoked_key_is_refused_by_this_gateway_immediately(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    await services.answer(RevokeApiKey, None)
    assert (await client.delete(f"{AUTH}/api-keys/{API_KEY}")).status_code == 204
    assert API_KEY in harness.gateway.revocations.families


async def test_a_logout_everywhere_ends_this_login_immediately(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogOutEverywhere, None)
    assert (await client.post(f"{AUTH}/logout-all")).status_code == 204
    assert (await client.get(f"{AUTH}/me")).status_code == 401


async def test_a_password_is_changed_from_this_login(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangePassword, None)
    assert (await client.post(f"{AUTH}/change-password", json=CHANGE)).status_code == 204
    [command] = services.of(ChangePassword)
    assert (str(command.family_id), command.client_address) == (FAMILY, "127.0.0.1")


async def test_a_wrong_current_password_is_422_and_names_the_field(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangePassword, Refused(code=Code.WRONG_PASSWORD, detail="current_password: Wrong."))
    response = await client.post(f"{AUTH}/change-password", json=CHANGE)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "current_password"])


async def test_a_password_is_reset_without_a_login(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(ResetPassword, None)
    assert (await anonymous.post(f"{AUTH}/reset-password", json=RESET)).status_code == 204
    assert services.of(ResetPassword) == [ResetPassword.model_validate(RESET)]


async def test_an_invalid_reset_token_is_422(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(ResetPassword, Refused(code=Code.INVALID_RESET_TOKEN, detail="Used."))
    response = await anonymous.post(f"{AUTH}/reset-password", json=RESET)
    assert (response.status_code, response.json()["error_code"]) == (422, "INVALID_RESET_TOKEN")


async def test_a_locked_account_is_429_with_the_time_to_wait(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, Refused(code=Code.ACCOUNT_LOCKED, detail="Locked.", retry_after=731))
    response = await anonymous.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert (response.status_code, response.json()["error_code"]) == (429, "ACCOUNT_LOCKED")
    assert (response.headers["retry-after"], response.json()["retry_after"]) == ("731", 731)


async def test_a_disabled_account_is_403(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(LogIn, Refused(code=Code.ACCOUNT_DISABLED, detail="Disabled."))
    response = await anonymous.post(f"{AUTH}/login", json={"email": "ada@example.com", "password": "x"})
    assert (response.status_code, response.json()["error_code"]) == (403, "ACCOUNT_DISABLED")


@each(("role", "scopes"), [("viewer", ["read"]), ("user", ["read", "write"]), ("admin", ["admin", "read", "write"])])
async def test_me_says_what_an_access_token_allows(
    harness: Harness, services: FakeServices, role: str, scopes: list[str]
):
    await services.answer(GetUser, samples.user(last_login_at=TIME))
    async with harness.client(role) as client:
        body = (await client.get(f"{AUTH}/me")).json()
    assert (body["scopes"], body["api_key_id"]) == (scopes, None)
    assert (body["last_login_at"], body["is_service_account"]) == (TIME, False)


async def test_an_administrator_changes_a_role(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeUser, samples.user(role="viewer"))
    response = await admin.patch(f"{ADMIN}/users/{SESSION}", json={"role": "viewer"})
    assert (response.status_code, response.json()["role"]) == (200, "viewer")
    [command] = services.of(ChangeUser)
    assert (str(command.user_id), command.role, command.is_active) == (SESSION, "viewer", None)


async def test_the_last_administrator_is_409(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeUser, Refused(code=Code.LAST_ADMIN, detail="Last."))
    response = await admin.patch(f"{ADMIN}/users/{USER}", json={"is_active": False})
    assert (response.status_code, response.json()["error_code"]) == (409, "LAST_ADMIN")


@each(
    "wrong",
    [
        {"role": "root"},
        {"role": None},
        {"is_active": None},
        {"is_active": "true"},
        {"email": "x@example.com"},
        {"password": "secret"},
    ],
)
async def test_other_properties_of_an_account_cannot_be_changed(admin: httpx.AsyncClient, wrong: dict[str, Any]):
    response = await admin.patch(f"{ADMIN}/users/{USER}", json=wrong)
    assert (response.status_code, response.json()["errors"][0]["loc"][:2]) == (422, ["body", next(iter(wrong))])


async def test_a_service_account_is_created(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateServiceAccount, samples.user(is_service_account=True))
    response = await admin.post(f"{ADMIN}/service-accounts", json={"username": "build"})
    assert (response.status_code, response.json()["is_service_account"]) == (201, True)
    assert response.headers["location"] == f"{ADMIN}/users/{response.json()['id']}"


async def test_a_password_reset_is_a_link_whose_token_browsers_do_not_send(
    admin: httpx.AsyncClient, services: FakeServices
):
    await services.answer(
        IssuePasswordReset, PasswordResetView.model_validate({"reset_token": "t", "expires_at": TIME})
    )
    response = await admin.post(f"{ADMIN}/users/{USER}/password-reset")
    assert (response.status_code, response.headers["cache-control"]) == (201, "no-store")
    assert response.json()["link"] == "http://localhost/console/#reset=t"


@each(
    ("host", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ],
)
def test_an_ipv6_client_counts_as_its_network(host: str, counted: str):
    assert client_address(Request({"type": "http", "client": (host, 1)})) == counted
