"""The commands, queries and events of the service of jars."""

from typing import Any
from uuid import UUID

from contracts.messages import Command, Event, Message, Query

JAR = UUID("0197a1f0-0000-7000-8000-00000000000a")


class JarView(Message):
    """A jar and the number of its marbles."""

    id: UUID
    label: str
    marbles: int


class GetJar(Query[JarView]):
    """Get one jar."""

    subject = "qry.jar.get"
    sample = {"jar_id": str(JAR)}

    jar_id: UUID


class OpenJar(Command[JarView]):
    """Open an empty jar."""

    subject = "cmd.jar.open"
    outcome_query = GetJar
    sample = {"jar_id": str(JAR), "label": "blue ones"}

    jar_id: UUID
    label: str


class AddMarble(Command[int]):
    """Add a marble to a jar; returns the new number of marbles."""

    subject = "cmd.jar.add"
    sample = {"jar_id": str(JAR), "colour": "blue"}

    jar_id: UUID
    colour: str


class JarOpened(Event):
    """A jar was opened."""

    subject = "evt.jar.opened"
    sample = {"label": "blue ones"}

    label: str


class MarbleAdded(Event):
    """A marble was added to the jar. In version 1 all marbles had size 1, which was not recorded."""

    subject = "evt.jar.marble_added"
    version = 2
    sample = {"colour": "blue", "size": 1}

    colour: str
    size: int

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        """Add the size."""
        return state | {"size": 1} if version == 1 else super().upcast(version, state)


class LockSet(Event):
    """The jar was locked with a secret code."""

    subject = "evt.jar.lock_set"
    secret = True
    sample = {"code": "1234"}

    code: str = ""


class JarBroken(Event):
    """The jar was broken, and so deleted."""

    subject = "evt.jar.broken"
    sample = {}


type JarEvent = JarOpened | MarbleAdded | LockSet | JarBroken
