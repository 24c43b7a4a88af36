"""How services learn to connect to servers, on whose behalf, and what prevents it."""

from typing import Any

import pytest
from contracts.mcp_registry.server import ResolveServers, SetServerEnabled
from contracts.mcp_registry.values import ResolvedServer, ServerConnection
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing.secrets.sealed_values import Secrets
from mcp_connection import ConnectionFailed, fingerprint
from mcp_registry.servers import ServerChanging
from runtime.bus.envelope import Envelope

from .desk import Desk
from .samples import ADMIN, OWNER, STRANGER, URL, program, remote, tool


async def resolve(desk: Desk, reference: object, actor: Actor = OWNER) -> ResolvedServer:
    [resolved] = await desk.ask(ResolveServers(references=[str(reference)]), actor)
    return resolved


async def connection(desk: Desk, reference: object, actor: Actor = OWNER) -> ServerConnection:
    resolved = await resolve(desk, reference, actor)
    assert resolved.connection, resolved
    return resolved.connection


async def test_a_server_is_resolved_with_its_secrets(desk: Desk) -> None:
    server = await desk.create(headers={"X-Key": "plantedsecret"})
    found = await connection(desk, "Tickets")
    assert (found.id, found.definition.url, found.headers, found.env) == (
        server.id,
        URL,
        {"X-Key": "plantedsecret"},
        {},
    )


async def test_a_program_is_resolved_with_its_variables(desk: Desk) -> None:
    server = await desk.create_program(TOKEN="plantedsecret")
    assert (await connection(desk, server.id)).env == {"TOKEN": "plantedsecret"}


async def test_servers_are_resolved_in_the_order_of_the_references(desk: Desk) -> None:
    for name in "ab":
        await desk.create(remote(name=name))
    found = await desk.ask(ResolveServers(references=["b", "missing", "a", "b"]))
    assert [each.reference for each in found] == ["b", "missing", "a", "b"]
    assert [each.connection and each.connection.definition.name for each in found] == ["b", None, "a", "b"]


async def test_a_name_means_an_own_server_before_a_global_one(desk: Desk) -> None:
    own, other = await desk.create(), await desk.create_global()
    assert (await connection(desk, "tickets")).id == own.id
    assert (await connection(desk, other.id)).id == other.id
    assert (await connection(desk, "tickets", STRANGER)).id == other.id


async def test_only_users_who_see_how_a_server_is_reached_see_why_it_fails(desk: Desk) -> None:
    server = await desk.create_global()
    hidden = [(await connection(desk, server.id, actor)).hides_target for actor in (STRANGER, ADMIN)]
    assert hidden == [True, False]


async def test_a_global_server_is_resolved_with_its_secrets_for_everybody(desk: Desk) -> None:
    server = await desk.create_global(headers={"X-Key": "plantedsecret"})
    assert (await connection(desk, server.id, STRANGER)).headers == {"X-Key": "plantedsecret"}


@pytest.mark.parametrize("actor", [STRANGER, ADMIN])
async def test_another_users_server_is_not_resolved(desk: Desk, actor: Actor) -> None:
    server = await desk.create()
    for reference in (server.id, "tickets", "missing"):
        resolved = await resolve(desk, reference, actor)
        assert (resolved.problem, resolved.connection) == ("not_found", None)
        assert str(reference) in resolved.detail


async def test_a_disabled_server_is_not_resolved(desk: Desk) -> None:
    server = await desk.create()
    await desk.send(SetServerEnabled(server_id=server.id, is_enabled=False))
    assert (await resolve(desk, server.id)).problem == "disabled"


async def test_a_server_without_its_authorization_is_not_resolved(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, failure=ConnectionFailed(Code.AUTHORIZATION_REQUIRED, "The server wants a token."))
    assert (await resolve(desk, server.id)).problem == "authorization_required"
    await desk.update(server.id, headers={"Authorization": "Bearer plantedsecret"})
    assert await connection(desk, server.id)


