"""Lists, a page at a time."""

from typing import Annotated, Any, Self, get_args
from urllib.parse import urlencode
from uuid import UUID

from contracts.messages import Page
from contracts.samples import SESSION
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request

from gateway.schemas.shown import Shown

MAX_SKIP = 10_000
"""Rows that are skipped are read all the same: further on, lists are read by cursors."""
MAX_SHORT_LIST = 20_000


def _bounded(skip: int) -> int:
    if skip > MAX_SKIP:
        raise ValueError(f"skip at most {MAX_SKIP} items: use `after` to read further")
    return skip


class Window(BaseModel):
    """Which part of a list is asked for; subclasses add filters."""

    skip: Annotated[int, Field(ge=0, le=MAX_SHORT_LIST, description="Number of items to skip.", examples=[20])] = 0
    limit: Annotated[int, Field(ge=1, le=100, description="Maximum number of items to return.", examples=[20])] = 100

    def links(self, path: str, page: Page[Any]) -> "Links":
        """Return the addresses of the pages after and before this one, filters kept."""
        more = bool(page.items) and self.skip + len(page.items) < page.total
        skipped = min(self.skip, page.total)
        start = max(0, skipped - self.limit)
        return Links(
            next=self._address(path, skip=self.skip + self.limit, limit=self.limit) if more else None,
            prev=self._address(path, skip=start, limit=skipped - start) if skipped else None,
        )

    def _address(self, path: str, **place: Any) -> str:
        filters = self.model_dump(exclude_defaults=True, exclude={"skip", "limit", "after", "before"})
        return f"{path}?{urlencode(place | filters)}"


class KeysetWindow(Window):
    """A part of a large list: read from an item on, it is as fast deep down as at the top, and nothing comes twice."""

    skip: Annotated[
        int,
        Field(
            ge=0,
            json_schema_extra={"maximum": MAX_SKIP},
            description="Number of items to skip; `after` reads further, and faster.",
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
    def _has_one_place(self) -> Self:
        if sum(map(bool, (self.skip, self.after, self.before))) > 1:
            raise ValueError("use only one of `skip`, `after` and `before`")
        return self

    def links(self, path: str, page: Page[Any]) -> "Links":
        """Return links by numbers, as the specification shows them; cursors to those who came by a cursor."""
        if self.after or self.before:
            return self._cursors(path, page)
        links = super().links(path, page)
        if links.next and self.skip + self.limit > MAX_SKIP:
            links.next = self._address(path, limit=self.limit, after=page.items[-1].id)
        return links

    def _cursors(self, path: str, page: Page[Any]) -> "Links":
        if not page.items:
            return Links(next=None, prev=None)
        later, earlier = (True, page.more) if self.before else (page.more, True)
        return Links(
            next=self._address(path, limit=self.limit, after=page.items[-1].id) if later else None,
            prev=self._address(path, limit=self.limit, before=page.items[0].id) if earlier else None,
        )


class Links(BaseModel):
    """Where the neighbouring pages are."""

    next: str | None
    prev: str | None


def _add_example(schema: dict[str, Any], page: "type[PageShown[Any]]") -> None:
    """Add an example to a page's schema: with the example of its items, and the defaults of its other fields."""
    fields = page.model_fields
    [item] = get_args(fields["items"].annotation)
    [shown] = item.model_config["json_schema_extra"]["examples"]
    defaults = {name: field.default for name, field in fields.items() if not field.is_required()}
    links = {"next": None, "prev": None}
    schema["examples"] = [{"items": [shown], "total": 1, "skip": 0, "limit": 100, "links": links, **defaults}]


class PageShown[T](Shown):
    """One page of a list."""

    model_config = ConfigDict(json_schema_extra=_add_example)

    items: list[T]
    total: int
    skip: int
    limit: int
    links: Links

    @classmethod
    def over(cls, page: Page[Any], items: list[T], window: Window, request: Request) -> "PageShown[T]":
        """Show a page that a service gave."""
        return cls.model_construct(
            None,
            items=items,
            total=page.total,
            skip=window.skip,
            limit=window.limit,
            links=window.links(request.url.path, page),
        )
