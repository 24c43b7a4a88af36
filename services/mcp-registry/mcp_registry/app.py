"""The mcp-registry service as a whole."""

from contracts.refusals import Code, Refusal
from eventing.service import Service

from mcp_registry.aggregate import McpServer, Revocation
from mcp_registry.dependencies import Dependencies, checks, dependencies
from mcp_registry.due import DUE_KINDS
from mcp_registry.handlers import handles
from mcp_registry.projections import project
from mcp_registry.queries import answers
from mcp_registry.reactions import reactions
from mcp_registry.read_models import READ_MODELS
from mcp_registry.secret_tables import SECRET_TABLES
from mcp_registry.settings import Settings

service: Service[Settings, Dependencies] = Service(
    name="mcp_registry",
    aggregates=[McpServer, Revocation],
    commands=handles,
    queries=answers,
    project=project,
    dependencies=dependencies,
    checks=checks,
    reactions=reactions,
    read_models=READ_MODELS,
    followers=["identity", "webhook"],
    due=DUE_KINDS,
    secrets=SECRET_TABLES,
    unique_violations={
        "servers_by_name": Refusal(Code.SERVER_NAME_TAKEN, "You have a server with this name. Choose another one.")
    },
)
