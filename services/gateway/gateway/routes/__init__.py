"""The HTTP operations, in one module per subject."""

from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

FIRST = (
    *("identity", "password", "api_key", "bus_user", "user", "admin", "audit", "quota"),
    *("session", "fork", "conversation", "run", "template", "approval", "streams", "workspace", "archive"),
    *("task", "execution", "backfill", "trigger", "report"),
    *("mcp_authorization", "mcp_catalog", "mcp_file", "mcp_server"),  # in this order: `/export` is no id of a server
)
"""The modules that the documentation begins with. All others follow, by name."""


def routers() -> list[APIRouter]:
    """Return the routers of all modules of this package, those of one module in the order of their definition."""
    others = {module.name for module in iter_modules(__path__)} - {*FIRST}
    modules = [import_module(f"{__name__}.{name}") for name in [*FIRST, *sorted(others)]]
    return [part for module in modules for part in vars(module).values() if isinstance(part, APIRouter)]
