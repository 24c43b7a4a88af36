"""The audit log: entries of this service's events and of refusals, their order, and their protection."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.identity.api_key import CreateApiKey, RevokeApiKey
from contracts.identity.audit import AuditEntry, AuditFilter, ExportAuditEntries, ListAuditEntries, RecordEntries
from contracts.identity.login import LogIn, LogOut
from contracts.messages import Actor, Credential
from contracts.refusals import Code, Refusal
from identity.audit_log import ordered_id
from identity.operations import OPERATOR
from identity.queries import audit as queries
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from services.identity.tests.desk import PASSWORD, Desk, family_of

ADDRESS = "192.0.2.7"
LOGIN = Credential(kind="login", id=UUID(int=5))
NOW = datetime(2026, 11, 26, 12, 0, 0, 123456, UTC)


async def entries(desk: Desk, by: Actor = OPERATOR, **conditions: Any) -> list[AuditEntry]:
    return (await desk.ask(ListAuditEntries(filter=AuditFilter(**conditions)), by)).items


async def actions(desk: Desk, **conditions: Any) -> list[str]:
    return [entry.action for entry in await entries(desk, **conditions)]


def refusal(**changed: Any) -> AuditEntry:
    fields = {"id": new_id(), "at": NOW, "outcome": "denied", "action": "deleteSession", "correlation_id": "one"}
    return AuditEntry.model_validate(fields | changed)


async def test_a_change_names_who_did_it_and_from_where(desk: Desk) -> None:
    user_id, admin = await desk.register(), await desk.admin()
    envelope = Envelope.begin(correlation_id="request-1", actor=admin, client_address=ADDRESS, credential=LOGIN)
    await desk.dispatcher.send(desk.change_of(user_id, role="viewer"), envelope)
    [entry, *_] = await entries(desk)
    assert (entry.action, entry.outcome) == ("identity.role_changed", "succeeded")
    assert (entry.user_id, entry.role, entry.credential) == (admin.user_id, "admin", LOGIN)
    assert (entry.resource_type, entry.resource_id, entry.owner_id) == ("user", user_id, user_id)
    assert (entry.client_address, entry.correlation_id) == (ADDRESS, "request-1")
    assert entry.causation_id == envelope.message_id


async def test_a_login_is_done_by_the_account_that_logs_in(desk: Desk) -> None:
    user_id = await desk.register()
    login = LogIn(email="ada@example.com", password=PASSWORD)
    await desk.dispatcher.send(login, Envelope.begin(client_address=ADDRESS))
    [entry] = await entries(desk, actions=["identity.user_logged_in"])
    assert (entry.user_id, entry.client_address) == (user_id, ADDRESS)


async def test_an_api_key_is_a_resource_of_its_own(desk: Desk) -> None:
    user_id, key_id = await desk.register(), new_id()
    actor = Actor(user_id=user_id, role="user")
    await desk.send(CreateApiKey(key_id=key_id, user_id=user_id, name="CI", scopes=["read"]), actor)
    await desk.send(RevokeApiKey(key_id=key_id), actor)
    found = await entries(desk, resource_id=key_id)
    assert [(entry.action, entry.resource_type, entry.owner_id) for entry in found] == [
        ("identity.api_key_revoked", "api_key", user_id),
        ("identity.api_key_created", "api_key", user_id),
    ]


async def test_what_the_service_does_by_itself_has_no_user(desk: Desk) -> None:
    await desk.admin()
    [entry] = await entries(desk)
    assert (entry.action, entry.user_id, entry.client_address) == ("identity.user_registered", None, None)


async def test_events_that_are_not_published_have_no_entry(desk: Desk) -> None:
    await desk.register()
    await desk.log_in()
    assert await actions(desk) == ["identity.user_logged_in", "identity.user_registered"]


async def test_the_events_of_one_append_are_in_their_order(desk: Desk) -> None:
    user_id = await desk.register()
    tokens = await desk.log_in()
    await desk.admin()
    await desk.send(LogOut(family_id=family_of(tokens)), Actor(user_id=user_id, role="user"))
    await desk.change(user_id, role="viewer", is_active=False)
    assert (await actions(desk))[:3] == [
        "identity.user_disabled",
        "identity.role_changed",
        "identity.token_family_revoked",
    ]


async def test_refusals_are_added_once(desk: Desk) -> None:
    command = RecordEntries(entries=[refusal(user_id=UUID(int=1)), refusal()])
    await desk.send(command)
    await desk.send(command)
    assert await actions(desk) == ["deleteSession", "deleteSession"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ["c", "b", "a"]),
        ({"user_id": UUID(int=1)}, ["a"]),
        ({"actions": ["session.*"]}, ["b", "a"]),
        ({"actions": ["session.created", "task.*"]}, ["c", "a"]),
        ({"actions": ["*_*"]}, []),
        ({"outcome": "denied"}, ["c", "b"]),
        ({"resource_id": UUID(int=2)}, ["b"]),
        ({"client_address": "2001:db8::1"}, ["c"]),
        ({"from_at": NOW + timedelta(microseconds=1)}, ["c", "b"]),
        ({"to_at": NOW + timedelta(microseconds=1)}, ["a"]),
        ({"actions": ["session.*"], "outcome": "denied"}, ["b"]),
    ],
)
async def test_entries_are_filtered(desk: Desk, conditions: dict[str, Any], expected: list[str]) -> None:
    later, latest = NOW + timedelta(microseconds=1), NOW + timedelta(seconds=1)
    first = refusal(correlation_id="a", action="session.created", outcome="succeeded", user_id=UUID(int=1))
    second = refusal(correlation_id="b", action="session.deleted", at=later, resource_id=UUID(int=2))
    third = refusal(correlation_id="c", action="task.created", at=latest, client_address="2001:db8::1")
    await desk.send(RecordEntries(entries=[third, first, second]))
    assert [entry.correlation_id for entry in await entries(desk, **conditions)] == expected


async def test_pages_continue_after_an_entry(desk: Desk) -> None:
    await desk.send(RecordEntries(entries=[refusal(at=NOW + timedelta(seconds=n)) for n in range(5)]))
    all_of = [entry.id for entry in await entries(desk)]
    page = await desk.ask(ListAuditEntries(limit=2, after=all_of[1]), OPERATOR)
    assert ([entry.id for entry in page.items], page.total, page.more) == (all_of[2:4], 5, True)


async def test_an_unknown_cursor_is_refused(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.AUDIT_ENTRY_NOT_FOUND):
        await desk.ask(ListAuditEntries(after=new_id()), OPERATOR)


async def test_the_total_is_counted_up_to_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.send(RecordEntries(entries=[refusal() for _ in range(5)]))
    object.__setattr__(queries.LISTING, "max_total", 3)
    try:
        page = await desk.ask(ListAuditEntries(limit=1), OPERATOR)
    finally:
        object.__setattr__(queries.LISTING, "max_total", queries.MAX_TOTAL)
    assert (page.total, page.more) == (3, True)


async def test_an_export_has_every_entry_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_EXPORTED", 2)
    await desk.send(RecordEntries(entries=[refusal(at=NOW + timedelta(seconds=n)) for n in range(5)]))
    exported, after = list[UUID](), None
    while part := await desk.ask(ExportAuditEntries(after=after), OPERATOR):
        exported += [entry.id for entry in part]
        after = exported[-1]
    assert exported == [entry.id for entry in await entries(desk)]


async def test_others_than_administrators_see_their_own_entries(desk: Desk) -> None:
    ada = Actor(user_id=UUID(int=1), role="user")
    await desk.send(RecordEntries(entries=[refusal(user_id=UUID(int=1)), refusal(user_id=UUID(int=2))]))
    assert [entry.user_id for entry in await entries(desk, ada)] == [UUID(int=1)]
    assert [entry.user_id for entry in await desk.ask(ExportAuditEntries(), ada)] == [UUID(int=1)]


async def test_entries_stay_when_their_account_is_disabled(desk: Desk) -> None:
    user_id = await desk.register()
    await desk.admin()
    await desk.change(user_id, is_active=False)
    assert await actions(desk, resource_id=user_id) == ["identity.user_disabled", "identity.user_registered"]


@pytest.mark.parametrize(("password", "code"), [("wrong", Code.INVALID_CREDENTIALS)])
async def test_a_failed_login_names_the_account(desk: Desk, password: str, code: Code) -> None:
    user_id = await desk.register()
    with pytest.raises(Refusal, match=code) as failed:
        await desk.log_in(password=password)
    assert failed.value.owner == user_id


async def test_a_login_to_no_account_names_none(desk: Desk) -> None:
    with pytest.raises(Refusal) as failed:
        await desk.log_in(email="eve@example.com")
    assert failed.value.owner is None


async def test_a_locked_login_names_the_account(desk: Desk) -> None:
    user_id = await desk.register()
    for _ in range(10):
        with pytest.raises(Refusal):
            await desk.log_in(password="wrong")
    with pytest.raises(Refusal, match=Code.ACCOUNT_LOCKED) as locked:
        await desk.log_in()
    assert locked.value.owner == user_id


def test_ids_sort_by_time_and_number() -> None:
    ids = [
        ordered_id(NOW),
        ordered_id(NOW, UUID(int=2**128 - 1), 1),
        ordered_id(NOW, UUID(int=0), 2),
        ordered_id(NOW + timedelta(microseconds=1)),
        ordered_id(NOW + timedelta(milliseconds=1)),
    ]
    assert ids == sorted(ids)
    assert {id.version for id in ids} == {7}


def test_an_id_is_the_same_again() -> None:
    assert ordered_id(NOW, UUID(int=7), 3) == ordered_id(NOW, UUID(int=7), 3)
