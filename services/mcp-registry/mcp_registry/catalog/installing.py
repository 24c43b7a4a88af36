"""Turns a server of the catalog into the definition and the secrets of a registered one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.mcp_registry.catalog import InstallServer
from contracts.mcp_registry.values import ServerDefinition, ServerSecrets
from contracts.refusals import Code, Refusal

from mcp_registry.catalog.options import RUNNERS, Option, options, problem, server_type
from mcp_registry.catalog.server_json import Argument, Input, Package, ServerJson, Transport, Value

MAX_NAME = 64
HOSTS = {"npm": ["registry.npmjs.org"], "pypi": ["pypi.org", "files.pythonhosted.org"]}
"""The hosts that the runners download packages from."""
FIRST_ARGUMENTS = {"npm": ["-y"], "pypi": []}
"""Arguments of the runners unless the catalog has some. npx would ask before it downloads a package."""


def installed(server: ServerJson, command: InstallServer) -> tuple[ServerDefinition, ServerSecrets]:
    """Return the definition and the secrets of a server that is installed with the values of a command.

    Raises:
        Refusal: NOT_INSTALLABLE, with the reason; VARIABLES_MISSING, which names all values that are required.
    """
    option, values = _chosen(server, command), _Values(command)
    definition, secrets = (
        _remote(option, values) if isinstance(option, Transport) else _program(option, values, command.args)
    )
    if values.missing:
        raise Refusal(Code.VARIABLES_MISSING, f"{server.name} needs values for {'; '.join(values.missing)}.")
    name = command.name or server.title or server.name.rpartition("/")[2]
    described = {"name": name[:MAX_NAME].strip(), "description": server.description}
    return definition.model_copy(update=described), secrets


@dataclass
class _Values:
    """The values in a command, and the names of those that are missing."""

    command: InstallServer
    missing: list[str] = field(default_factory=list[str])

    def of(self, each: Value, name: str, given: str | None, variables: Mapping[str, Value]) -> str | None:
        """Return the value that was given, or else the fixed one, or the default; None for an optional one."""
        if given is not None:
            return given
        if each.value is not None:
            return self.filled(each.value, variables)
        if each.default is None and each.is_required:
            self.missing.append(f"{name} ({each.description})" if each.description else name)
        return each.default

    def filled(self, text: str, variables: Mapping[str, Value]) -> str:
        """Return a text in which each `{name}` of a variable is replaced by its value."""
        for name, variable in variables.items():
            if f"{{{name}}}" in text:
                value = self.of(variable, f"variables.{name}", self.command.variables.get(name), {})
                text = text.replace(f"{{{name}}}", value or "")
        return text

    def named(self, where: str, inputs: list[Input], given: Mapping[str, str]) -> dict[str, str]:
        """Return the values of variables or headers: those in the catalog, and others that were given."""
        values = {
            each.name: self.of(each, f"{where}.{each.name}", given.get(each.name), each.variables) for each in inputs
        }
        return {name: value for name, value in values.items() if value is not None} | dict(given)

    def arguments(self, arguments: list[Argument]) -> Iterator[str]:
        """Yield the arguments that have a value."""
        for each in arguments:
            value = self.of(each, f"variables.{each.key}", self.command.variables.get(each.key), each.variables)
            if value is not None:
                yield from [each.name, value] if each.type == "named" else [value]


def _chosen(server: ServerJson, command: InstallServer) -> Option:
    wanted = [each for each in options(server) if command.server_type in (None, server_type(each))]
    if found := next((each for each in wanted if problem(each) is None), None):
        return found
    reasons = " ".join(dict.fromkeys(filter(None, map(problem, options(server)))))
    kind = f" as {command.server_type}" if command.server_type else ""
    raise Refusal(Code.NOT_INSTALLABLE, f"{server.name} cannot be installed{kind}. {reasons}".strip())


def _remote(option: Transport, values: _Values) -> tuple[ServerDefinition, ServerSecrets]:
    kind, url = server_type(option) or "HTTP", values.filled(option.url, option.variables)
    headers = values.named("headers", option.headers, values.command.secrets.headers)
    return ServerDefinition(name="", server_type=kind, url=url), ServerSecrets(headers=headers)


def _program(option: Package, values: _Values, args: list[str] | None) -> tuple[ServerDefinition, ServerSecrets]:
    registry = option.registry_type
    package = f"{option.identifier}@{option.version}" if option.version else option.identifier
    first = [*values.arguments(option.runtime_arguments)] or FIRST_ARGUMENTS[registry]
    rest = args if args is not None else [*values.arguments(option.package_arguments)]
    definition = ServerDefinition(
        name="",
        server_type="STDIO",
        command=RUNNERS[registry],
        args=[*first, package, *rest],
        network_hosts=HOSTS[registry],
    )
    env = values.named("env", option.environment_variables, values.command.secrets.env)
    return definition, ServerSecrets(env=env)
