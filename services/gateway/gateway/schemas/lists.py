"""Models of lists, which are read in pages."""

from typing import Annotated, Any, ClassVar, Self, get_args
from urllib.parse import urlencode
from uuid import UUID

from contracts.messages import Page
from contracts.samples import SESSION
from pydantic import AfterValidator, BaseModel, Field, model_validator
from starlette.requests import Request

from gateway.schemas.base import ResponseModel, pattern_rule

MAX_SKIP = 10_000
"""The database reads skipped rows all the same, so that further pages are read by cursors."""
MAX_SHORT_LIST = 20_000

type Words = Annotated[str, Field(pattern=r"^[^\x00]*$"), pattern_rule("Must not contain NUL characters")]


def _bounded(skip: int) -> int:
    if skip > MAX_SKIP:
        raise ValueError(f"must be at most {MAX_SKIP}; use `after` to read further")
    return skip


class Window(BaseModel):
    """Query parameters of a list: the requested part; subclasses add filters."""

    skip: Annotated[int, Field(ge=0, le=MAX_SHORT_LIST, description="Number of items to skip.", examples=[20])] = 0
    limit: Annotated[int, Field(ge=1, le=100, description="Maximum number of items to return.", examples=[20])] = 100

    def links(self, path: str, page: Page[Any]) -> "Links":
        """Return the URLs of the next and the previous page, with the same filters."""
        more = bool(page.items) and self.skip + len(page.items) < page.total
        skipped = min(self.skip, page.total)
        start = max(0, skipped - self.limit)
        return Links(
            next=self._url(path, skip=self.skip + self.limit, limit=self.limit) if more else None,
            prev=self._url(path, skip=start, limit=skipped - start) if skipped else None,
        )

    def _url(self, path: str, **position: Any) -> str:
        position_names = {"skip", "limit", "after", "before"}
        filters = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=position_names)
        parameters = position | self._parameters(filters)
        written = {name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()}
        return f"{path}?{urlencode(written)}"

    def _parameters(self, filters: dict[str, Any]) -> dict[str, Any]:
        """Return the query parameters for the filters; subclasses convert those that are not single values."""
        return filters


class KeysetWindow(Window):
    """Query parameters of a large list, read from an item on: fast at any depth, and no item is repeated."""

    skip: Annotated[
        int,
        Field(
            ge=0,
            json_schema_extra={"maximum": MAX_SKIP},
            description="Number of items to skip; for long lists, `after` is faster.",
            examples=[20],
        ),
        AfterValidator(_bounded),
    ] = 0
    after: Annotated[
        UUID | None, Field(description="Return the items that follow the one with this id.", examples=[SESSION])
    ] = None
    before: Annotated[
        UUID | None, Field(description="Return the items that precede the one with this id.", examples=[SESSION])
    ] = None

    @model_validator(mode="after")
    def _has_one_position(self) -> Self:
        if sum(map(bool, (self.skip, self.after, self.before))) > 1:
            raise ValueError("use only one of `skip`, `after` and `before`")
        return self

    def links(self, path: str, page: Page[Any]) -> "Links":
        """Return links by `skip`, as in the specification, or by cursor if this page was requested by a cursor."""
        if self.after or self.before:
            return self._cursors(path, page)
        links = super().links(path, page)
        if links.next and self.skip + self.limit > MAX_SKIP:
            links.next = self._url(path, limit=self.limit, after=page.items[-1].id)
        return links

    def _cursors(self, path: str, page: Page[Any]) -> "Links":
        if not page.items:
            return Links(next=None, prev=None)
        later, earlier = (True, page.more) if self.before else (page.more, True)
        return Links(
            next=self._url(path, limit=self.limit, after=page.items[-1].id) if later else None,
            prev=self._url(path, limit=self.limit, before=page.items[0].id) if earlier else None,
        )


class Links(BaseModel):
    """Links to the neighbouring pages."""

    next: Annotated[str | None, Field(description="URL of the next page; null on the last one.")]
    prev: Annotated[str | None, Field(description="URL of the previous page; null on the first one.")]


class ListPage[T](ResponseModel):
    """One page of a list."""

    is_list: ClassVar = True

    items: Annotated[list[T], Field(description="The items of this page.")]
    total: Annotated[int, Field(description="Number of items in the whole list.")]
    skip: Annotated[int, Field(description="The requested number of items to skip.")]
    limit: Annotated[int, Field(description="The requested maximum number of items.")]
    links: Annotated[Links, Field(description="Links to the neighbouring pages.")]

    @classmethod
    def documented(cls) -> dict[str, Any] | None:
        """Return the example for the documentation: a page with the example of an item."""
        [item] = get_args(cls.model_fields["items"].annotation)
        links = Links(next=None, prev=None)
        page = {"items": [item.documented()], "total": 1, "skip": 0, "limit": 100, "links": links}
        sample = page | getattr(cls, "sample", {})
        return cls.model_validate(sample, by_alias=True, by_name=True).model_dump(mode="json", by_alias=True)

    @classmethod
    def over(cls, page: Page[Any], window: Window, request: Request, items: list[T] | None = None) -> "ListPage[T]":
        """Return the model of a page that a service returned.

        Its items are encoded as those of this page: the fields of these, of views that have others, too. So only what a
        view does not have as it is shown needs other `items`.
        """
        return cls.model_construct(
            None,
            items=page.items if items is None else items,
            total=page.total,
            skip=window.skip,
            limit=window.limit,
            links=window.links(request.url.path, page),
        )
