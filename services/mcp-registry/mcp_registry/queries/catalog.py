"""Handlers of queries about the catalog."""

from contracts.mcp_registry.catalog import CatalogEntry, SearchCatalog
from contracts.messages import Page
from eventing.handling import Handlers

from mcp_registry.dependencies import Context

answers = Handlers()


@answers
async def search_catalog(query: SearchCatalog, context: Context) -> Page[CatalogEntry]:
    """Return the servers of the catalog that contain a text."""
    return context.dependencies.catalog.search(query.q, query.skip, query.limit)
