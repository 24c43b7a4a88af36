"""The format `server.json` of the public registry, as far as an installation needs it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Part(BaseModel):
    """A part of the file. Unknown fields are ignored, as newer versions of the format add some."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, coerce_numbers_to_str=True)


def _list(value: Any) -> Any:
    return [] if value is None else value


type Many[T] = Annotated[list[T], BeforeValidator(_list)]


class Value(_Part):
    """A value that is fixed, has a default, or is asked for."""

    description: str = ""
    is_required: bool = False
    is_secret: bool = False
    value: str | None = None
    default: str | None = None
    choices: Many[str] = []


class Input(Value):
    """A value with a name. `{name}` in a fixed value stands for one of the `variables`."""

    name: str = ""
    value_hint: str = ""
    variables: dict[str, Value] = {}

    @property
    def key(self) -> str:
        """The name under which a client sends the value of an argument."""
        return self.value_hint or self.name.lstrip("-")


class Argument(Input):
    """An argument of a program; a named one begins with its name."""

    type: Literal["named", "positional"] = "positional"


class Transport(_Part):
    """How to reach a server: a URL, unless it is `stdio`."""

    type: str = "stdio"
    url: str = ""
    headers: Many[Input] = []
    variables: dict[str, Value] = {}


class Package(_Part):
    """A package whose program is the server."""

    registry_type: str
    identifier: str
    version: str = ""
    transport: Transport = Transport()
    runtime_arguments: Many[Argument] = []
    package_arguments: Many[Argument] = []
    environment_variables: Many[Input] = []


class Repository(_Part):
    """Where the source is."""

    url: str = ""


class ServerJson(_Part):
    """A version of a server."""

    name: Annotated[str, Field(min_length=1)]
    title: str = ""
    description: str = ""
    version: str
    website_url: str | None = None
    repository: Repository | None = None
    packages: Many[Package] = []
    remotes: Many[Transport] = []
