"""What the API's shapes have in common."""

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer
from starlette.responses import Response

Money = Annotated[Decimal, PlainSerializer(float, return_type=float)]
"""US dollars: exact inside, a JSON number outside."""


UNCHANGED: Any = None
"""Stands for a field that a change does not name; a client's null is no such thing, and refused."""


def example(value: dict[str, Any]) -> ConfigDict:
    """Configure a shape with the example that its documentation shows."""
    return ConfigDict(json_schema_extra={"examples": [value]})


def undefaulted(schema: dict[str, Any]) -> None:
    """Take the default out of a field's schema: left out, it is not as if the default had been sent.

    Generated clients send the defaults that they read.
    """
    schema.pop("default", None)


class Body(BaseModel):
    """What a client sends; a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What a client gets; more may come, so clients ignore what they do not know."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def of(cls, view: BaseModel, **changed: Any) -> Self:
        """Show a view, with some fields shown in another shape. The bus has validated it: not done again."""
        return cls.model_construct(None, **vars(view) | changed)

    def response(self, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Answer with it."""
        return Response(self.__pydantic_serializer__.to_json(self), status, headers, "application/json")
