"""The read model of servers, and the tables of their secrets."""

from typing import Any, assert_never

from contracts.mcp_registry.names import name_key
from contracts.mcp_registry.server import (
    LifecycleEvent,
    ServerCreated,
    ServerDeleted,
    ServerDisabled,
    ServerEnabled,
    ServerSecretsSet,
    ServerUpdated,
)
from eventing.database import Connection
from eventing.due import cancel_all
from eventing.recording import Recorded

from mcp_registry.due import CHECK, TOKEN_REFRESH
from mcp_registry.secret_tables import ENVIRONMENTS, HEADERS

CREATE = """
    INSERT INTO servers (id, user_id, definition, name_key, is_enabled, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"""
UPDATE = """
    UPDATE servers SET definition = $2, name_key = $3, version = $4, updated_at = $5, health = 'unknown',
        error_code = NULL, error_detail = NULL
    WHERE id = $1"""
FORGET_TOOLS = "UPDATE servers SET tools = '[]', listed = '{}', accepted = NULL, server_version = NULL WHERE id = $1"
SET_SECRETS = """
    UPDATE servers SET env_names = $2, header_names = $3, version = $4, updated_at = $5, health = 'unknown',
        error_code = NULL, error_detail = NULL
    WHERE id = $1"""
ENABLE = """
    UPDATE servers SET is_enabled = true, updated_at = $2, health = 'unknown', error_code = NULL, error_detail = NULL
    WHERE id = $1"""
DISABLE = "UPDATE servers SET is_enabled = false, updated_at = $2, checking = NULL WHERE id = $1"


async def project_lifecycle(event: LifecycleEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a server's life cycle."""
    id, at = recorded.id, recorded.at
    match event:
        case ServerCreated():
            definition, key = event.definition.model_dump(mode="json"), name_key(event.definition.name)
            await db.execute(CREATE, id, event.user_id, definition, key, event.is_enabled, recorded.version, at)
        case ServerUpdated():
            definition, key = event.definition.model_dump(mode="json"), name_key(event.definition.name)
            await db.execute(UPDATE, id, definition, key, recorded.version, at)
            if event.is_other_target:
                await db.execute(FORGET_TOOLS, id)
        case ServerSecretsSet():
            await db.execute(SET_SECRETS, id, [*event.env], [*event.headers], recorded.version, at)
            await ENVIRONMENTS.put(recorded, event.env, db)
            await HEADERS.put(recorded, event.headers, db)
        case ServerEnabled():
            await db.execute(ENABLE, id, at)
        case ServerDisabled():
            await db.execute(DISABLE, id, at)
            await CHECK.cancel(id, db)
        case ServerDeleted():
            await db.execute("DELETE FROM servers WHERE id = $1", id)
            await cancel_all((CHECK, TOKEN_REFRESH), id, db)
        case _:
            assert_never(event)
