"""What the service of jars takes, answers and tells."""

from typing import Any
from uuid import UUID

from contracts.messages import Command, Event, Message, Query

JAR = UUID("0197a1f0-0000-7000-8000-00000000000a")


class JarView(Message):
    """A jar, and how many marbles are in it."""

    id: UUID
    label: str
    marbles: int


class GetJar(Query[JarView]):
    """Asks for one jar."""

    subject = "qry.jar.get"
    sample = {"jar_id": str(JAR)}

    jar_id: UUID


class OpenJar(Command[JarView]):
    """Puts up an empty jar."""

    subject = "cmd.jar.open"
    outcome_query = GetJar
    sample = {"jar_id": str(JAR), "label": "blue ones"}

    jar_id: UUID
    label: str


class AddMarble(Command[int]):
    """Puts a marble into a jar, and answers how many are in it then."""

    subject = "cmd.jar.add"
    sample = {"jar_id": str(JAR), "colour": "blue"}

    jar_id: UUID
    colour: str


class JarOpened(Event):
    """A jar is there."""

    subject = "evt.jar.opened"
    sample = {"label": "blue ones"}

    label: str


class MarbleAdded(Event):
    """A marble is in the jar. Version 1 did not tell its size, which was 1."""

    subject = "evt.jar.marble_added"
    version = 2
    sample = {"colour": "blue", "size": 1}

    colour: str
    size: int

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        """Give the marbles of old their size."""
        return state | {"size": 1} if version == 1 else super().upcast(version, state)


class LockSet(Event):
    """The jar has a lock; its code is nobody's business."""

    subject = "evt.jar.lock_set"
    published = False
    sample = {"code": "1234"}

    code: str


class JarBroken(Event):
    """The jar is gone."""

    subject = "evt.jar.broken"
    sample = {}


type JarEvent = JarOpened | MarbleAdded | LockSet | JarBroken