async def test_a_program_of_a_user_who_was_an_admin_is_not_resolved(desk: Desk) -> None:
    await desk.create(program(command="bash"), ADMIN)
    assert await connection(desk, "files", ADMIN)
    desk.actors.known[ADMIN.user_id] = demoted = Actor(user_id=ADMIN.user_id, role="user")
    resolved = await resolve(desk, "files", demoted)
    assert (resolved.problem, resolved.connection) == ("not_allowed", None)
    assert "bash" not in resolved.detail


async def test_variables_that_choose_the_code_need_an_admin_when_resolved(desk: Desk) -> None:
    await desk.create(program(), ADMIN, env={"PATH": "/opt"})
    desk.actors.known[ADMIN.user_id] = demoted = Actor(user_id=ADMIN.user_id, role="user")
    assert (await resolve(desk, "files", demoted)).problem == "not_allowed"


async def test_a_global_program_is_resolved_by_the_role_of_its_owner(desk: Desk) -> None:
    server = await desk.create_global(program(command="bash"))
    assert await connection(desk, server.id, STRANGER)
    del desk.actors.known[ADMIN.user_id]
    assert (await resolve(desk, server.id, STRANGER)).problem == "not_allowed"


async def test_an_allowed_program_needs_no_admin(desk: Desk) -> None:
    server = await desk.create_program()
    del desk.actors.known[OWNER.user_id]
    assert await connection(desk, server.id)


async def test_only_accepted_tools_are_resolved(desk: Desk) -> None:
    server = await desk.create()
    assert (await connection(desk, server.id)).accepted_tools is None
    old, new = tool("search"), tool("search", "new")
    await desk.check(server.id, old)
    await desk.check(server.id, new)
    assert (await connection(desk, server.id)).accepted_tools == {"search": fingerprint(old)}
    await desk.accept(server.id)
    assert (await connection(desk, server.id)).accepted_tools == {"search": fingerprint(new)}


async def test_the_version_grows_with_changes_and_not_with_checks(desk: Desk) -> None:
    server = await desk.create()
    versions = [(await connection(desk, server.id)).version]
    await desk.check(server.id, tool("search"))  # the first list is accepted
    versions.append((await connection(desk, server.id)).version)
    await desk.check(server.id, tool("search", "new"))
    assert (await connection(desk, server.id)).version == versions[-1]
    changes: list[dict[str, Any]] = [{"description": "new"}, {"headers": {"X-Key": "1"}}]
    for each in changes:
        await desk.update(server.id, **each)
        versions.append((await connection(desk, server.id)).version)
    assert versions == sorted({*versions})


def change_while_reading(desk: Desk, monkeypatch: pytest.MonkeyPatch, server_id: Any, times: int) -> None:
    """Change URL and secrets of a server each time that its secrets are read, a number of times."""
    read, left = Secrets.get, [*range(times)]

    async def get(*args: Any) -> dict[str, str]:
        values = await read(*args)
        if left:
            number = str(left.pop())
            await desk.update(server_id, url=f"https://{number}.example", headers={"X-Key": number})
        return values

    monkeypatch.setattr(Secrets, "get", get)


async def test_secrets_are_never_resolved_with_another_url(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await desk.create(headers={"X-Key": "first"})
    change_while_reading(desk, monkeypatch, server.id, 1)
    found = await connection(desk, server.id)
    assert (found.definition.url, found.headers) == ("https://0.example", {"X-Key": "0"})


async def test_a_server_that_changes_all_the_time_is_not_resolved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await desk.create(headers={"X-Key": "first"})
    change_while_reading(desk, monkeypatch, server.id, 100)
    with pytest.raises(ServerChanging):
        await desk.servers.get(server.id, Envelope.begin(actor=OWNER))


async def test_an_unknown_server_is_not_connected(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.MCP_SERVER_NOT_FOUND):
        await desk.servers.get(OWNER.user_id, Envelope.begin(actor=OWNER))
