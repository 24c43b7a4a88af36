"""All messages about the catalog: MCP servers of the public registry, from a snapshot that the operator provides."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.mcp_registry.server import GetServer
from contracts.mcp_registry.server_view import ServerView
from contracts.mcp_registry.values import ServerSecrets, ServerType
from contracts.messages import Command, Message, Page, Query, View, Window
from contracts.samples import MCP_SERVER

type InputKind = Literal["env", "header", "argument", "variable"]


class CatalogInput(Message):
    """A value that an installation takes: of `env`, of `headers`, an argument of the program, or one of `variables`."""

    kind: InputKind = Field(
        description="Where an installation takes the value: in `env`, in `headers` (`header`), or in `variables` "
        "(`argument`, `variable`)."
    )
    name: str = Field(description="Name of the value.")
    description: str = Field(default="", description="What the value is for.")
    is_required: bool = Field(default=False, description="Whether an installation needs the value.")
    is_secret: bool = Field(default=False, description="Whether the value is a secret.")
    default: str | None = Field(default=None, description="Value if none is sent; null if there is none.")
    choices: list[str] = Field(default=[], description="The values that are allowed; empty if all are.")


class CatalogOption(Message):
    """A way to use a server of the catalog: a package to run, or a URL. `problem` says why it cannot be installed."""

    server_type: ServerType | None = Field(
        description="Type of the server that the option results in; null if it cannot be installed."
    )
    source: str = Field(description="The URL, or the registry and name of a package, like `npm:@example/weather`.")
    inputs: list[CatalogInput] = Field(default=[], description="The values that an installation takes.")
    problem: str | None = Field(default=None, description="Why the option cannot be installed; null if it can.")


class CatalogEntry(View):
    """A server in the catalog; `reference` is its name in the public registry."""

    sample = {
        "reference": "io.github.example/weather",
        "version": "1.0.2",
        "title": "Weather",
        "description": "Forecasts for every place",
        "repository_url": "https://github.com/example/weather",
        "options": [
            {
                "server_type": "STDIO",
                "source": "npm:@example/weather",
                "inputs": [
                    {
                        "kind": "env",
                        "name": "WEATHER_API_KEY",
                        "description": "API key",
                        "is_required": True,
                        "is_secret": True,
                    }
                ],
            }
        ],
    }

    reference: str = Field(description="Name in the catalog.")
    version: str = Field(description="Version of the server.")
    title: str = Field(description="Title of the server.")
    description: str = Field(description="What the server is for.")
    website_url: str | None = Field(default=None, description="URL of the website; null if unknown.")
    repository_url: str | None = Field(default=None, description="URL of the source; null if unknown.")
    options: list[CatalogOption] = Field(description="The ways to use the server.")


class SearchCatalog(Window, Query[Page[CatalogEntry]]):
    """Return the servers of the catalog whose name, title or description contains a text, by name; latest versions."""

    subject = "qry.mcp_registry.search_catalog"
    sample = {"q": "weather"}

    q: str | None = Field(default=None, max_length=200)


class InstallServer(Command[ServerView]):
    """Register a server of the catalog, as `CreateServer` does; by default the latest version.

    The first option that can be installed is used, URLs first, or the first one of a type. `args` replace the arguments
    of the program in the catalog; `variables` fill the `{name}` in its URLs, headers and arguments.
    """

    subject = "cmd.mcp_registry.install"
    outcome_query = GetServer
    sample = {"server_id": MCP_SERVER, "reference": "io.github.example/weather", "secrets": {"env": {"API_KEY": "k"}}}

    server_id: UUID
    reference: str
    entry_version: str | None = None
    server_type: ServerType | None = None
    name: str | None = None
    secrets: ServerSecrets = ServerSecrets()
    args: list[str] | None = None
    variables: dict[str, str] = Field(default={}, repr=False)
