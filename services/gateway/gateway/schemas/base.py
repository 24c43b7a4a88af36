"""The base classes of request and response models."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from starlette.responses import Response

from gateway.problems.validation_messages import mismatch

Money = Annotated[Decimal, PlainSerializer(float, return_type=float)]
"""US dollars: a decimal in the code, a number in JSON."""

Milliseconds = Annotated[float, PlainSerializer(round, return_type=int)]
"""A duration, which is measured more exactly than it is shown."""

UNCHANGED: Any = None
"""The default of fields of a PATCH body: the field was not sent. A null from the client is an error instead."""


def without_default(schema: dict[str, Any]) -> None:
    """Remove the default from the JSON Schema of a field, where omitting the field differs from sending its default.

    Generated clients send the defaults that the schema names.
    """
    schema.pop("default", None)


def pattern_rule(rule: str) -> WrapValidator:
    """Return the metadata that explains the pattern of a text: `rule` says in words what is allowed.

    The error message of pydantic itself would show the regular expression to the client.
    """

    def check(value: object, validate: ValidatorFunctionWrapHandler) -> object:
        try:
            return validate(value)
        except ValidationError as error:
            if error.errors()[0]["type"] == "string_pattern_mismatch":
                raise mismatch(rule) from None
            raise

    return WrapValidator(check)


class Documented(BaseModel):
    """A model whose JSON Schema has the descriptions and the example of the view that its fields are taken from.

    A field that is declared again, since it has another type, need not be described again.
    """

    described_by: ClassVar[type[BaseModel] | None] = None
    """The view that describes the fields with the same names; None if that is a base class."""
    sample: ClassVar[dict[str, Any]]
    """The values of the example; those of a response may be incomplete."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema, with the example, and with descriptions for the fields that have none of their own."""
        schema = handler(core_schema)
        own = handler.resolve_ref_schema(schema)
        properties: dict[str, dict[str, Any]] = own.get("properties", {})
        for name, field in cls.model_fields.items():
            shown = properties.get(field.serialization_alias or name)
            if shown is not None and (text := cls._description(name)):
                shown.setdefault("description", text)
        if example := cls.documented():
            own["examples"] = [example]
        return schema

    @classmethod
    def documented(cls) -> dict[str, Any] | None:
        """Return the example for the documentation; None if the model has no sample."""
        return getattr(cls, "sample", None)

    @classmethod
    def _description(cls, name: str) -> str | None:
        views = [base for base in (*cls.__mro__, cls.described_by) if base and issubclass(base, BaseModel)]
        fields = (view.model_fields[name] for view in views if name in view.model_fields)
        return next((field.description for field in fields if field.description), None)


class RequestBody(Documented):
    """The body of a request; unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResponseModel(Documented):
    """The body of a response; later versions may add fields, which clients have to ignore."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def documented(cls) -> dict[str, Any] | None:
        """Return the example for the documentation, with all fields that a response has."""
        sample = super().documented()
        return sample and cls.model_validate(sample, by_alias=True, by_name=True).model_dump(mode="json", by_alias=True)

    @classmethod
    def of(cls, view: BaseModel, **changed: Any) -> Self:
        """Return the model of a view, some fields replaced; not validated, since the bus has validated the view."""
        return cls.model_construct(None, **vars(view) | changed)

    def encoded(self) -> bytes:
        """Return the JSON of the model."""
        return self.__pydantic_serializer__.to_json(self)

    def response(self, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Return the HTTP response with this body."""
        return Response(self.encoded(), status, headers, "application/json")


class SecretResponse(ResponseModel):
    """The body of a response with a secret, which no cache may store; for repetitions it is stored only sealed."""

    def response(self, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Return the HTTP response with this body, marked as `no-store`."""
        return super().response(status, {"Cache-Control": "no-store", **(headers or {})})
