"""The base classes of all messages, and the replies to them."""

from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from contracts.refusals import Code, Refusal
from contracts.wire import feed_subject, ping_subject, projected_subject

type Order = Literal["asc", "desc"]


class Message(BaseModel):
    """An immutable value. Unknown fields are an error, but in replies, so that a misspelled name is never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def encoded(self) -> bytes:
        """Return the JSON of the value."""
        return self.__pydantic_serializer__.to_json(self)


class Failure(Message):
    """The reason of a failure: a code for programs and a detail for people."""

    error_code: Code
    error_detail: str


class View(Message):
    """Something as its users see it, in replies. Each field has a description, for the documentation of the API."""

    sample: ClassVar[dict[str, Any]]

    @classmethod
    def example(cls, **changed: Any) -> Self:
        """Return the example that the documentation and tests share, some fields changed."""
        return cls.model_validate(cls.sample | changed)


class BusMessage(Message):
    """A message with a subject on the bus: `subject` is its name on the wire, independent of the class name."""

    subject: ClassVar[str]
    version: ClassVar[int] = 1
    sample: ClassVar[dict[str, Any]]

    @classmethod
    def example(cls) -> Self:
        """Return the example of this message that tests, documentation and goldens share."""
        return cls.model_validate(cls.sample)


class Query[R](BusMessage):
    """A request for an `R` from a service. It changes nothing."""

    senders: ClassVar[tuple[str, ...]] = ("gateway",)
    """The other services that may send it over the bus, besides its own one, which does not use the bus."""


class Command[R](BusMessage):
    """A request to a service to change something. The result is an `R`; a refused command has recorded nothing."""

    senders: ClassVar[tuple[str, ...]] = ("gateway",)
    """As those of a query."""
    outcome_query: ClassVar[type[Query[Any]] | None] = None
    """The query whose answer is the result of this command; None if the handler returns the result itself."""

    def outcome(self) -> Query[R] | None:
        """Return the outcome query, filled from the fields of the command with the same names."""
        kind = self.outcome_query
        return kind and kind(**{name: getattr(self, name) for name in kind.model_fields})


class Event(BusMessage):
    """Something that happened. It is stored under its `subject` and `version` until its aggregate is erased."""

    published: ClassVar[bool] = True
    """False for events that hold secrets, or mean nothing to others: they are stored and never leave their service."""
    secret: ClassVar[bool] = False
    """Whether it holds secrets. Then it is stored encrypted and never published, and all its fields have defaults.

    The defaults are what is read after the encryption key was erased with the aggregate.
    """
    internal: ClassVar[frozenset[str]] = frozenset()
    """Fields that mean nothing outside the services: they are not part of the public form."""
    resource: ClassVar[tuple[str, str] | None] = None
    """The kind of the resource that the event is about, and the field with its id; None: it is the aggregate."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Keep secret events from being published.

        Raises:
            TypeError: a field of a secret event has no default.
        """
        super().__pydantic_init_subclass__(**kwargs)
        if cls.secret:
            cls.published = False
            if required := [name for name, field in cls.model_fields.items() if field.is_required()]:
                raise TypeError(f"{cls.__name__} is secret, so {required} need defaults")

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state of an older `version` of this event in the form of the current version."""
        raise ValueError(f"{cls.subject} has no version {version}")

    @classmethod
    def downcast(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        """Return the public fields of this event in a `version` of the public form, from those in the next version.

        They are the same unless the later version of the form has changed them.
        """
        return data


class ProgressEvent(Event):
    """An event that reports the progress of work that was started before, and is no change that anybody made.

    All other published events are entries of the audit log.
    """


class Accepted[R](Message):
    """The reply to a command that was carried out, or to a query that was answered."""

    kind: Literal["accepted"] = "accepted"
    result: R


class Refused(Message):
    """The reply to a message that the domain refuses: expected, final for this input, and nothing was recorded.

    `retry_after` is in seconds. It and `data` are omitted if they are empty, since earlier releases do not know them.
    """

    kind: Literal["refused"] = "refused"
    code: Code
    detail: str
    retry_after: int | None = Field(default=None, exclude_if=lambda value: value is None)
    data: dict[str, JsonValue] = Field(default={}, exclude_if=lambda value: not value)

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        """Return the reply that a refusal becomes."""
        return cls(code=refusal.code, detail=refusal.detail, retry_after=refusal.retry_after, data=refusal.data)

    def refusal(self, owner: UUID | None = None) -> Refusal:
        """Return the refusal that this reply means; `owner` is not part of the reply."""
        return Refusal(self.code, self.detail, retry_after=self.retry_after, data=self.data, owner=owner)


class Faulted(Message):
    """The reply of a service that failed to handle a message; the same message may succeed later."""

    kind: Literal["faulted"] = "faulted"
    detail: str


type Reply[R] = Annotated[Accepted[R] | Refused | Faulted, Field(discriminator="kind")]


class Actor(Message):
    """The user on whose behalf a message is sent."""

    user_id: UUID
    role: Literal["admin", "user", "viewer"]

    def may_see(self, owner: UUID) -> bool:
        """Return whether the resources of `owner` exist for this actor."""
        return self.role == "admin" or self.user_id == owner


class Credential(Message):
    """What the client of a request authenticated with: a login, by the id of its token family, or an API key."""

    kind: Literal["login", "api_key"] = Field(description="`api_key` or `login`.")
    id: UUID = Field(description="Id of the API key, or of the login.")


class Window(Message):
    """The requested part of a list: at most `limit` items after the first `skip`."""

    skip: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=100)


