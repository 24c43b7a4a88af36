"""Due times: a command that a service sends to itself at a time set by one of its events.

A projection sets, moves and cancels due times in the transaction that stores the event, so they survive any crash.
`eventing.due_times` sends the commands.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from contracts.messages import Command
from runtime import clock
from runtime.bus.envelope import Envelope

from eventing.database import Connection
from eventing.recording import Recorded

NAMESPACE = UUID("6f1c7b1e-6f0e-5f0b-9d53-3a0a3f6f2c11")

SET = """
    INSERT INTO due (kind, id, aggregate, at, try_at, envelope) VALUES ($1, $2, $3, $4, $4, $5)
    ON CONFLICT (kind, id) DO UPDATE
    SET at = excluded.at, try_at = excluded.at, attempts = 0, envelope = excluded.envelope"""
CANCEL = "DELETE FROM due WHERE kind = $1 AND id = $2"
_set_to_now: ContextVar[bool] = ContextVar("_set_to_now", default=False)
"""Whether the transaction of this task has set a due time that is reached already."""
CANCEL_ALL = "DELETE FROM due WHERE kind = ANY($1) AND id = $2"


@dataclass(frozen=True)
class DueTime:
    """A due time that was reached; `id` identifies the part of the aggregate that is due."""

    id: UUID
    aggregate: UUID
    at: datetime


@dataclass(frozen=True)
class DueKind:
    """A kind of due time, stored under its `name`; `command` creates the command to send when one is reached.

    The command may arrive late, and even just after the due time was cancelled: its handler checks the state. One that
    fails is retried with increasing delay, at least each minute, until it succeeds or is refused: what is never done
    would never end, and a command may set the next due time.
    """

    name: str
    command: Callable[[DueTime], Command[Any]]

    async def set(self, recorded: Recorded[Any], id: UUID, at: datetime, db: Connection) -> None:
        """Set or move the due time of `id` because of an event; `db` is the connection that stores the event.

        The command will have the actor and the correlation id of the event. It is carried out once for each time that
        an event sets; another event may set a time again that was reached before.
        """
        await self.put(DueTime(id, recorded.id, at), recorded.envelope, db)

    async def put(self, due: DueTime, cause: Envelope, db: Connection) -> None:
        """Set or move a due time as `set` does, for any aggregate, and with the envelope of any cause."""
        await db.execute(SET, self.name, due.id, due.aggregate, due.at, cause.headers())
        if due.at <= clock.now():
            _set_to_now.set(True)

    async def cancel(self, id: UUID, db: Connection) -> None:
        """Cancel the due time of `id`, if there is one."""
        await db.execute(CANCEL, self.name, id)

    def command_id(self, due: DueTime, cause: Envelope) -> UUID:
        """Return the id of the command for a due time that `cause` set: the same in every replica and attempt."""
        return uuid5(NAMESPACE, f"{self.name} {due.id} {due.at.timestamp():.6f} {cause.message_id}")


def was_set_to_now() -> bool:
    """Return whether this task has set a due time that is reached already, since the last call."""
    was_set = _set_to_now.get()
    _set_to_now.set(False)
    return was_set


async def cancel_all(kinds: Iterable[DueKind], id: UUID, db: Connection) -> None:
    """Cancel the due times of `id` of several kinds in one statement."""
    await db.execute(CANCEL_ALL, [kind.name for kind in kinds], id)
