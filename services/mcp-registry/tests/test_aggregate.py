"""The decisions of a server about its definition, its secrets and its life cycle."""

from typing import Any
from uuid import UUID

import pytest
from contracts.mcp_registry.check import CheckRequested
from contracts.mcp_registry.server import (
    ServerChanges,
    ServerCreated,
    ServerDeleted,
    ServerDisabled,
    ServerEnabled,
    ServerSecretsSet,
    ServerUpdated,
)
from contracts.mcp_registry.values import ServerDefinition, ServerSecrets
from contracts.refusals import Code
from contracts.samples import CHECK, MCP_SERVER
from eventing.store.state import codec_of
from eventing.testing import Given, refused, replayed
from mcp_registry.aggregate import McpServer

from .samples import ADMIN, OWNER, STRANGER, URL, program, remote

SERVER_ID, CHECK_ID, EARLIER = UUID(MCP_SERVER), UUID(CHECK), UUID(int=5)
REQUESTED = CheckRequested(check_id=CHECK_ID)
HEADERS = {"Authorization": "Bearer plantedsecret"}
STORED = ServerSecretsSet(headers=HEADERS)


def created(definition: ServerDefinition, *, is_enabled: bool = True) -> ServerCreated:
    return ServerCreated(user_id=OWNER.user_id, definition=definition, is_enabled=is_enabled)


def given(*events: Any, is_enabled: bool = True, **fields: Any) -> Given[McpServer]:
    return Given(McpServer(SERVER_ID), created(remote(**fields), is_enabled=is_enabled), *events)


def create(server: McpServer, secrets: ServerSecrets | None = None, *, is_enabled: bool = True) -> None:
    server.create(OWNER.user_id, remote(), secrets or ServerSecrets(), CHECK_ID, is_enabled=is_enabled)


def update(server: McpServer, **changes: Any) -> None:
    server.update(ServerChanges(**changes), CHECK_ID)


def updated(*, other: bool = False, **fields: Any) -> ServerUpdated:
    return ServerUpdated(definition=remote(**fields), is_other_target=other)


def test_a_server_is_created_and_checked() -> None:
    Given(McpServer(SERVER_ID)).when(create).then(created(remote()), REQUESTED)


def test_a_server_that_is_created_disabled_is_not_checked() -> None:
    new = Given(McpServer(SERVER_ID))
    new.when(lambda server: create(server, is_enabled=False)).then(created(remote(), is_enabled=False))


def test_secrets_are_recorded_apart_from_the_definition() -> None:
    new = Given(McpServer(SERVER_ID))
    new.when(lambda server: create(server, ServerSecrets(headers=HEADERS))).then(created(remote()), STORED, REQUESTED)


def test_a_mask_without_a_stored_value_is_refused() -> None:
    new = Given(McpServer(SERVER_ID))
    masked = ServerSecrets(headers={"Authorization": "***"})
    new.when(lambda server: create(server, masked)).refused(Code.VARIABLE_NOT_SET)


def test_an_update_changes_only_the_fields_that_are_set() -> None:
    after = updated(description="new", allowed_tools=["search"])
    given(description="old", allowed_tools=["search"]).when(lambda s: update(s, description="new")).then(
        after, REQUESTED
    )


def test_an_update_clears_a_field_that_is_set_to_none() -> None:
    given(allowed_tools=["search"]).when(lambda s: update(s, allowed_tools=None)).then(updated(), REQUESTED)


def test_an_update_without_a_change_records_nothing() -> None:
    given(STORED).when(lambda s: update(s, url=URL, headers={"Authorization": "***"})).then()


def test_an_update_of_a_disabled_server_requests_no_check() -> None:
    given(is_enabled=False).when(lambda s: update(s, description="new")).then(updated(description="new"))


def test_an_update_replaces_a_check_in_progress() -> None:
    earlier = CheckRequested(check_id=EARLIER)
    given(earlier).when(lambda s: update(s, description="new")).then(updated(description="new"), REQUESTED)


