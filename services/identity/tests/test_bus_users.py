"""Bus users: creation, what they receive, and revocation."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from contracts.event_types import EVENT_TYPES
from contracts.identity.bus_user import (
    CreateBusUser,
    GetBusUser,
    ListBusUsers,
    NewBusUserView,
    ReplayBusUser,
    RevokeBusUser,
)
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from identity.aggregate.bus_user import MAX_BUS_USERS
from identity.app import service
from identity.programs import Program, ProgramDirectory, Programs
from runtime.bus.gatekeeper import Admission
from runtime.bus.nkeys import KeyPair
from runtime.clock import new_id, now

from services.identity.tests.desk import Desk


class Stream:
    """The stream of public events."""

    exists = False

    async def ensure_stream(self) -> None:
        self.exists = True


@pytest.fixture
def stream(desk: Desk) -> Stream:
    stream: Any = Stream()
    dependencies = desk.dispatcher.dependencies
    programs = replace(dependencies.programs, gatekeeper=stream)
    desk.dispatcher.dependencies = replace(dependencies, programs=programs)
    return stream


@pytest.fixture
async def ada(desk: Desk, stream: Stream) -> Actor:
    return Actor(user_id=await desk.register(), role="user")


async def create(desk: Desk, user: Actor, **fields: Any) -> NewBusUserView:
    body = {"bus_user_id": new_id(), "name": "billing", "types": ["*"], "all_users": False, **fields}
    return await desk.send(CreateBusUser.model_validate(body), user)


def directory(desk: Desk) -> ProgramDirectory:
    return ProgramDirectory(desk.database)


async def test_a_bus_user_receives_the_events_of_its_owner(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada)
    admission = await directory(desk).find(created.public_key)
    assert admission == Admission(created.consumer, (f"public.v1.{ada.user_id}.>",), created.since)


async def test_the_stream_exists_when_a_bus_user_is_created(desk: Desk, ada: Actor, stream: Stream) -> None:
    with pytest.raises(Refusal):
        await create(desk, ada, all_users=True)
    assert not stream.exists  # events are not published for nobody
    await create(desk, ada)
    assert stream.exists


async def test_the_seed_is_that_of_the_public_key(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada)
    assert KeyPair.of_seed(created.seed).public == created.public_key


async def test_the_seed_is_not_stored(desk: Desk, ada: Actor) -> None:
    seed = (await create(desk, ada)).seed
    for table in ("events", "bus_users", "audit_log"):
        assert seed not in str(await desk.database.fetch(f"SELECT {table}::text FROM {table}"))  # noqa: S608
        assert seed.encode().hex() not in str(await desk.database.fetch(f"SELECT {table}::text FROM {table}"))  # noqa: S608


async def test_only_the_wanted_types_are_received(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada, types=["session.run_completed", "session.cr*"])
    names = ("session.created", "session.run_completed")
    assert created.subjects == [f"public.v1.{ada.user_id}.{name}.*" for name in names]


@pytest.mark.parametrize("types", [[], ["session.run_complete"], ["nothing.*"], ["a b"], ["*"] * 33, [">"]])
async def test_types_that_match_nothing_are_refused(desk: Desk, ada: Actor, types: list[str]) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_EVENT_NAME):
        await create(desk, ada, types=types)


def test_a_type_that_no_release_knows_any_more_selects_nothing() -> None:
    program = Program(new_id(), new_id(), ["session.forgotten"], all_users=False, since=now())
    assert program.subjects == ()


def test_the_subjects_of_a_bus_user_do_not_overlap() -> None:
    program = Program(new_id(), new_id(), ["session.*", "session.run_*"], all_users=True, since=now())
    assert len(program.subjects) == len({*program.subjects}) < len(EVENT_TYPES)


async def test_only_administrators_get_the_events_of_all_users(desk: Desk, ada: Actor) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await create(desk, ada, all_users=True)
    created = await create(desk, await desk.admin(), all_users=True)
    assert created.subjects == ["public.v1.*.>"]


async def test_a_demoted_administrator_loses_the_events_of_all_users(desk: Desk, ada: Actor) -> None:
    await desk.admin()
    other = await desk.admin("other")
    every, own = await create(desk, other, all_users=True), await create(desk, other)
    await desk.change(other.user_id, role="user")
    assert await directory(desk).find(every.public_key) is None
    assert await directory(desk).find(own.public_key)


async def test_a_disabled_account_receives_nothing(desk: Desk, ada: Actor) -> None:
    await desk.admin()
    created = await create(desk, ada)
    await desk.change(ada.user_id, is_active=False)
    assert await directory(desk).find(created.public_key) is None
    await desk.change(ada.user_id, is_active=True)
    assert await directory(desk).find(created.public_key)


async def test_a_revoked_bus_user_receives_nothing(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada)
    await desk.send(RevokeBusUser(bus_user_id=created.id), ada)
    assert await directory(desk).find(created.public_key) is None
    with pytest.raises(Refusal, match=Code.BUS_USER_NOT_FOUND):
        await desk.send(RevokeBusUser(bus_user_id=created.id), ada)


async def test_a_bus_user_begins_again_at_a_time(desk: Desk, ada: Actor) -> None:
    created, since = await create(desk, ada), now()
    view = await desk.send(ReplayBusUser(bus_user_id=created.id, since=since), ada)
    assert view.since == since
    admission = await directory(desk).find(created.public_key)
    assert admission is not None
    assert admission.since == since


async def test_bus_users_of_others_are_not_found(desk: Desk, ada: Actor) -> None:
    created = await create(desk, ada)
    bob = Actor(user_id=await desk.register("bob@example.com", "bob"), role="user")
    for message in (RevokeBusUser(bus_user_id=created.id), ReplayBusUser(bus_user_id=created.id, since=now())):
        with pytest.raises(Refusal, match=Code.BUS_USER_NOT_FOUND):
            await desk.send(message, bob)
    with pytest.raises(Refusal, match=Code.BUS_USER_NOT_FOUND):
        await desk.ask(GetBusUser(bus_user_id=created.id), bob)
    assert (await desk.ask(ListBusUsers(), bob)).items == []


async def test_an_administrator_sees_and_revokes_all(desk: Desk, ada: Actor) -> None:
    created, admin = await create(desk, ada), await desk.admin()
    assert [each.id for each in (await desk.ask(ListBusUsers(user_id=ada.user_id), admin)).items] == [created.id]
    await desk.send(RevokeBusUser(bus_user_id=created.id), admin)
    assert (await desk.ask(ListBusUsers(), ada)).total == 0


async def test_an_account_has_a_bounded_number_of_bus_users(desk: Desk, ada: Actor) -> None:
    first: UUID = (await create(desk, ada)).id
    for _ in range(MAX_BUS_USERS - 1):
        await create(desk, ada)
    with pytest.raises(Refusal, match=Code.TOO_MANY_BUS_USERS):
        await create(desk, ada)
    await desk.send(RevokeBusUser(bus_user_id=first), ada)
    await create(desk, ada)


async def test_bus_users_are_refused_where_they_are_not_set_up(desk: Desk) -> None:
    user = Actor(user_id=await desk.register(), role="user")
    with pytest.raises(Refusal, match=Code.BUS_USERS_NOT_AVAILABLE):
        await create(desk, user)


class Connections:
    """Records whose connections are ended."""

    def __init__(self) -> None:
        self.ended = list[str]()

    async def end(self, *consumers: str) -> None:
        self.ended += consumers


async def test_bus_users_are_disconnected_where_no_more_are_admitted(desk: Desk) -> None:
    connections: Any = Connections()
    bus_user = new_id()
    await Programs(directory(desk), connections).disconnect(bus_user)
    assert connections.ended == [bus_user.hex]


@pytest.mark.parametrize("name", ["publish_role", "publish_disabled", "disconnect_revoked", "disconnect_replayed"])
def test_ending_access_is_never_given_up(name: str) -> None:
    reaction = service.reactions.by_name[name]
    assert reaction.on_dead_letter is reaction.react
