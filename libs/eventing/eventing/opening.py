"""Opens the sealed states of secret events, when an aggregate is loaded from them."""

from uuid import UUID

from eventing.database import Database, Row
from eventing.recording import SEALED, event_place
from eventing.sealing import SecretUnreadable, unseal


async def open_state(aggregate: UUID, row: Row, database: Database) -> tuple[str, bytes]:
    """Return the topic and the state of an event, unsealed; sealed if the data key was erased with the aggregate.

    Raises:
        SecretUnreadable: the state cannot be unsealed.
    """
    topic: str = row["topic"]
    if not topic.endswith(SEALED):
        return topic, row["state"]
    keys = await database.data_keys.get([aggregate], database)
    if aggregate not in keys:
        raise SecretUnreadable(f"the data key of {aggregate} is missing")
    if (key := keys[aggregate]) is None:
        return topic, row["state"]
    place = event_place(aggregate, row["originator_version"], topic)
    return topic.removesuffix(SEALED), unseal(key, row["state"], place)
