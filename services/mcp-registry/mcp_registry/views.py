"""Servers as the actor may see them."""

from contracts.mcp_registry.server_view import ServerSummary, ServerView
from contracts.mcp_registry.values import ServerDefinition, ToolsDifference
from contracts.messages import Actor
from contracts.secrets import MASK
from eventing.database import Row

from mcp_registry.aggregate.check import tools_difference, tools_version

ROW_FIELDS = (
    *("id", "user_id", "is_enabled", "is_authorized", "health", "error_code", "error_detail", "latency_ms"),
    *("server_version", "tool_count", "checked_at", "created_at", "updated_at"),
)
SUMMARY_COLUMNS = ", ".join((*ROW_FIELDS, "definition", "env_names", "header_names"))
VIEW_COLUMNS = f"{SUMMARY_COLUMNS}, tools, listed, accepted"
TARGET = ("command", "args", "url", "env", "headers", "error_detail")
"""How a server is reached, which those who may only use it do not see. Errors name hosts, commands and files."""


def summary(row: Row, actor: Actor) -> ServerSummary:
    """Return the server of a row as it is in lists."""
    return ServerSummary.model_validate(_fields(row, actor))


def view(row: Row, actor: Actor) -> ServerView:
    """Return the server of a row with its tools."""
    accepted = row["accepted"]
    difference = ToolsDifference() if accepted is None else tools_difference(accepted, row["listed"])
    tools = {"tools": row["tools"], "tools_version": tools_version(row["listed"]), "difference": difference}
    return ServerView.model_validate(_fields(row, actor) | tools)


def _fields(row: Row, actor: Actor) -> Row:
    definition = ServerDefinition.model_validate(row["definition"])  # with the defaults of newer fields
    fields = dict(definition) | {name: row[name] for name in ROW_FIELDS}
    fields |= {"env": dict.fromkeys(row["env_names"], MASK), "headers": dict.fromkeys(row["header_names"], MASK)}
    return fields if actor.may_see(row["user_id"]) else fields | dict.fromkeys(TARGET)
