"""The health and the tools of servers in the read model, and the due times of their checks."""

from typing import Any, assert_never

from contracts.mcp_registry.check import (
    CheckEvent,
    CheckRequested,
    ServerChecked,
    ToolsAccepted,
    ToolsChanged,
    ToolsListed,
)
from eventing.database import Connection
from eventing.recording import Recorded

from mcp_registry.due import CHECK

CHECKED = """
    UPDATE servers SET checking = NULL, health = $2, error_code = $3, error_detail = nullif($4, ''), latency_ms = $5,
        server_version = coalesce($6, server_version), checked_at = $7
    WHERE id = $1"""
# The first list is accepted, which is a change of how sessions connect; later ones are not.
LISTED = """
    UPDATE servers SET tools = $2, listed = $3, version = CASE WHEN accepted IS NULL THEN $4 ELSE version END,
        accepted = coalesce(accepted, $3)
    WHERE id = $1"""
ACCEPTED = """
    UPDATE servers SET accepted = listed, version = $2, updated_at = $3,
        health = CASE health WHEN 'changed' THEN 'healthy' ELSE health END
    WHERE id = $1"""


async def project_check(event: CheckEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event about checks."""
    id, at = recorded.id, recorded.at
    match event:
        case CheckRequested():
            await db.execute("UPDATE servers SET checking = $2 WHERE id = $1", id, event.check_id)
        case ServerChecked():
            result = event.result
            await db.execute(
                CHECKED, id, event.health, result.error_code, result.error_detail, result.latency_ms,
                result.server_version, at,
            )  # fmt: skip
            if event.next_at:
                await CHECK.set(recorded, id, event.next_at, db)
        case ToolsListed():
            tools = [tool.model_dump(mode="json") for tool in event.tools]
            await db.execute(LISTED, id, tools, event.fingerprints, recorded.version)
        case ToolsChanged():
            pass  # the difference follows from the lists
        case ToolsAccepted():
            await db.execute(ACCEPTED, id, recorded.version, at)
        case _:
            assert_never(event)
