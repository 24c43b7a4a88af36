"""What is done once the transaction of a projection has committed: an event that is rolled back is not counted."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

type Action = Callable[[], object]

_actions: ContextVar[list[Action] | None] = ContextVar("_actions", default=None)


def after_commit(action: Action) -> None:
    """Have `action` called when the event that is projected has been stored; not if it is projected again later."""
    if (actions := _actions.get()) is not None:
        actions.append(action)


@contextmanager
def committing() -> Generator[None]:
    """Call what the block passes to `after_commit` at its end, unless it raises."""
    actions = list[Action]()
    token = _actions.set(actions)
    try:
        yield
    finally:
        _actions.reset(token)
    for action in actions:
        action()
