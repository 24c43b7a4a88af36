"""Models of the catalog of MCP servers."""

from typing import Annotated

from contracts.mcp_registry.catalog import CatalogEntry, InstallServer, SearchCatalog
from contracts.mcp_registry.values import ServerSecrets, ServerType
from pydantic import Field, StringConstraints

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel
from gateway.schemas.lists import ListPage, Window, Words
from gateway.schemas.mcp_server import Environment, Headers, Name


class CatalogWindow(Window):
    """Query parameters of the catalog."""

    q: Annotated[
        Words | None,
        Field(
            min_length=1,
            max_length=200,
            description="Return only servers with this text in name, title or description.",
            examples=["weather"],
        ),
    ] = None

    def query(self) -> SearchCatalog:
        """Return the query."""
        return SearchCatalog(q=self.q, skip=self.skip, limit=self.limit)


class CatalogServer(CatalogEntry, ResponseModel):
    """An MCP server that can be installed, in its latest version."""


class CatalogPage(ListPage[CatalogServer]):
    """Servers of the catalog, by name."""


class Installation(RequestBody):
    """A server of the catalog to register."""

    sample = {"reference": CatalogEntry.sample["reference"], "env": {"WEATHER_API_KEY": "k-1234"}}

    reference: Annotated[str, StringConstraints(min_length=1), Field(description="Name in the catalog.")]
    version: Annotated[str | None, Field(description="Version; null for the latest.")] = None
    server_type: Annotated[
        ServerType | None, Field(description="Which option to use; null for the first that can be installed.")
    ] = None
    name: Annotated[Name | None, Field(description="Name of the server here; null for its title.")] = None
    env: Environment = {}
    headers: Headers = {}
    args: Annotated[list[str] | None, Field(description="Replaces the arguments of the program in the catalog.")] = None
    variables: Annotated[
        dict[str, str],
        Field(repr=False, description="Values of arguments, and of `{name}` in URLs, headers and arguments."),
    ] = {}

    def command(self) -> InstallServer:
        """Return the command."""
        return InstallServer(
            server_id=ids.new_id(),
            reference=self.reference,
            entry_version=self.version,
            server_type=self.server_type,
            name=self.name,
            secrets=ServerSecrets(env=self.env, headers=self.headers),
            args=self.args,
            variables=self.variables,
        )
