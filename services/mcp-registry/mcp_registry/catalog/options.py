"""The ways to use a server of the catalog, and what each of them needs."""

from collections.abc import Iterable, Iterator

from contracts.mcp_registry.catalog import CatalogEntry, CatalogInput, CatalogOption, InputKind
from contracts.mcp_registry.values import ServerType

from mcp_registry.catalog.server_json import Input, Package, ServerJson, Transport, Value

type Option = Package | Transport

RUNNERS = {"npm": "npx", "pypi": "uvx"}
"""The programs that run packages, by the registry of these."""
REMOTE_TYPES: dict[str, ServerType] = {"streamable-http": "HTTP", "sse": "SSE"}


def options(server: ServerJson) -> Iterator[Option]:
    """Yield the ways to use a server: URLs, then packages."""
    yield from server.remotes
    yield from server.packages


def server_type(option: Option) -> ServerType | None:
    """Return the type of the server that an option results in; None if it cannot be installed."""
    if isinstance(option, Transport):
        return REMOTE_TYPES.get(option.type)
    return "STDIO" if problem(option) is None else None


def problem(option: Option) -> str | None:
    """Return why an option cannot be installed."""
    match option:
        case Transport(type=kind):
            return None if kind in REMOTE_TYPES else f"The transport {kind!r} is not supported."
        case Package(registry_type="oci"):
            return "It is a container image, and containers cannot be started here."
        case Package(registry_type=registry) if registry not in RUNNERS:
            return f"Packages of the registry {registry!r} cannot be started here, only those of npm and PyPI."
        case Package(transport=Transport(type=kind)) if kind != "stdio":
            return f"Its program waits for connections ({kind}) instead of using standard input and output."
        case Package(identifier=name) if not name or name.startswith("-") or any(map(str.isspace, name)):
            return "The name of its package is not valid."
        case _:
            return None


def entry(server: ServerJson) -> CatalogEntry:
    """Return a server as clients see it."""
    return CatalogEntry(
        reference=server.name,
        version=server.version,
        title=server.title or server.name.rpartition("/")[2],
        description=server.description,
        website_url=server.website_url,
        repository_url=server.repository.url or None if server.repository else None,
        options=[_option(each) for each in options(server)],
    )


def _option(option: Option) -> CatalogOption:
    source = option.url if isinstance(option, Transport) else f"{option.registry_type}:{option.identifier}"
    inputs = [*_inputs(option)]
    return CatalogOption(server_type=server_type(option), source=source, inputs=inputs, problem=problem(option))


def _inputs(option: Option) -> Iterator[CatalogInput]:
    if isinstance(option, Transport):
        yield from (_input("variable", name, value) for name, value in option.variables.items())
        yield from _of_each("header", option.headers)
    else:
        yield from _of_each("env", option.environment_variables)
        yield from _of_each("argument", (*option.runtime_arguments, *option.package_arguments))


def _of_each(kind: InputKind, inputs: Iterable[Input]) -> Iterator[CatalogInput]:
    """Yield what clients have to send: the variables of a value that is fixed, or the value itself."""
    for each in inputs:
        if each.value is None:
            yield _input(kind, each.key if kind == "argument" else each.name, each)
        yield from (_input("variable", name, value) for name, value in each.variables.items())


def _input(kind: InputKind, name: str, value: Value) -> CatalogInput:
    return CatalogInput(
        kind=kind,
        name=name,
        description=value.description,
        is_required=value.is_required and value.default is None and value.value is None,
        is_secret=value.is_secret,
        default=None if value.is_secret else value.default,
        choices=value.choices,
    )