class KeysetWindow(Window):
    """The requested part of a long list: the items after or before the one with an id, or after the first `skip`."""

    after: UUID | None = None
    before: UUID | None = None


class Page[T](Message):
    """One page of a list; `total` is the number of all items that match.

    `more` is true if the list continues after the last item, or, on a page `before` an item, before the first one.
    """

    items: list[T]
    total: int = Field(ge=0)
    more: bool = False


@cache
def ping_query(service: str) -> type[Query[dict[str, str]]]:
    """Return the query that every service answers with the state of its dependencies: by name, `ok` or the error."""

    class Ping(Query[dict[str, str]]):
        subject = ping_subject(service)
        sample = {}

    return Ping


class FeedItem(Message):
    """A published event as it is on the bus: its headers, and its content unless only headers were asked for."""

    headers: dict[str, str]
    body: JsonValue = None


class FeedPage(Message):
    """Events in the order in which they are published. All events up to the cursor `reached` were looked at.

    That is the cursor of the query if there are no more events.
    """

    items: list[FeedItem]
    reached: str


class FeedQuery(Query[FeedPage]):
    """Asks for the next published events that a service has stored after a cursor (`<transaction>:<position>`).

    Only for those of some kinds, if their subjects are given; without their content, if `headers_only`.
    """

    sample = {"after": "812:33", "kinds": ["evt.user.registered"]}

    after: str = Field(pattern=r"^\d{1,19}:\d{1,19}$")
    kinds: list[str] | None = None
    headers_only: bool = False


@cache
def feed_query(service: str) -> type[FeedQuery]:
    """Return the query that every service answers with its stored events, for read models of other services."""

    class ReadFeed(FeedQuery):
        subject = feed_subject(service)

    return ReadFeed


class ProjectedQuery(Query[str | None]):
    """Asks up to which cursor a service has projected the events of the service `source`; None: it projects none."""

    sample = {"source": "session"}

    source: str


@cache
def projected_query(service: str) -> type[ProjectedQuery]:
    """Return the query that every service answers with the progress of its read models of another one's events."""

    class GetProjected(ProjectedQuery):
        subject = projected_subject(service)

    return GetProjected


def result_type(message: type[Command[Any] | Query[Any]]) -> Any:
    """Return the type of the result of a command or query: the `R` of its base."""
    for base in message.__mro__:
        if (generic := base.__dict__.get("__pydantic_generic_metadata__")) and generic["args"]:
            return generic["args"][0]
    raise TypeError(f"{message.__name__} has no result type: derive it from Command[R] or Query[R]")


@cache
def accepted_type(message: type[Command[Any] | Query[Any]]) -> type[Accepted[Any]]:
    """Return the type of the reply to a command or query that was accepted."""
    return Accepted[result_type(message)]


def reply_adapter(result: Any) -> TypeAdapter[Reply[Any]]:
    """Return the adapter that reads and writes replies with a result of this type."""
    form: Any = Annotated[Accepted[result] | Refused | Faulted, Field(discriminator="kind")]
    return TypeAdapter(form)
