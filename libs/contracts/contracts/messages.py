"""The kinds of message, and the envelope of a reply."""

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from contracts.refusals import Code
from contracts.wire import ping_subject

type Order = Literal["asc", "desc"]


class Message(BaseModel):
    """An immutable value; an unknown field is an error, so a typing slip never passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(Message):
    """Why something could not be done: a code for programs, a detail for people."""

    error_code: Code
    error_detail: str


class BusMessage(Message):
    """A message with a place on the bus: `subject` is its name on the wire, whatever the class is called."""

    subject: ClassVar[str]
    version: ClassVar[int] = 1
    sample: ClassVar[dict[str, Any]]

    @classmethod
    def example(cls) -> Self:
        """Give the one example of this message that tests, docs and goldens share."""
        return cls.model_validate(cls.sample)


class Query[R](BusMessage):
    """Asks a service for `R`. Changes nothing."""


class Command[R](BusMessage):
    """Asks a service to do something. Accepted, it answers `R`; refused, it recorded nothing."""

    outcome_query: ClassVar[type[Query[Any]] | None] = None
    """The query whose answer is this command's result; None when the handler returns it itself."""

    def outcome(self) -> Query[R] | None:
        """Return that query, with the fields that the command has under the same names."""
        kind = self.outcome_query
        return kind and kind(**{name: getattr(self, name) for name in kind.model_fields})


class Event(BusMessage):
    """An event: it happened, and is stored for ever under its `subject` and `version`."""

    published: ClassVar[bool] = True
    """False for events that hold secrets: they are stored and never leave their service."""

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        """Turn the state of an older `version` of this event into today's."""
        raise ValueError(f"{cls.subject} has no version {version}")


class Accepted[R](Message):
    """The command was recorded, or the query answered."""

    kind: Literal["accepted"] = "accepted"
    result: R


class Refused(Message):
    """The domain says no: expected, final for this input, nothing recorded."""

    kind: Literal["refused"] = "refused"
    code: Code
    detail: str


class Faulted(Message):
    """The service could not do it now; the same message may succeed later."""

    kind: Literal["faulted"] = "faulted"
    detail: str


type Reply[R] = Annotated[Accepted[R] | Refused | Faulted, Field(discriminator="kind")]


class Actor(Message):
    """On whose behalf a message is sent."""

    user_id: UUID
    role: Literal["admin", "user", "viewer"]

    def may_see(self, owner: UUID) -> bool:
        """Whether what belongs to `owner` exists for this actor."""
        return self.role == "admin" or self.user_id == owner


class Window(Message):
    """Which part of a list is asked for: at most `limit` items after `skip` others."""

    skip: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=100)


class KeysetWindow(Window):
    """Which part of a long list is asked for: what comes after or before the item with an id, or after `skip` items."""

    after: UUID | None = None
    before: UUID | None = None


class Page[T](Message):
    """One page of a list: `total` counts all that match, not the page.

    `more` tells whether the list goes on after the last item; of a page `before` an item, whether before the first one.
    """

    items: list[T]
    total: int = Field(ge=0)
    more: bool = False


def ping_query(service: str) -> type[Query[dict[str, str]]]:
    """Return the query that every service answers with what it depends on, and `ok` or what is wrong with each."""

    class Ping(Query[dict[str, str]]):
        subject = ping_subject(service)
        sample = {}

    return Ping


def result_type(message: type[Command[Any] | Query[Any]]) -> Any:
    """Give the type that a command or query is answered with: the `R` of its base."""
    for base in message.__mro__:
        if (generic := base.__dict__.get("__pydantic_generic_metadata__")) and generic["args"]:
            return generic["args"][0]
    raise TypeError(f"{message.__name__} does not say what it is answered with")


def reply_adapter(result: Any) -> TypeAdapter[Reply[Any]]:
    """Give the reader and writer of replies whose result has this type."""
    form: Any = Annotated[Accepted[result] | Refused | Faulted, Field(discriminator="kind")]
    return TypeAdapter(form)
