"""All messages about the catalog: MCP servers of the public registry, from a snapshot that the operator provides."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.mcp_registry.server import GetServer, ServerView
from contracts.mcp_registry.values import ServerSecrets, ServerType
from contracts.messages import Command, Message, Page, Query, Window
from contracts.samples import MCP_SERVER

type InputKind = Literal["env", "header", "argument", "variable"]


class CatalogInput(Message):
    """A value that an installation takes: of `env`, of `headers`, an argument of the program, or one of `variables`."""

    kind: InputKind
    name: str
    description: str = ""
    is_required: bool = False
    is_secret: bool = False
    default: str | None = None
    choices: list[str] = []


class CatalogOption(Message):
    """A way to use a server of the catalog: a package to run, or a URL. `problem` says why it cannot be installed."""

    server_type: ServerType | None
    source: str
    """The registry and name of a package, like `npm:@example/weather`, or the URL."""
    inputs: list[CatalogInput] = []
    problem: str | None = None


class CatalogEntry(Message):
    """A server in the catalog; `reference` is its name in the public registry."""

    reference: str
    version: str
    title: str
    description: str
    website_url: str | None = None
    repository_url: str | None = None
    options: list[CatalogOption]


class SearchCatalog(Window, Query[Page[CatalogEntry]]):
    """Return the servers of the catalog whose name, title or description contains a text, by name; latest versions."""

    subject = "qry.mcp_registry.search_catalog"
    sample = {"q": "weather"}

    q: str | None = Field(default=None, max_length=200)


class InstallServer(Command[ServerView]):
    """Register a server of the catalog, as `CreateServer` does; by default the latest version.

    The first option that can be installed is used, URLs first, or the first one of a type. `args` replace the arguments
    that the catalog gives to the program; `variables` fill the `{name}` in its URLs, headers and arguments.
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
