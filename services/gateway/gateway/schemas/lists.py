"""Lists, a page at a time."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from contracts.messages import Page
from pydantic import BaseModel, Field
from starlette.requests import Request

from gateway.schemas.shown import Shown

LARGEST_SKIP = 2**31 - 1


class Window(BaseModel):
    """Which part of a list is asked for; subclasses add filters."""

    skip: Annotated[int, Field(ge=0, le=LARGEST_SKIP, description="How many items to leave out.")] = 0
    limit: Annotated[int, Field(ge=1, le=100, description="How many items to give at most.")] = 100

    def links(self, path: str, page: Page[Any]) -> "Links":
        """Give the addresses of the pages after and before this one, filters kept."""
        shown = self.skip + len(page.items)
        more = bool(page.items) and shown < page.total
        return Links(
            next=self._address(path, skip=self.skip + self.limit) if more else None,
            prev=self._address(path, skip=max(0, self.skip - self.limit)) if self.skip else None,
        )

    def _address(self, path: str, **changed: Any) -> str:
        wanted = {"skip": self.skip, "limit": self.limit} | self.model_dump(exclude_defaults=True) | changed
        return f"{path}?{urlencode({name: value for name, value in wanted.items() if value is not None})}"


class KeysetWindow(Window):
    """A part of a large list: `after` an item is as fast deep down as at the top, and nothing comes twice."""

    after: Annotated[UUID | None, Field(description="Give what comes after the item with this id.")] = None

    def links(self, path: str, page: Page[Any]) -> "Links":
        """Go on from the last item, save for a client that counts."""
        if self.skip:
            return super().links(path, page)
        more = len(page.items) == self.limit and (self.after is not None or page.total > self.limit)
        return Links(next=self._address(path, skip=None, after=page.items[-1].id) if more else None, prev=None)


class Links(BaseModel):
    """Where the neighbouring pages are."""

    next: str | None
    prev: str | None


class PageShown[T](Shown):
    """One page of a list."""

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