def test_new_secrets_replace_all_of_the_same_field() -> None:
    after = updated(), ServerSecretsSet(headers={"X-Key": "1"}), REQUESTED
    given(STORED).when(lambda s: update(s, headers={"X-Key": "1"})).then(*after)


def test_a_mask_keeps_the_stored_value_among_new_ones() -> None:
    after = updated(), ServerSecretsSet(headers={**HEADERS, "X-Key": "1"}), REQUESTED
    given(STORED).when(lambda s: update(s, headers={"Authorization": "***", "X-Key": "1"})).then(*after)


@pytest.mark.parametrize("headers", [{}, {"headers": {"Authorization": "***"}}])
def test_stored_secrets_are_not_sent_to_another_url(headers: dict[str, Any]) -> None:
    given(STORED).when(lambda s: update(s, url="https://evil.example", **headers)).refused(Code.VARIABLE_NOT_SET)


@pytest.mark.parametrize("changes", [{"command": "other"}, {"args": ["evil-package"]}])
def test_stored_variables_are_not_given_to_another_program(changes: dict[str, Any]) -> None:
    stored = ServerSecretsSet(env={"TOKEN": "plantedsecret"})
    started = Given(McpServer(SERVER_ID), created(program()), stored)
    started.when(lambda s: update(s, **changes)).refused(Code.VARIABLE_NOT_SET)


def test_another_url_is_set_together_with_its_secrets() -> None:
    other = "https://other.example"
    after = updated(url=other, other=True), ServerSecretsSet(headers={"X-Key": "1"}), REQUESTED
    given(STORED).when(lambda s: update(s, url=other, headers={"X-Key": "1"})).then(*after)


def test_another_url_without_secrets_removes_the_stored_ones() -> None:
    other = "https://other.example"
    after = updated(url=other, other=True), ServerSecretsSet(), REQUESTED
    given(STORED).when(lambda s: update(s, url=other, headers={})).then(*after)


def test_an_invalid_definition_is_refused() -> None:
    given().when(lambda s: update(s, url=None)).refused(Code.INVALID_SERVER)


def test_enabling_a_server_requests_a_check() -> None:
    given(is_enabled=False).when(lambda s: s.enable(CHECK_ID)).then(ServerEnabled(), REQUESTED)


def test_enabling_an_enabled_server_records_nothing() -> None:
    given().when(lambda s: s.enable(CHECK_ID)).then()


def test_a_server_is_disabled_once() -> None:
    given().when(lambda s: s.disable()).then(ServerDisabled())
    given(ServerDisabled()).when(lambda s: s.disable()).then()


def test_a_server_is_deleted() -> None:
    given().when(lambda s: s.delete()).then(ServerDeleted(user_id=OWNER.user_id))


def test_only_a_global_server_is_visible_to_others() -> None:
    seen = [given(is_global=value).aggregate.visible_to(STRANGER) for value in (False, True)]
    assert seen == [False, True]
    assert given().aggregate.visible_to(ADMIN)


def test_secrets_are_in_no_snapshot() -> None:
    server = given(STORED).aggregate
    assert b"plantedsecret" not in codec_of(McpServer).dump(server, secrets=False)
    assert b"plantedsecret" in codec_of(McpServer).dump(server)


def test_the_error_about_a_secret_names_it_without_its_value() -> None:
    detail = refused(Code.INVALID_SERVER, lambda: update(given().aggregate, headers={"X-Key": "se\nsame"}))
    assert "X-Key" in detail
    assert "same" not in detail


def test_a_server_is_restored_from_its_events() -> None:
    server = McpServer(SERVER_ID)
    create(server, ServerSecrets(headers=HEADERS))
    update(server, description="new")
    copy = replayed(server)
    assert codec_of(McpServer).dump(copy) == codec_of(McpServer).dump(server)
