"""Asking other services for long lists."""

from typing import Any, Protocol

from contracts.messages import Message, Page, Query

PAGE_SIZE = 100


class Ask(Protocol):
    """A function that asks a service over the bus."""

    async def __call__[R](self, query: Query[R]) -> R:
        """Return the answer."""
        ...


async def first[V: Message](ask: Ask, query: Query[Page[V]], limit: int) -> tuple[list[V], int]:
    """Return the first `limit` items of a long list, and the number of all. The query is a `KeysetWindow`."""
    items, total, cursor = list[V](), 0, dict[str, Any]()
    while len(items) < limit:
        window = {"limit": min(PAGE_SIZE, limit - len(items))}
        page = await ask(query.model_copy(update=cursor | window))
        items, total = [*items, *page.items], page.total
        if not page.more or not page.items:
            break
        last: Any = page.items[-1]
        cursor = {"after": last.id}
    return items, total


async def both_ends[V: Message](ask: Ask, query: Query[Page[V]], head: int, tail: int) -> tuple[list[V], int]:
    """Return all items of a list, or its `head` first and `tail` newest ones, in their order; and the number of all.

    The query also has an `order`.
    """
    items, total = await first(ask, query, head)
    if total > len(items):
        rest = min(tail, total - len(items))
        newest, _ = await first(ask, query.model_copy(update={"order": "desc"}), rest)
        items = [*items, *reversed(newest)]
    return items, total
