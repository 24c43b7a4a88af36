"""Lists as the results of tools: shorter pages than those of the routes, and without links."""

from typing import Annotated, Any, Self

from contracts.messages import Page
from pydantic import Field

from gateway.schemas.base import ResponseModel
from gateway.schemas.lists import Window

Limit = Annotated[int, Field(ge=1, le=50, description="Maximum number of items to return.")]
DEFAULT_LIMIT = 20


class Items[T](ResponseModel):
    """One page of a list."""

    items: list[T]
    total: Annotated[int, Field(description="Number of items in the whole list.")]
    more: Annotated[
        bool, Field(description="Whether items follow; pass the id of the last one as `after` to see them.")
    ]

    @classmethod
    def over(cls, page: Page[Any], items: list[T], window: Window) -> Self:
        """Return the page that a service returned."""
        more = window.links("", page).next is not None
        return cls.model_construct(None, items=items, total=page.total, more=more)
