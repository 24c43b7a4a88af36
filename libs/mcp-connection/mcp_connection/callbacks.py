"""Requests and reports of a server to its client."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it loads the models of the protocol, which take 10 MiB
    from mcp_types import ElicitResult


@dataclass(frozen=True)
class Elicitation:
    """A question of a server to the user: a form with the fields of `schema`, a JSON schema of a flat object."""

    message: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Callbacks:
    """The functions that a connection calls. Elicitation is offered to the server only if `elicit` is set.

    Sampling and roots are never offered: a server shall neither use the model nor learn about the client's files.
    """

    elicit: "Callable[[Elicitation], Awaitable[ElicitResult]] | None" = None
    on_tools_changed: Callable[[], None] | None = None
    on_log: Callable[[str, str], None] | None = None
    """Called with the level and the text of a log message of the server."""


NO_CALLBACKS = Callbacks()
