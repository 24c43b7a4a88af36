"""API keys: creation, verification, use and revocation."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.identity.api_key import (
    CreateApiKey,
    GetApiKey,
    ListApiKeys,
    NewApiKeyView,
    RecordApiKeyUses,
    RevokeApiKey,
    VerifyApiKey,
)
from contracts.identity.user import CreateServiceAccount
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from runtime.clock import new_id, now
from runtime.secrets.api_key import ApiKeyText

from services.identity.tests.desk import Desk


@pytest.fixture
async def ada(desk: Desk) -> Actor:
    return Actor(user_id=await desk.register(), role="user")


async def create(desk: Desk, user: Actor, owner: UUID | None = None, **fields: Any) -> NewApiKeyView:
    body = {"key_id": new_id(), "user_id": owner or user.user_id, "name": "CI", "scopes": ["read"], **fields}
    return await desk.send(CreateApiKey.model_validate(body), user)


def verification(key: str) -> VerifyApiKey:
    text = ApiKeyText.parse(key)
    return VerifyApiKey(key_id=text.id, secret_hash=text.secret_hash)


async def refused(desk: Desk, key: str) -> str:
    with pytest.raises(Refusal, match=Code.INVALID_API_KEY) as refusal:
        await desk.ask(verification(key))
    return refusal.value.detail


async def test_a_key_authenticates_its_owner(desk: Desk, ada: Actor) -> None:
    expires_at = now() + timedelta(days=1)
    created = await create(desk, ada, scopes=["read", "write"], expires_at=expires_at)
    assert created.key.startswith("agk_")
    holder = await desk.ask(verification(created.key))
    assert (holder.actor, holder.scopes, holder.expires_at) == (ada, ["read", "write"], expires_at)


async def test_only_a_hash_of_the_key_is_stored(desk: Desk, ada: Actor) -> None:
    secret = ApiKeyText.parse((await create(desk, ada)).key).secret
    for table in ("events", "api_keys"):
        assert secret not in str(await desk.database.fetch(f"SELECT {table}::text FROM {table}"))  # noqa: S608


async def test_wrong_and_unknown_keys_get_the_same_refusal(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada)
    unknown = str(ApiKeyText.new(new_id()))
    wrong = str(ApiKeyText.new(created.id))
    assert await refused(desk, unknown) == await refused(desk, wrong)


async def test_a_key_acts_with_the_present_role(desk: Desk, ada: Actor) -> None:
    await desk.admin()
    created = await create(desk, ada)
    await desk.change(ada.user_id, role="viewer")
    assert (await desk.ask(verification(created.key))).actor.role == "viewer"


async def test_a_key_of_a_disabled_user_is_refused_until_enabled(desk: Desk, ada: Actor) -> None:
    await desk.admin()
    created = await create(desk, ada)
    await desk.change(ada.user_id, is_active=False)
    await refused(desk, created.key)
    await desk.change(ada.user_id, is_active=True)
    assert await desk.ask(verification(created.key))


async def test_a_revoked_key_is_refused_and_not_listed(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada)
    await desk.send(RevokeApiKey(key_id=created.id), ada)
    await refused(desk, created.key)
    assert (await desk.ask(ListApiKeys(user_id=ada.user_id), ada)).items == []
    [row] = await desk.database.fetch("SELECT family_id, reason FROM revoked_families")
    assert tuple(row.values()) == (created.id, "api_key")


async def test_another_users_key_is_not_found(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada)
    eve = Actor(user_id=await desk.register("eve@example.com", "eve"), role="user")
    for message in (RevokeApiKey(key_id=created.id), GetApiKey(key_id=created.id)):
        with pytest.raises(Refusal, match=Code.API_KEY_NOT_FOUND):
            await (desk.send(message, eve) if isinstance(message, RevokeApiKey) else desk.ask(message, eve))
    assert (await desk.ask(ListApiKeys(user_id=ada.user_id), eve)).items == []
    with pytest.raises(Refusal, match=Code.USER_NOT_FOUND):
        await create(desk, eve, owner=ada.user_id)


async def test_an_administrator_lists_and_revokes_any_key(desk: Desk, ada: Actor) -> None:
    created, admin = await create(desk, ada), await desk.admin()
    assert [key.id for key in (await desk.ask(ListApiKeys(user_id=ada.user_id), admin)).items] == [created.id]
    await desk.send(RevokeApiKey(key_id=created.id), admin)
    await refused(desk, created.key)


async def test_an_administrator_creates_keys_of_service_accounts(desk: Desk) -> None:
    admin, account = await desk.admin(), new_id()
    await desk.send(CreateServiceAccount(user_id=account, username="build"), admin)
    created = await create(desk, admin, owner=account)
    assert (await desk.ask(verification(created.key))).actor == Actor(user_id=account, role="user")


async def test_keys_are_listed_newest_first(desk: Desk, ada: Actor) -> None:
    created = [await create(desk, ada, name=name) for name in ("one", "two", "three")]
    page = await desk.ask(ListApiKeys(user_id=ada.user_id, limit=2), ada)
    assert ([key.name for key in page.items], page.total) == (["three", "two"], 3)
    assert created[0].last_used_at is None


async def test_the_last_use_is_stored_and_never_moves_back(desk: Desk, ada: Actor) -> None:
    created, used_at = await create(desk, ada), now()
    for at in (used_at, used_at - timedelta(hours=1)):
        await desk.send(RecordApiKeyUses(uses={created.id: at, new_id(): at}))
    assert (await desk.ask(GetApiKey(key_id=created.id), ada)).last_used_at == used_at
