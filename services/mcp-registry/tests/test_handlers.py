"""Who may create and change which servers."""

from typing import Any

import pytest
from contracts.mcp_registry.check import AcceptTools, CheckServer
from contracts.mcp_registry.server import DeleteServer, SetServerEnabled, UpdateServer
from contracts.mcp_registry.values import MAX_SERVERS
from contracts.messages import Actor, Command
from contracts.refusals import Code, Refusal
from mcp_registry.aggregate.check import tools_version
from mcp_registry.commands import AllowedCommands
from runtime.clock import new_id
from runtime.variable_names import CODE_PREFIXES, CODE_VARIABLES

from .desk import Desk
from .samples import ADMIN, OWNER, STRANGER, program, remote, tool

CHANGES: list[type[Command[Any]]] = [UpdateServer, SetServerEnabled, DeleteServer, AcceptTools]


def command(kind: type[Command[Any]], server_id: object) -> Command[Any]:
    version = {"tools_version": tools_version({})} if kind is AcceptTools else {}
    return kind.model_validate({**kind.sample, **version, "server_id": server_id})


@pytest.mark.parametrize("kind", [*CHANGES, CheckServer])
async def test_another_users_server_is_not_found(desk: Desk, kind: type[Command[Any]]) -> None:
    server = await desk.create()
    with pytest.raises(Refusal, match=Code.MCP_SERVER_NOT_FOUND):
        await desk.send(command(kind, server.id), STRANGER)


@pytest.mark.parametrize("kind", CHANGES)
async def test_an_admin_changes_the_servers_of_others(desk: Desk, kind: type[Command[Any]]) -> None:
    server = await desk.create()
    await desk.send(command(kind, server.id), ADMIN)


@pytest.mark.parametrize("kind", CHANGES)
async def test_only_admins_change_a_global_server(desk: Desk, kind: type[Command[Any]]) -> None:
    server = await desk.create_global()
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.send(command(kind, server.id))
    await desk.send(command(kind, server.id), ADMIN)


async def test_an_owner_who_is_no_admin_any_more_cannot_change_a_global_server(desk: Desk) -> None:
    server = await desk.create_global()
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.send(DeleteServer(server_id=server.id), Actor(user_id=ADMIN.user_id, role="user"))


async def test_a_user_of_a_global_server_may_request_a_check(desk: Desk) -> None:
    server = await desk.create_global()
    await desk.do_job(server.id)
    assert await desk.in_progress() == []
    await desk.send(CheckServer(server_id=server.id, check_id=new_id()), STRANGER)
    assert len(await desk.in_progress()) == 1


async def test_a_check_in_progress_is_returned_to_another_request(desk: Desk) -> None:
    server = await desk.create()
    assert [await desk.request_check(server.id)] * 2 == [*await desk.in_progress(), await desk.request_check(server.id)]


async def test_only_admins_make_servers_global(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.create(remote(is_global=True))
    server = await desk.create()
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.update(server.id, is_global=True)
    assert (await desk.update(server.id, ADMIN, is_global=True)).is_global


async def test_users_start_only_commands_in_the_list(desk: Desk) -> None:
    assert (await desk.create_program()).command == "files-mcp"
    for near in ("bash", "files-mcp ", "/bin/files-mcp"):
        with pytest.raises(Refusal, match=Code.COMMAND_NOT_ALLOWED):
            await desk.create(program(name="other", command=near))


async def test_admins_start_any_command(desk: Desk) -> None:
    assert (await desk.create(program(command="bash"), ADMIN)).command == "bash"


async def test_a_command_is_checked_at_an_update_too(desk: Desk) -> None:
    server = await desk.create_program()
    with pytest.raises(Refusal, match=f"{Code.COMMAND_NOT_ALLOWED}: .*`MCP_ALLOWED_COMMANDS`"):
        await desk.update(server.id, command="bash")


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH"])
async def test_users_do_not_set_variables_that_choose_the_code(desk: Desk, name: str) -> None:
    with pytest.raises(Refusal, match=f"{Code.COMMAND_NOT_ALLOWED}: env: .*{name}"):
        await desk.create(program(), env={name: "/workspace"})
    server = await desk.create_program()
    with pytest.raises(Refusal, match=Code.COMMAND_NOT_ALLOWED):
        await desk.update(server.id, env={name: "/workspace"})
    assert await desk.create(program(), ADMIN, env={name: "/opt"})


def test_no_variable_that_makes_programs_run_other_code_is_for_everybody() -> None:
    allowed = AllowedCommands(frozenset({"files-mcp"}))
    names = [*sorted(CODE_VARIABLES), *(f"{prefix}X" for prefix in CODE_PREFIXES)]
    assert [name for name in names if name not in (allowed.problem(program(), [name]) or "")] == []


@pytest.mark.parametrize("name", ["tickets", "TICKETS", "\uff54ickets"])
async def test_the_name_of_another_own_server_is_taken(desk: Desk, name: str) -> None:
    await desk.create(remote(name="Tickets"))
    with pytest.raises(Refusal, match=Code.SERVER_NAME_TAKEN):
        await desk.create(remote(name=name))


async def test_a_name_is_taken_at_an_update_too(desk: Desk) -> None:
    await desk.create(remote(name="a"))
    server = await desk.create(remote(name="b"))
    with pytest.raises(Refusal, match=Code.SERVER_NAME_TAKEN):
        await desk.update(server.id, name="A")
    assert (await desk.update(server.id, name="B")).name == "B"


async def test_users_may_have_servers_of_the_same_name(desk: Desk) -> None:
    for actor in (OWNER, STRANGER, ADMIN):
        assert (await desk.create(actor=actor)).name == "tickets"


async def test_the_name_of_a_deleted_server_is_free(desk: Desk) -> None:
    await desk.send(DeleteServer(server_id=(await desk.create()).id))
    assert await desk.create()


@pytest.mark.parametrize("actor", [OWNER, ADMIN])
async def test_an_owner_has_a_limited_number_of_servers(desk: Desk, actor: Actor) -> None:
    for number in range(MAX_SERVERS):
        await desk.create(remote(name=f"server {number}"), actor)
    with pytest.raises(Refusal, match=Code.TOO_MANY_SERVERS):
        await desk.create(remote(name="one more"), actor)
    await desk.create(actor=STRANGER)


async def test_an_invalid_server_is_refused(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_SERVER):
        await desk.create(remote(url=None))


async def test_accepting_tools_makes_a_changed_server_healthy(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, tool("search"))
    assert (await desk.check(server.id, tool("search", "new"))).health == "changed"
    accepted = await desk.accept(server.id)
    assert (accepted.health, accepted.difference.changed) == ("healthy", [])
